"""``study.json``: the entries of a study folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nil_core.errors import RunError
from nil_core.storage.os_errors import explain_os_errors

NAME = "study.json"
SCHEMA = 1

_TEXTS = ("row", "hash", "config", "run", "reference")


def read_study_index(folder: Path) -> dict[str, Any]:
    """Content of a study folder's ``study.json``, empty if it is not there yet.

    Raises:
        RunError: damaged, or of another format.
        MachineError: it cannot be read, or the folder cannot be reached.
    """
    file = folder / NAME
    try:
        with explain_os_errors(file, "read"):
            value = json.loads(file.read_text(encoding="utf-8"))
        if value["schema"] != SCHEMA:
            raise RunError(f"{file} has format {value['schema']}, this nil reads {SCHEMA}", "update nil-core")
        if not all(isinstance(each[key], str) for each in value["entries"] for key in _TEXTS):
            raise ValueError("an entry is incomplete")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        hint = f"remove it and start the study again: its runs are found by their names ({folder / 'runs'})"
        raise RunError(f"{file} is damaged: {error}", hint) from None
    return dict(value)
