"""Pretrained weights: finding, downloading and identifying them. For plugins that load some.

A run never downloads: :func:`locate` finds local weights or says how to get them, ``nil models fetch`` (:func:`fetch`)
downloads them. Needs the extra ``nil-core[weights]``, except for local folders.
"""

from __future__ import annotations

import errno
import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from nil_core import network
from nil_core.card import Weights
from nil_core.errors import DataError, MachineError
from nil_core.storage.atomic import write_text
from nil_core.storage.digests import file_digest
from nil_core.storage.paths import cache_root

RANDOM_TINY = "random-tiny"
"""Name of weights that are not loaded: a small model of the same architecture with random parameters, for tests."""

FORMATS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx")
OLDER_FORMATS = ["*.bin", "*.h5", "*.msgpack", "*.ot", "*.onnx"]
"""Files that are not downloaded if a repository also has safetensors."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def locate(weights: str, known: tuple[Weights, ...]) -> Path:
    """The folder with the weights. Never downloads.

    Args:
        weights: a short name of ``known``, any id of the hub, or a local folder.
        known: the weights on the component's card.

    Returns:
        the local folder as given, or the snapshot in the hub's cache.

    Raises:
        DataError: no such name or folder, or not completely in the cache; the hint is the command that downloads it.
        MachineError: huggingface_hub is not installed.
    """
    model = _resolve(weights, known)
    if isinstance(model, Path):
        return model
    hub = _hub()
    try:
        folder = Path(hub.snapshot_download(model.repository, local_files_only=True, **_selection(model)))
    except hub.errors.LocalEntryNotFoundError:
        raise _missing(model) from None
    if not _holds_weights(folder):
        raise _missing(model)
    return folder


def fetch(weights: str, known: tuple[Weights, ...]) -> Path:
    """Download weights into the hub's cache, if they are not there. Shows the progress bars of huggingface_hub.

    An interrupted download continues at the next call: complete files are kept, incomplete ones start again.

    Args:
        weights: as in :func:`locate`.
        known: as in :func:`locate`.

    Returns:
        the folder, as :func:`locate` returns it afterwards.

    Raises:
        ConfigError: an environment variable names a proxy or certificates that cannot be used.
        DataError: the hub has no such model, its terms were not accepted, or the hub cannot be reached.
        MachineError: the disk is full, or huggingface_hub is not installed.
    """
    model = _resolve(weights, known)
    if isinstance(model, Path):
        return model
    network.check_proxies()
    network.certificates()
    hub, name = _hub(), model.repository
    by_hand = f"or copy its folder here from another machine, and name the folder instead of {model.name}"
    try:
        folder = Path(hub.snapshot_download(name, **_selection(model)))
        if not model.files and not _holds_weights(folder):  # an older repository
            folder = Path(hub.snapshot_download(name))
    except hub.errors.GatedRepoError:
        raise DataError(
            f"{name} requires that you accept its terms", "accept them on its page, then set HF_TOKEN"
        ) from None
    except hub.errors.RepositoryNotFoundError:
        raise DataError(
            f"the hub has no model {name}, or it is private", "nil models list; private: set HF_TOKEN"
        ) from None
    except (OSError, hub.errors.HTTPError) as error:  # HTTPError: of the HTTP library that the client uses
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError(
                f"the disk is full: no space for {name}", "free some, or set HF_HOME to a larger disk"
            ) from None
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"cannot download {name}: {why}", f"try again: nil models fetch {name}; {by_hand}") from None
    if not _holds_weights(folder):
        raise DataError(f"{name} has no weights that can be loaded", "nil models list shows some that do")
    return folder


def fingerprint(folder: Path) -> str:
    """Hex digest (32 characters) of every file in a folder of weights, without documentation.

    The same files give the same digest, inside or outside of the hub's cache. In the hub's cache the names of blobs are
    their SHA-256; that of other files is cached by path, size and time of modification.

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


def _resolve(weights: str, known: tuple[Weights, ...]) -> Weights | Path:
    for each in known:
        if weights in (each.name, each.repository):
            return each
    folder = Path(weights).expanduser()
    if weights and folder.is_dir():
        if not _holds_weights(folder):
            raise DataError(f"the folder {folder} has no weights", f"it needs a file {' or '.join(FORMATS[:3])}")
        return folder
    if not _HUB_ID.fullmatch(weights):
        names = ", ".join([*(each.name for each in known), RANDOM_TINY])
        raise DataError(
            f"no weights are called {weights!r}, and there is no such folder", f"one of {names}; a hub id; a folder"
        )
    return Weights(weights, weights, license="", megabytes=0)


def _missing(model: Weights) -> DataError:
    size = f" ({model.megabytes} MB)" if model.megabytes else ""
    return DataError(
        f"the model {model.repository}{size} is needed, but is not (completely) on this machine",
        f"nil models fetch {model.repository}, or set weights to a folder that has it",
    )


def _selection(model: Weights) -> dict[str, list[str]]:
    return {"allow_patterns": list(model.files)} if model.files else {"ignore_patterns": OLDER_FORMATS}


def _holds_weights(folder: Path) -> bool:
    return any(path.suffix in FORMATS for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    """The files of a model's folder without hidden files and documentation, sorted."""
    visible = (
        path for path in sorted(folder.rglob("*")) if not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    return [path for path in visible if path.is_file() and path.suffix != ".md" and path.name != "LICENSE"]


def _content(file: Path) -> str:
    """SHA-256 of a file."""
    real = file.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    state = real.stat()
    key = hashlib.sha256(f"{real}\0{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()
    cached = cache_root() / "hashes" / key
    try:
        digest = cached.read_text(encoding="ascii")
        if _SHA256.fullmatch(digest):
            return digest
    except (OSError, ValueError):
        pass
    digest = file_digest(real)
    with suppress(MachineError):  # hashed again next time
        write_text(cached, digest)
    return digest


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise MachineError("models of the hub need huggingface_hub", 'pip install "nil-core[weights]"') from None
    return huggingface_hub
