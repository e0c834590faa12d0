"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.errors import MachineError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file or folder name beside ``path``, renamed to it when the block ends well, else removed.

    Raises:
        MachineError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_dir() and path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Say what the disk's errors mean.

    Raises:
        MachineError: full, read-only, or not ours.
    """
    try:
        yield
    except Exception as error:
        reason = {
            errno.ENOSPC: ("the disk is full", "free some space and go on with `nil run --resume FOLDER`"),
            errno.EDQUOT: ("the disk quota is used up", "free some space and go on with `nil run --resume FOLDER`"),
            errno.EIO: ("the disk fails", "choose another with --out, and look after this one"),
            errno.EROFS: ("the file system is read-only", "choose another folder with --out"),
            errno.EACCES: ("permission denied", "choose another folder with --out"),
            errno.EPERM: ("permission denied", "choose another folder with --out"),
            errno.ENOTDIR: ("a part of the path is a file", "choose another folder with --out"),
            errno.EEXIST: ("a part of the path is a file", "choose another folder with --out"),
            errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one with --out"),
        }.get(_number(error) or _number(error.__cause__))  # of a plugin's error: its cause
        if reason is None:
            raise
        raise MachineError(f"cannot write {path}: {reason[0]}", reason[1]) from None


def _number(error: BaseException | None) -> int:
    """The errno, 0 where there is none. Libraries written in Rust, safetensors among them, have it in words alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


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


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """What :func:`write_arrays` wrote; never unpickles."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
