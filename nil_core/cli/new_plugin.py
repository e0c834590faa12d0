"""``nil plugins new``: a distribution to start from, which keeps its contract as it is.

Its files are templates of the standard library's ``string.Template``. A library for project templates would bring a
dozen distributions with it, to fill four names into six files.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path
from string import Template

from nil_core import entry_points, registry
from nil_core.card import KINDS, Kind
from nil_core.components import AUTOMATIC
from nil_core.entry_points import canonical
from nil_core.errors import ConfigError
from nil_core.storage.atomic import writing

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST = 40

DEPENDENCIES: Mapping[Kind, tuple[str, ...]] = {
    "generator": ("mujoco>=3.17", "numpy>=2.0", "pydantic>=2.9"),
    "encoder": ("numpy>=2.0", "pydantic>=2.9"),
    "segmenter": ("pydantic>=2.9",),
    "robot": ("mujoco>=3.17",),
    "agent": ("numpy>=2.0", "pydantic>=2.9"),
    "reward": ("numpy>=2.0", "pydantic>=2.9"),
}
"""What the templates import, beside ``nil_core``."""

TRY: Mapping[Kind, str] = {
    "generator": "nil generate --preset smoke --generator $name --out first",
    "encoder": "nil run --preset smoke --encoder $name",
    "segmenter": "nil generate --preset smoke --segmenter $name --out first",
    "robot": "nil generate --preset smoke --robot $name --out first",
    "agent": "nil run --preset smoke --agent $name",
    "reward": "nil run --preset smoke --reward $name",
}


@dataclass(frozen=True)
class NewPlugin:
    """What a new plugin is called.

    Attributes:
        kind: which of the six.
        name: on the command line.
    """

    kind: Kind
    name: str

    @classmethod
    def named(cls, kind: str, name: str) -> NewPlugin:
        """Of words from the command line.

        Raises:
            ConfigError: no such kind, or a name that cannot be one or is taken.
        """
        plugin = cls(_kind(kind), name)
        if refusal := plugin._refusal():
            raise ConfigError(refusal, f"for example: nil plugins new {plugin.kind} {plugin._another_name()}")
        return plugin

    @property
    def distribution(self) -> str:
        """``nil-encoder-mosaic``."""
        return f"nil-{self.kind}-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """``mosaic``, with underscores only."""
        return self.name.replace("-", "_")

    @property
    def package(self) -> str:
        """``nil_encoder_mosaic``."""
        return f"nil_{self.kind}_{self.module}"

    @property
    def commands(self) -> tuple[str, ...]:
        """What can be done with it once it is installed."""
        return f"nil plugins check --contract {self.name}", Template(TRY[self.kind]).substitute(name=self.name)

    def write(self, out: Path | None) -> Path:
        """Make its folder, whole or not at all.

        Args:
            out: the folder; by default the distribution's name, here.

        Returns:
            the folder.

        Raises:
            ConfigError: it exists.
            MachineError: it cannot be written.
        """
        folder = Path(self.distribution) if out is None else out
        if folder.exists() or folder.is_symlink():
            raise ConfigError(f"{folder} exists already", f"nil plugins new {self.kind} {self.name} --out FOLDER")
        with writing(folder) as temporary:
            for path, text in self._files().items():
                file = temporary / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        return folder

    def _files(self) -> dict[str, str]:
        """Path in the folder to text."""
        source = f"src/{self.package}"
        made = {
            "pyproject.toml": self._filled("shared/pyproject.toml"),
            "README.md": self._filled("shared/README.md"),
            f"{source}/__init__.py": self._filled(f"{self.kind}/card.py"),
            f"{source}/{self.kind}.py": self._filled(f"{self.kind}/implementation.py"),
            f"{source}/py.typed": "",
            f"tests/test_{self.module}.py": self._filled(f"{self.kind}/test.py"),
        }
        return made | ({f"{source}/robot.xml": self._filled("robot/robot.xml")} if self.kind == "robot" else {})

    def _filled(self, template: str) -> str:
        path = files("nil_core.cli").joinpath("templates", *f"{template}.txt".split("/"))
        core = ".".join(version("nil-core").split(".")[:2])
        words = self.module.split("_")
        return Template(path.read_text(encoding="utf-8")).substitute(
            kind=self.kind,
            name=self.name,
            module=self.module,
            package=self.package,
            distribution=self.distribution,
            camel="".join(word.capitalize() for word in words),
            title=" ".join(words),
            dependencies=_quoted(sorted(("nil-core>=" + core, *DEPENDENCIES[self.kind]))),
            data=_quoted(["py.typed", *(["robot.xml"] if self.kind == "robot" else [])]),
            try_it=self.commands[-1],
        )

    def _refusal(self) -> str:
        """Why it cannot be called so; empty if it can."""
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST:
            return f"{self.name!r} can be no name: lower-case letters, digits and hyphens, {LONGEST} at most"
        if self.name == self.kind:
            return f"{self.name!r} says nothing of the {self.kind}"
        if self.name.startswith("nil-"):
            return f"{self.name!r} would be the distribution {self.distribution}"
        if self.kind == "segmenter" and self.name == AUTOMATIC:
            return f"{AUTOMATIC!r} stands for the segmenter that suits the generator"
        if claims := entry_points.claims(registry.group(self.kind), self.name):
            entry = claims[0]
            return f"the {self.kind} {entry.name!r} is installed already, by {entry.distribution} {entry.version}"
        try:
            return f"{self.distribution} {distribution(self.distribution).version} is installed already"
        except PackageNotFoundError:
            return ""

    def _another_name(self) -> str:
        """One like it that can be taken."""
        words = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        words = re.sub(rf"^(nil-)?({self.kind}-)?", "", words)[: LONGEST - 3].strip("-")
        for candidate in (words, f"my-{words or self.kind}", *(f"my-{self.kind}-{i}" for i in range(2, 100))):
            other = NewPlugin(self.kind, candidate)
            if not other._refusal():
                return candidate
        return "NAME"


def _kind(word: str) -> Kind:
    """The kind that a word means: ``encoder``, or ``encoders``.

    Raises:
        ConfigError: none.
    """
    for kind in KINDS:
        if canonical(word) in (kind, f"{kind}s"):
            return kind
    likely = registry.nearest(word, {kind: kind for kind in KINDS})
    question = (
        f": did you mean {likely!r}?" if likely else "; of a hook, command or single term the documentation shows all"
    )
    raise ConfigError(f"there is no kind {word!r} to make{question}", f"kinds: {', '.join(KINDS)}")


def install_line(folder: Path) -> str:
    """The command that installs a distribution from its folder."""
    return shlex.join(["pip", "install", "-e", str(folder)])


def _quoted(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
