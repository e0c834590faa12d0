"""Lines of JSON that a run appends to, and can cut back to a checkpoint."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_core.storage.atomic import write_text
from nil_core.storage.os_errors import exists, explain_os_errors

DIGITS = 6


def append(path: Path, values: Mapping[str, Any]) -> None:
    """One line, on disk when the call returns; numbers with six significant digits. All of it is written or nothing."""
    rest = (json.dumps({key: _rounded(value) for key, value in values.items()}) + "\n").encode()
    with explain_os_errors(path), open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def read(path: Path) -> list[dict[str, Any]]:
    """Every whole line: a crash cuts off the last, and a bad disk damages others.

    Raises:
        MachineError: it cannot be read.
    """
    return read_around_damage(path)[0]


def read_around_damage(
    path: Path, growing: bool = False, with_steps: bool = True
) -> tuple[list[dict[str, Any]], list[int]]:
    """Every whole line, and the numbers of the damaged ones, from 1.

    Args:
        path: of the file; it may be missing.
        growing: the file may be written to at this moment: a last line without its end is no damage.
        with_steps: a whole line has a step.

    Raises:
        MachineError: it cannot be read.
    """
    rows, damaged = [], []
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        row = _row(line, with_steps)
        if row is not None:
            rows.append(row)
        elif not (growing and number == len(lines) and not line.endswith("\n")):
            damaged.append(number)
    return rows, damaged


def _lines(path: Path) -> list[str]:
    if not exists(path):
        return []
    with explain_os_errors(path, "read"):
        return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def _row(line: str, with_steps: bool = True) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and (isinstance(row.get("step"), int) or not with_steps) else None


def cut_back(path: Path, step: int) -> None:
    """Drop what was written after a step, and damaged lines."""
    if exists(path):
        kept = [json.dumps(row) + "\n" for row in read(path) if row["step"] <= step]
        write_text(path, "".join(kept))


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
