"""What the errors of disks and network folders mean, and what mends them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nil_core.errors import MachineError

Action = Literal["read", "write"]

_UNREACHABLE_NAMES = (
    "ENOTCONN",  # a FUSE mount whose program is gone: sshfs, rclone, Drive
    "ESTALE",  # NFS: the server no longer knows the folder
    "EIO",  # a soft mount that gave up waiting, or a disk that fails
    "EREMOTEIO",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETDOWN",
    "ENETUNREACH",
    "ETIMEDOUT",
    "ECONNABORTED",  # the program of a FUSE mount died while it was asked
    "ESHUTDOWN",
    "ENOLINK",
    "ENODEV",
    "ENXIO",
    "ENOMEDIUM",
)
UNREACHABLE = frozenset(getattr(errno, name) for name in _UNREACHABLE_NAMES if hasattr(errno, name))
"""Numbers of errors that say nothing about the folder, only that it cannot be asked now."""

_FREE_SPACE = "free some space, then repeat the command, or go on with `nil run --resume FOLDER`"
_REMOUNT = {
    "read": "mount it again, or look after its disk, then repeat the command",
    "write": "mount it again, then repeat the command or `nil run --resume FOLDER`; or choose another with --out",
}
_OTHER_FOLDER = "choose another folder with --out"
_RIGHTS = "see who may read it: ls -ld, and chmod u+rX gives you the right"

_EITHER = {
    errno.EMFILE: ("too many files are open", "raise the limit: ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "close other programs, then repeat the command"),
}
_READING = _EITHER | {
    errno.EACCES: ("permission denied", _RIGHTS),
    errno.EPERM: ("permission denied", _RIGHTS),
    errno.ENAMETOOLONG: ("the name is too long", "check the path"),
    errno.ELOOP: ("it is a link that leads to itself", "check the path"),
}
_WRITING = _EITHER | {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("the disk quota is used up", _FREE_SPACE),
    errno.EFBIG: ("the file is too large for the file system", _OTHER_FOLDER),
    errno.EROFS: ("the file system is read-only", _OTHER_FOLDER),
    errno.EACCES: ("permission denied", _OTHER_FOLDER),
    errno.EPERM: ("permission denied", _OTHER_FOLDER),
    errno.ENOTDIR: ("a part of the path is a file", _OTHER_FOLDER),
    errno.EEXIST: ("a part of the path is a file", _OTHER_FOLDER),
    errno.ELOOP: ("a part of the path is a link that leads to itself", _OTHER_FOLDER),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one with --out"),
    errno.ENOLCK: ("its file system cannot lock files", _OTHER_FOLDER),
    errno.ENOSYS: ("its file system cannot lock files", _OTHER_FOLDER),
}
_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE}


@contextmanager
def explain_os_errors(path: Path, action: Action = "write", hint: str = "") -> Iterator[None]:
    """Say what the errors of the disk mean; others, a missing file among them, stay what they are.

    Args:
        path: what the block reads or writes.
        action: which of the two.
        hint: what mends it, if that is special.

    Raises:
        MachineError: full, read-only, not ours, or not to be reached.
    """
    try:
        yield
    except Exception as error:
        explained = explanation(error, path, action)
        if explained is None:
            raise
        raise MachineError(explained.message, hint or explained.hint) from None


def explanation(error: BaseException, path: Path, action: Action) -> MachineError | None:
    """What an error of the disk means to a person; None if it is another error. Args as :func:`explain_os_errors`."""
    number = _number(error) or _number(error.__cause__)  # of a plugin's error: its cause
    if number in UNREACHABLE:
        where = unreachable_part(path)
        return MachineError(f"the folder {where} cannot be reached: {os.strerror(number)}", _REMOUNT[action])
    reason, hint = (_READING if action == "read" else _WRITING).get(number, ("", ""))
    return MachineError(f"cannot {action} {path}: {reason}", hint) if reason else None


def unforeseen(error: OSError) -> MachineError | None:
    """The explanation of an error that escaped from anywhere; None if it may be a bug.

    Errors of the network have these numbers too, but no file name.
    """
    if error.errno not in UNREACHABLE | _TROUBLE:
        return None
    if error.filename is None:
        return explanation(error, Path("a file"), "write") if error.errno in _WRITING else None
    path = Path(os.fsdecode(error.filename))
    return explanation(error, path, "read") or explanation(error, path, "write")


def exists(path: Path, action: Action = "read") -> bool:
    """Whether something is there. Unlike ``Path.exists``, a folder that cannot be reached is not taken for empty.

    Args:
        path: of a file or folder.
        action: what is meant to be done with it, for the message.

    Raises:
        MachineError: nobody can tell.
    """
    with explain_os_errors(path, action):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing if it is not there. Unlike ``Path.glob``, never nothing for another reason.

    Raises:
        MachineError: it cannot be read.
    """
    with explain_os_errors(folder, "read"):
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def unreachable_part(path: Path) -> Path:
    """The uppermost folder on the way to ``path`` that cannot be reached: where something was mounted."""
    for part in [*reversed(path.parents), path]:
        try:
            part.stat()
        except OSError as error:
            if error.errno in UNREACHABLE:
                return part
            break
    return path.parent


def _number(error: BaseException | None) -> int:
    """The errno, 0 where there is none. Libraries written in Rust, safetensors among them, have it in words alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0
