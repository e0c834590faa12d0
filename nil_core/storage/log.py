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
    """Every whole line up to the first that is none: a crash cuts off the last.

    Raises:
        MachineError: it cannot be read.
    """
    rows = []
    if exists(path):
        with explain_os_errors(path, "read"):
            text = path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            row = _row(line)
            if row is None:
                break
            rows.append(row)
    return rows


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def cut_back(path: Path, step: int) -> None:
    """Drop what was written after a step, and a broken last line."""
    if exists(path):
        kept = [json.dumps(row) + "\n" for row in read(path) if row["step"] <= step]
        write_text(path, "".join(kept))


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
