"""Atomic writes: a file or folder is complete or absent."""

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

from nil_core.errors import MachineError
from nil_core.storage.os_errors import exists, explain_os_errors


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file or folder name beside ``path``, renamed to it when the block succeeds, else removed.

    Raises:
        MachineError: the disk is full, or the folder cannot be written or reached.
    """
    # The stem is cut: the temporary name must not exceed the length limit of names if ``path`` does not.
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}.tmp{path.suffix[:40]}")
    with explain_os_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # of /proc, and of folders that are removed meanwhile
            raise MachineError(f"the folder {path.parent} cannot be made", "choose another folder with --out") from None
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
    """Write a text file atomically."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def write_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write a compressed npz atomically; never pickles."""
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays that :func:`write_arrays` wrote; never unpickles.

    A bad byte in the directory of a zip file can hide arrays without an error, so pass the names that must exist.

    Args:
        path: of the npz.
        names: the arrays that it must hold; None: no check.

    Raises:
        ValueError: an array is missing or unexpected; names file and array.
        Exception: of many types, if the file is damaged.
    """
    with np.load(path, allow_pickle=False) as file:
        found = set(file.files)
        if names is not None:
            check_names(path, found, names)
        arrays = {name: file[name] for name in file.files}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy returns the bytes of entries that do not begin as an array
            raise ValueError(f"{path.name}: {name} is no array")
    return arrays


def check_names(path: Path, found: Collection[str], required: Collection[str], optional: Collection[str] = ()) -> None:
    """Check that an npz holds all required arrays and no unknown one.

    Raises:
        ValueError: naming file and array.
    """
    if missing := sorted(set(required) - set(found)):
        raise ValueError(f"{path.name} lacks the array {', '.join(missing)}")
    if surplus := sorted(set(found) - {*required, *optional}):
        raise ValueError(f"{path.name} holds an array that does not belong there: {', '.join(surplus)}")
