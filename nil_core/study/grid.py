"""Grid of a study: rows of config overrides by seeds, read from TOML and validated before anything starts.

::

    name = "similarity"
    preset = "quickstart"       # default
    seeds = [0, 1, 2]           # or a number of seeds
    base.robot = "a1"           # config of all rows
    base.steps = 20000

    [[rows]]
    name = "cosine"

    [[rows]]
    name = "distance"
    reward.similarity = "l2"
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli_w

from nil_core.components import choose, follow_components
from nil_core.config import RunConfig, flatten, load_preset, preset_names, with_changes
from nil_core.config.tree import read_toml, unflatten
from nil_core.errors import ConfigError, NilError
from nil_core.storage.cache import fingerprint

KEYS = ("name", "preset", "seeds", "base", "rows")
DEFAULT_SEEDS = 5
EXAMPLE = "docs/studies.md shows a valid study"
OF_BASE = ("seed", "evaluation")
"""Config keys that a row cannot override: all rows are measured in the same way, and seeds have their own list."""
UNHASHED = {"device", "track"}
"""Config keys that do not change what a run learns."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")


@dataclass(frozen=True)
class Row:
    """A row of the grid.

    Attributes:
        name: unique in the grid; part of the names of its run folders.
        overrides: dotted config key to value.
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One run of the grid.

    Attributes:
        row: name of its row.
        config: resolved, with its seed.
    """

    row: str
    config: RunConfig

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.config.seed

    @cached_property
    def hash(self) -> str:
        """Hex digest of all config values that change what the run learns."""
        flat = {key: value for key, value in flatten(self.config.tree()).items() if key not in UNHASHED}
        return fingerprint({key: int(v) if isinstance(v, float) and v.is_integer() else v for key, v in flat.items()})

    @property
    def row_hash(self) -> str:
        """Hex digest of the same without the seed: equal for all runs of a row."""
        return Entry(self.row, self.config.model_copy(update={"seed": 0})).hash

    @property
    def run(self) -> str:
        """Its run folder, relative to the study folder."""
        return run_path(self.row, self.seed, self.hash)


def with_steps(config: RunConfig) -> RunConfig:
    """The same config; where its steps are not set, with those of its robot, which is loaded."""
    if config.steps is not None:
        return config
    return config.model_copy(update={"steps": choose(config)["robot"].build().spec.learning_steps})


def run_path(row: str, seed: int, digest: str) -> str:
    """A run folder, relative to the study folder. Args: row, seed, and hash of its :class:`Entry`."""
    return f"runs/{row}-s{seed}-{digest[:8]}"


@dataclass(frozen=True)
class StudySpec:
    """What a study compares.

    Attributes:
        name: letters, digits and ``_.+-``.
        rows: at least one.
        seeds: at least one; every row is run with each.
        base: dotted config key to value, for all rows.
        preset: that base is laid over.
    """

    name: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...] = tuple(range(DEFAULT_SEEDS))
    base: Mapping[str, Any] = field(default_factory=dict)
    preset: str = preset_names()[0]

    @property
    def reference_seed(self) -> int:
        """Seed of the video generator: ``base.seed``, for all runs; 0 unless set."""
        return int(self.base.get("seed", 0))

    def changed(
        self, base: Mapping[str, Any] | None = None, seeds: int | Sequence[int] | None = None, preset: str | None = None
    ) -> StudySpec:
        """The same study with other settings; what is None stays.

        Args:
            base: dotted config key to value, laid over :attr:`base`.
            seeds: their number, or the seeds.
            preset: as :attr:`preset`.
        """
        given = {key: value for key, value in (base or {}).items() if value is not None}
        return replace(
            self,
            base={**self.base, **given},
            seeds=self.seeds if seeds is None else _seeds(seeds, "seeds"),
            preset=preset or self.preset,
        )

    def only(self, patterns: Sequence[str]) -> StudySpec:
        """The same study with the rows whose names match a pattern, such as ``no-*``.

        Raises:
            ConfigError: a pattern that matches none.
        """
        for pattern in patterns:
            if not any(fnmatchcase(row.name, pattern) for row in self.rows):
                names = ", ".join(row.name for row in self.rows)
                raise ConfigError(f"no row is called {pattern}", f"rows: {names}")
        rows = (row for row in self.rows if any(fnmatchcase(row.name, pattern) for pattern in patterns))
        return replace(self, rows=tuple(rows))

    def entries(self) -> tuple[Entry, ...]:
        """All runs, by seed and then row, so that an interrupted study has whole seeds.

        Raises:
            ConfigError, PluginError: an invalid name, key, value or component, or two equal rows; names the row.
        """
        _check_names(self)
        common = load_preset(self.preset, self.base)
        configs = {row.name: _row_config(common, row, self.base) for row in self.rows}
        _refuse_equal(configs)
        return tuple(
            Entry(name, config.model_copy(update={"seed": seed}))
            for seed in self.seeds
            for name, config in configs.items()
        )

    def to_toml(self) -> str:
        """The text of a file for :func:`read_spec`."""
        head = {"name": self.name, "preset": self.preset, "seeds": list(self.seeds)}
        rows = [{"name": row.name, **unflatten(row.overrides)} for row in self.rows]
        return tomli_w.dumps({**head, "base": unflatten(self.base), "rows": rows})


