"""A digest of every file, in the same folder: whether they are still what was written.

Formats have checks of their own, but a zip file (npz) with one bad byte in its directory can lose an array without a
word, and safetensors and JSON have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from nil_core.storage.atomic import write_json
from nil_core.storage.os_errors import explain_os_errors

NAME = "digests.json"
_ALGORITHM = "sha256"


def record(folder: Path, names: Iterable[str]) -> None:
    """Write down, beside those of other files, the digests of some files of a folder."""
    known = _read(folder) or {}
    write_json(folder / NAME, {_ALGORITHM: known | {name: file_digest(folder / name) for name in sorted(names)}})


def verify(folder: Path, names: Iterable[str] | None = None) -> bool:
    """Whether the folder has digests, which its files then match.

    Args:
        folder: with the files.
        names: which files; None: all that have a digest.

    Raises:
        ValueError: a file is missing, has no digest, or is not what was written; names the file.
        MachineError: the folder cannot be read.
    """
    digests = _read(folder)
    if digests is None:
        return False
    for name in sorted(digests) if names is None else names:
        if name not in digests:
            raise ValueError(f"{name} is not among the files of {NAME}")
        try:
            found = file_digest(folder / name)
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(f"{name} is missing") from None
        if found != digests[name]:
            raise ValueError(f"{name} is not what was written: its {_ALGORITHM} is another than in {NAME}")
    return True


def _read(folder: Path) -> dict[str, str] | None:
    """By name; None where no digests were written."""
    try:
        with explain_os_errors(folder / NAME, "read"):
            text = (folder / NAME).read_text(encoding="utf-8")
        digests = json.loads(text)[_ALGORITHM]
        return {str(name): str(digest) for name, digest in digests.items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{NAME} cannot be read: {error}") from None


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        MachineError: it cannot be read.
    """
    with explain_os_errors(path, "read"), open(path, "rb") as file:
        return hashlib.file_digest(file, _ALGORITHM).hexdigest()
