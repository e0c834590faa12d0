"""Things made once: results stored by the hash of everything that determined them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.errors import MachineError
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.storage.os_errors import explain_os_errors
from nil_core.storage.paths import cache_root as cache_root

_log = logging.getLogger(__name__)
Arrays = dict[str, npt.NDArray[Any]]

IGNORE = "NIL_NO_CACHE"
"""Environment variable: where it is set and not 0, nothing is read from the cache."""

DIGEST = "nil.digest"
"""Array of an entry: the fingerprint of the others. Entries of nil 0.2 have none."""

_ignored = False
_reported: set[Path] = set()  # caches of which was said already that they cannot be used


@contextmanager
def cache_in_use(use: bool) -> Iterator[None]:
    """Whether results of earlier times serve inside the block. New ones are stored in any case."""
    global _ignored
    before, _ignored = _ignored, _ignored or not use
    try:
        yield
    finally:
        _ignored = before


def fingerprint(*parts: Any) -> str:
    """Hex digest (32 characters) of arrays, bytes and JSON values, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def cached(what: str, key: str, make: Callable[[], Arrays], needed: tuple[str, ...] = ()) -> tuple[Arrays, bool]:
    """The arrays made from what ``key`` stands for: made now, or found from an earlier time.

    Args:
        what: sort of thing, a folder of the cache (``videos``, ``masks``, ``embeddings``).
        key: a :func:`fingerprint`.
        make: called when nothing is stored; a damaged entry, and a cache that cannot be reached, count as nothing.
        needed: arrays without which an entry counts as damaged.

    Returns:
        the arrays, and whether they were found; never where the cache is not in use, see :func:`cache_in_use`.
    """
    path = cache_root() / what / f"{key}.npz"
    stored = None if _is_ignored() else _stored(path)
    if stored is not None and not set(needed) - set(stored):
        return stored, True
    arrays = make()
    try:
        # The digest comes first: a bad byte that hides what follows it in the zip file does not hide the digest.
        write_arrays(path, {DIGEST: _digest(arrays), **arrays})
    except MachineError as error:  # what was made, perhaps for money, is worth more than its copy
        _report(error)
    return arrays, False


def is_cached(what: str, key: str) -> bool:
    """Whether :func:`cached` would find an undamaged entry. Args as there."""
    return not _is_ignored() and _stored(cache_root() / what / f"{key}.npz") is not None


def _is_ignored() -> bool:
    return _ignored or os.environ.get(IGNORE, "0") not in ("", "0")


def _stored(path: Path) -> Arrays | None:
    """An entry, None if there is none, or a damaged one."""
    try:
        with explain_os_errors(path, "read"):
            arrays = read_arrays(path)
    except MachineError as error:
        _report(error)
        return None
    except Exception:  # a bad byte in a zip raises whatever it meets
        return None
    digest = arrays.pop(DIGEST, None)
    return arrays if digest is None or np.array_equal(digest, _digest(arrays)) else None


def _digest(arrays: Arrays) -> npt.NDArray[Any]:
    names = sorted(arrays)
    return np.frombuffer(fingerprint(names, *(arrays[name] for name in names)).encode(), np.uint8)


def _report(error: MachineError) -> None:
    """Say once, not for every entry, that the cache cannot be used."""
    root = cache_root()
    if root not in _reported:
        _reported.add(root)
        _log.warning(
            "%s; going on without the cache, nothing is kept for the next time: NIL_CACHE=FOLDER chooses another",
            error.message,
        )


def text_array(value: Mapping[str, Any]) -> npt.NDArray[Any]:
    """JSON values as an array that npz can hold without pickle."""
    return np.frombuffer(json.dumps(dict(value), default=str).encode(), np.uint8)


def array_text(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Back from :func:`text_array`."""
    value: dict[str, Any] = json.loads(array.tobytes().decode())
    return value
