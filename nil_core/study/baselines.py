"""Rows of the baselines that learn from demonstrations, beside the rows of a study (Table 3 of the paper)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from nil_core.config import load_preset, with_changes
from nil_core.errors import DataError
from nil_core.study.grid import Row, StudySpec

FROM_STATES: Final = {"amp": "reward", "gaifo": "reward", "drail": "reward", "bco": "agent"}
"""Component to its kind, of those that learn from states."""

FROM_ACTIONS: Final = {"bc": "agent"}
"""The same, of those that need actions."""

ROBOT = "{robot}"
"""Stands for the name of a row's robot in the path of demonstrations."""


def with_baselines(spec: StudySpec, demonstrations: str, patterns: Sequence[str] = ("*",)) -> StudySpec:
    """A study with a row ``ROW-METHOD`` for each row and method; ``bc`` only for demonstrations with actions.

    Args:
        spec: the rows of NIL.
        demonstrations: path of a file for each robot; ``{robot}`` stands for the robot's name.
        patterns: of the names of new rows; others are left out, and their demonstrations need not exist.

    Raises:
        DataError: a file that is missing or damaged; names the command that makes it.
    """
    rows = [each for row in spec.rows for each in (row, *_baselines(spec, row, demonstrations, patterns))]
    return replace(spec, rows=tuple(rows))


def _baselines(spec: StudySpec, row: Row, demonstrations: str, patterns: Sequence[str]) -> Iterator[Row]:
    methods = {
        method: kind
        for method, kind in (FROM_STATES | FROM_ACTIONS).items()
        if any(fnmatchcase(f"{row.name}-{method}", pattern) for pattern in patterns)
    }
    if not methods:
        return
    robot = with_changes(load_preset(spec.preset, spec.base), row.overrides).robot.name
    file = Path(demonstrations.replace(ROBOT, robot)).absolute()
    if not file.exists():
        command = f"nil demos make RECORDING --robot {shlex.quote(robot)} --out {shlex.quote(str(file))}"
        raise DataError(f"there are no demonstrations {file} for row {row.name}", f"make them: {command}")
    from nil_core.demonstrations.files import read_demonstrations  # imports mujoco

    has_actions = read_demonstrations(file).actions is not None
    for method, kind in methods.items():
        if has_actions or method not in FROM_ACTIONS:
            changes: dict[str, Any] = {f"{kind}.name": method, f"{kind}.demonstrations": str(file)}
            yield Row(f"{row.name}-{method}", {**row.overrides, **changes})
