"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.storage.os_errors import exists, explain_os_errors


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file or folder name beside ``path``, renamed to it when the block ends well, else removed.

    Raises:
        MachineError: the disk is full, or the folder cannot be written or reached.
    """
    # The stem is cut so that what is no longer than a name may be stays so.
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}.tmp{path.suffix[:40]}")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_dir() and exists(path):
                shutil.rmtree(path)
            os.replace(temporary, path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """JSON, indented, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def write_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """A compressed npz, whole or not at all; never pickles."""
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """What :func:`write_arrays` wrote; never unpickles.

    A bad byte in the directory of a zip file can hide arrays without a word, so say which there must be.

    Args:
        path: of the npz.
        names: the arrays that it holds; None: whatever is there.

    Raises:
        ValueError: an array is missing, or there is one that does not belong there; names file and array.
        Exception: of many types, if the file is damaged.
    """
    with np.load(path, allow_pickle=False) as file:
        found = set(file.files)
        if names is not None:
            check_names(path, found, names)
        arrays = {name: file[name] for name in file.files}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy gives the bytes of whatever does not begin as an array does
            raise ValueError(f"{path.name}: {name} is no array")
    return arrays


def check_names(path: Path, found: Collection[str], required: Collection[str], optional: Collection[str] = ()) -> None:
    """Refuse an npz that lacks an array, or holds one of an unknown name.

    Raises:
        ValueError: naming file and array.
    """
    if missing := sorted(set(required) - set(found)):
        raise ValueError(f"{path.name} lacks the array {', '.join(missing)}")
    if surplus := sorted(set(found) - {*required, *optional}):
        raise ValueError(f"{path.name} holds an array that does not belong there: {', '.join(surplus)}")