def read_spec(file: Path) -> StudySpec:
    """Read a study from a TOML file.

    Raises:
        ConfigError: unreadable, an unknown key, or a value of the wrong type; names file and key.
    """
    return parse(read_toml(file, "study", EXAMPLE), str(file))


def parse(tree: Mapping[str, Any], where: str) -> StudySpec:
    """Make a study from nested plain values.

    Args:
        tree: as in a study file.
        where: origin, for messages.

    Raises:
        ConfigError: as :func:`read_spec`.
    """
    for key in tree:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys: {', '.join(KEYS)}; config of all rows: base.{key}"
            raise ConfigError(f"{where}: a study has no key {key!r}", hint)
    name = tree.get("name", Path(where).stem)
    preset = tree.get("preset", preset_names()[0])
    base = tree.get("base", {})
    rows = tree.get("rows", [])
    for key, value, kind, shown in (
        ("name", name, str, "a string"),
        ("preset", preset, str, "a string"),
        ("base", base, dict, "a table of config keys"),
        ("rows", rows, list, "a list of tables, [[rows]]"),
    ):
        if not isinstance(value, kind):
            raise ConfigError(f"{where}: {key} must be {shown}, got {value!r}", EXAMPLE)
    seeds = _seeds(tree.get("seeds", DEFAULT_SEEDS), f"{where}: seeds")
    return StudySpec(name, tuple(_row(each, where) for each in rows), seeds, flatten(base), preset)


def parse_seeds(text: str) -> int | tuple[int, ...]:
    """Parse ``5`` (their number), or the seeds: ``0,1,2`` or ``3-7``.

    Raises:
        ConfigError: another form.
    """
    try:
        if text.strip().isdecimal():
            return int(text)
        found: list[int] = []
        for part in text.split(","):
            first, dash, last = part.partition("-")
            found += range(int(first), int(last) + 1) if dash else [int(first)]
        return tuple(found)
    except ValueError:
        raise ConfigError(f"--seeds {text!r} is no list of seeds", "for example: --seeds 5, 0,1,2 or 3-7") from None


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    hint = "a number of seeds, such as 5, or a list of different ones, such as [0, 1, 2]"
    if isinstance(value, int) and not isinstance(value, bool):
        value = range(value)
    if not isinstance(value, Iterable) or isinstance(value, str | Mapping):
        raise ConfigError(f"{where} must be a number or a list, got {value!r}", hint)
    seeds = tuple(value)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{where}: there is none, or one twice: {list(seeds)}", hint)
    if wrong := [seed for seed in seeds if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0]:
        raise ConfigError(f"{where}: {wrong[0]!r} is no seed", hint)
    return seeds


def _row(tree: Any, where: str) -> Row:
    if not isinstance(tree, Mapping) or not isinstance(tree.get("name"), str):
        raise ConfigError(f"{where}: a row has no name: {tree!r}", 'add to the row: name = "..."')
    return Row(tree["name"], flatten({key: value for key, value in tree.items() if key != "name"}))


def _check_names(spec: StudySpec) -> None:
    hint = "up to 60 letters, digits and _ . + -, beginning with a letter or digit"
    for what, name in [("study", spec.name), *(("row", row.name) for row in spec.rows)]:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot be the name of a {what}", hint)
    if not spec.rows:
        raise ConfigError(f"the study {spec.name} has no rows", "add tables [[rows]], see docs/studies.md")
    names = [row.name.lower() for row in spec.rows]  # some file systems do not tell case apart
    if twice := next((row.name for row in spec.rows if names.count(row.name.lower()) > 1), ""):
        raise ConfigError(f"two rows are called {twice}", "give each row its own name")


def _row_config(common: RunConfig, row: Row, base: Mapping[str, Any]) -> RunConfig:
    for key in row.overrides:
        if key.partition(".")[0] in OF_BASE:
            hint = "list seeds in seeds" if key == "seed" else f"set base.{key}: all rows are measured in the same way"
            raise ConfigError(f"row {row.name}: {key} cannot differ between rows", hint)
    try:
        config, _ = follow_components(with_changes(common, row.overrides), {*base, *row.overrides})
        choose(config)
    except NilError as error:
        raise type(error)(f"row {row.name}: {error.message}", error.hint) from None
    return config


def _refuse_equal(configs: Mapping[str, RunConfig]) -> None:
    seen: dict[str, str] = {}
    for name, config in configs.items():
        options = {kind: chosen.described() for kind, chosen in choose(config).items()}  # with their defaults
        hashed = fingerprint({**config.tree(), **options})
        if hashed in seen:
            raise ConfigError(
                f"the rows {seen[hashed]} and {name} are equal", f"change or remove the row {shlex.quote(name)}"
            )
        seen[hashed] = name
