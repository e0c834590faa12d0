"""A run is a folder: what is in it, and whether a folder is one."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nil_core.config import RunConfig, validate
from nil_core.errors import MachineError, RunError
from nil_core.storage.atomic import write_json, write_text, writing
from nil_core.storage.os_errors import entries, exists, explain_os_errors

FORMAT = 2
EVALUATION_FORMAT = 1
"""Of ``evaluation.json``."""


@dataclass(frozen=True)
class RunFolder:
    """Names of everything in a run's folder.

    ``config.toml`` the resolved config; ``manifest.json`` versions, seeds, hardware; ``status.json`` how far it is;
    ``reference/`` frame, prompt, video, masks, embeddings, provenance; ``demonstrations/`` copies of what it learns
    from; ``metrics.jsonl`` what was learned, by step (no
    clock in it: equal runs write equal bytes); ``timing.jsonl`` how fast; ``checkpoints/``; ``videos/``; ``curve.png``;
    ``summary.json`` the table at the end; ``evaluation.json`` what ``nil eval --save`` found; ``lock`` see
    :func:`nil_core.storage.lock.run_lock`.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def reference(self) -> Path:
        return self.path / "reference"

    @property
    def demonstrations(self) -> Path:
        return self.path / "demonstrations"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def timing(self) -> Path:
        return self.path / "timing.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def videos(self) -> Path:
        return self.path / "videos"

    @property
    def curve(self) -> Path:
        return self.path / "curve.png"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    def resume_command(self) -> str:
        """The command that goes on with the run, quoted for the shell."""
        return f"nil run --resume {shlex.quote(str(self.path))}"

    def write_config(self, config: RunConfig) -> None:
        """The resolved config."""
        write_text(self.config, config.to_toml())

    def write_status(self, state: str, step: int) -> None:
        """``state``: started, learning, interrupted, failed or finished."""
        write_json(self.status, {"state": state, "step": step, "at": time.strftime("%Y-%m-%d %H:%M:%S")})

    def read(self, file: Path) -> dict[str, Any]:
        """A JSON file of the folder, empty if it is not there yet.

        Raises:
            RunError: it is damaged.
            MachineError: it cannot be read, or the folder cannot be reached.
        """
        try:
            with explain_os_errors(file, "read"):
                text = file.read_text(encoding="utf-8")
            value = json.loads(text)
            if not isinstance(value, dict):
                raise ValueError("it holds no table")
            return value
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{file} cannot be read: {error}", "the run is damaged; start a new one") from None

    def read_config(self) -> dict[str, Any]:
        """The tables of ``config.toml``, not validated.

        Raises:
            RunError: it is missing or damaged.
            MachineError: it cannot be read.
        """
        try:
            with explain_os_errors(self.config, "read"):
                text = self.config.read_text(encoding="utf-8")
            return tomllib.loads(text)
        except (OSError, ValueError) as error:
            hint = "the run is damaged; start a new one"
            raise RunError(f"{self.config} cannot be read: {error}", hint) from None


def create(path: Path, config: RunConfig, manifest: Mapping[str, Any]) -> RunFolder:
    """A new run's folder.

    Raises:
        RunError: something is there already.
        MachineError: it cannot be written.
    """
    refuse_occupied(path)
    folder = RunFolder(path)
    folder.write_config(config)
    write_json(folder.manifest, {"nil": "run", "format": FORMAT, **manifest})
    folder.write_status("started", 0)
    return folder


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to fill a new folder: under another name until the block ends well, so that a kill leaves no half a run.

    An empty folder that is there already is filled where it is: somebody may stand in it.
    """
    if not exists(path):
        with writing(path) as temporary:
            yield temporary
        return
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def refuse_occupied(path: Path) -> None:
    """Never write over what is there, and find out at once whether anything can be written there.

    Raises:
        RunError: the path is a file, or a folder with something in it.
        MachineError: nothing can be there.
    """
    with explain_os_errors(path):
        there = exists(path, "write")
        if there and (not path.is_dir() or any(path.iterdir())):
            folder = RunFolder(path)
            resume = f", or `{folder.resume_command()}`" if exists(folder.manifest) else ""
            raise RunError(f"{path} exists already", f"another --out{resume}")
        above = path if there else next(parent for parent in path.parents if exists(parent))
        tempfile.TemporaryDirectory(dir=above, prefix=".nil-").cleanup()


def open_run(path: Path) -> tuple[RunFolder, RunConfig]:
    """An existing run and its config.

    Raises:
        RunError: no run, or one of another format.
    """
    folder = RunFolder(path)
    manifest = folder.read(folder.manifest)
    if manifest.get("nil") != "run":
        raise RunError(f"{path} is no run folder", "`nil runs list` shows those under ./runs")
    if manifest.get("format") != FORMAT:
        raise RunError(
            f"{path} was written in format {manifest.get('format')}, this nil reads format {FORMAT}",
            f"continue it with nil-core {_writer(manifest)}",
        )
    if damaged := [name for name in ("versions", "components") if not _is_table(manifest.get(name, {}))]:
        raise RunError(f"{folder.manifest} is damaged: {damaged[0]} is no table", "start a new run")
    config = validate(folder.read_config())
    if config.steps is None:
        raise RunError(f"{folder.config} is damaged: it does not say for how many steps", "add the line: steps = N")
    return folder, config


def _writer(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions")
    return str(versions.get("nil-core")) if isinstance(versions, dict) and "nil-core" in versions else "of its time"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(below, str | dict) for below in value.values())


def fresh_path(root: Path, config: RunConfig) -> Path:
    """A name that tells runs apart: date, time, robot, skill, seed."""
    words = "-".join([config.robot.name, *config.skill.split()][:4])
    stem = f"{time.strftime('%Y-%m-%d_%H%M%S')}_{words}-s{config.seed}"
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in stem)
    path, number = root / safe, 1
    while exists(path):
        number += 1
        path = root / f"{safe}-{number}"
    return path


def list_runs(root: Path) -> list[RunFolder]:
    """Every run under a folder, oldest first; one that cannot be reached is listed, since it may be one.

    Raises:
        MachineError: the folder itself cannot be read.
    """
    return [RunFolder(path) for path in entries(root) if not path.name.startswith(".") and _may_be_run(path)]


def _may_be_run(path: Path) -> bool:
    try:
        return exists(RunFolder(path).manifest)
    except MachineError:
        return True
