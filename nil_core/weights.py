"""Where pretrained weights are stored, how they are fetched, and what they are. For plugins that load some.

A run never downloads: :func:`locate` finds what is here or says how to get it, ``nil models fetch`` (:func:`fetch`)
gets it. Needs the extra ``nil-core[weights]``, except for local folders.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from nil_core.card import Weights
from nil_core.errors import DataError, MachineError
from nil_core.storage.paths import cache_root

RANDOM_TINY = "random-tiny"
"""The weights that are none: the real architecture, small, with random numbers, for tests and dry runs."""

FORMATS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx")
OLDER = ["*.bin", "*.h5", "*.msgpack", "*.ot", "*.onnx"]
"""What a repository offers beside its safetensors, and what is left there."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def locate(weights: str, known: tuple[Weights, ...]) -> Path:
    """The folder that holds the weights. Never downloads.

    Args:
        weights: a short name of ``known``, any id of the hub, or a local folder.
        known: those of the component's card.

    Returns:
        the local folder as given, or the snapshot in the hub's cache.

    Raises:
        DataError: no such name or folder, or not (wholly) in the cache; the hint is the command that fetches it.
        MachineError: huggingface_hub is not installed.
    """
    asked = _asked(weights, known)
    if isinstance(asked, Path):
        return asked
    hub = _hub()
    try:
        folder = Path(hub.snapshot_download(asked.repository, local_files_only=True, **_selection(asked)))
    except hub.errors.LocalEntryNotFoundError:
        raise _missing(asked) from None
    if not _holds_weights(folder):
        raise _missing(asked)
    return folder


def fetch(weights: str, known: tuple[Weights, ...]) -> Path:
    """Download weights into the hub's cache, or find that they are there. Shows the hub's own progress bars.

    What was interrupted goes on at the next call: finished files are kept, a file begun is begun again.

    Args:
        weights: as for :func:`locate`.
        known: as for :func:`locate`.

    Returns:
        the folder, as :func:`locate` gives it afterwards.

    Raises:
        DataError: the hub has no such model, does not give it to everybody, or cannot be reached.
        MachineError: the disk is full, or huggingface_hub is not installed.
    """
    asked = _asked(weights, known)
    if isinstance(asked, Path):
        return asked
    hub, name = _hub(), asked.repository
    by_hand = f"or copy its folder here from another machine, and name the folder instead of {asked.name}"
    try:
        folder = Path(hub.snapshot_download(name, **_selection(asked)))
        if not asked.files and not _holds_weights(folder):  # an older repository
            folder = Path(hub.snapshot_download(name))
    except hub.errors.GatedRepoError:
        raise DataError(
            f"{name} is given to those only who accept its terms", "accept them on its page, then set HF_TOKEN"
        ) from None
    except hub.errors.RepositoryNotFoundError:
        raise DataError(
            f"the hub has no model {name}, or it is private", "nil models list; private: set HF_TOKEN"
        ) from None
    except (OSError, hub.errors.HTTPError) as error:  # HTTPError: of whichever HTTP library the hub's client uses
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError(
                f"no room on the disk for {name}", "free some, or set HF_HOME to a larger disk"
            ) from None
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"cannot fetch {name}: {why}", f"again: nil models fetch {name}; {by_hand}") from None
    if not _holds_weights(folder):
        raise DataError(f"{name} holds no weights that could be loaded", "nil models list shows some that do")
    return folder


def fingerprint(folder: Path) -> str:
    """Hex digest (32 characters) of every file in a folder of weights, documentation aside.

    The same files give the same digest, in the hub's cache or out of it. Files of the hub's cache carry their SHA-256
    in their blobs' names; that of others is remembered by path, size and time of change.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in _files(folder):
            digest.update(f"{path.relative_to(folder).as_posix()}\0{_content(path)}\0".encode())
    except OSError as error:
        raise DataError(f"cannot read the weights in {folder}: {error.strerror or error}", "check the folder") from None
    return digest.hexdigest()[:32]


def _asked(weights: str, known: tuple[Weights, ...]) -> Weights | Path:
    for each in known:
        if weights in (each.name, each.repository):
            return each
    folder = Path(weights).expanduser()
    if weights and folder.is_dir():
        if not _holds_weights(folder):
            raise DataError(f"the folder {folder} holds no weights", f"it needs a file {' or '.join(FORMATS[:3])}")
        return folder
    if not _HUB_ID.fullmatch(weights):
        names = ", ".join([*(each.name for each in known), RANDOM_TINY])
        raise DataError(
            f"no weights are called {weights!r}, and there is no such folder", f"one of {names}; a hub id; a folder"
        )
    return Weights(weights, weights, license="", megabytes=0)


def _missing(asked: Weights) -> DataError:
    size = f" ({asked.megabytes} MB)" if asked.megabytes else ""
    return DataError(
        f"the model {asked.repository}{size} is needed and not, or not wholly, on this machine",
        f"nil models fetch {asked.repository}, or set weights to a folder that holds it",
    )


def _selection(asked: Weights) -> dict[str, list[str]]:
    return {"allow_patterns": list(asked.files)} if asked.files else {"ignore_patterns": OLDER}


def _holds_weights(folder: Path) -> bool:
    return any(path.suffix in FORMATS for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    """What matters of a model's folder, in order."""
    within = (
        path for path in sorted(folder.rglob("*")) if not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    return [path for path in within if path.is_file() and path.suffix != ".md" and path.name != "LICENSE"]


def _content(file: Path) -> str:
    """SHA-256 of a file."""
    real = file.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    state = real.stat()
    key = hashlib.sha256(f"{real}\0{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()
    memory = cache_root() / "hashes" / key
    try:
        known = memory.read_text(encoding="ascii")
        if _SHA256.fullmatch(known):
            return known
    except (OSError, ValueError):
        pass
    with open(real, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_name(f".{key}.{os.getpid()}")
        temporary.write_text(found, encoding="ascii")
        temporary.replace(memory)
    except OSError:
        pass  # hashed again next time
    return found


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MachineError("models of the hub need huggingface_hub", 'pip install "nil-core[weights]"') from None
    return huggingface_hub
