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
from nil_core.storage.paths import cache_root as cache_root

_log = logging.getLogger(__name__)
Arrays = dict[str, npt.NDArray[Any]]

IGNORE = "NIL_NO_CACHE"
"""Environment variable: where it is set and not 0, nothing is read from the cache."""

_ignored = False


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
        make: called when nothing is stored; a damaged entry counts as nothing.
        needed: arrays without which an entry counts as damaged.

    Returns:
        the arrays, and whether they were found; never where the cache is not in use, see :func:`cache_in_use`.
    """
    path = cache_root() / what / f"{key}.npz"
    stored = None if _ignored or os.environ.get(IGNORE, "0") not in ("", "0") else _stored(path)
    if stored is not None and not set(needed) - set(stored):
        return stored, True
    arrays = make()
    try:
        write_arrays(path, arrays)
    except MachineError as error:  # what was made, perhaps for money, is worth more than its copy
        _log.warning("nothing is kept for the next time: %s; NIL_CACHE=FOLDER chooses another cache", error.message)
    return arrays, False


def _stored(path: Path) -> Arrays | None:
    try:
        return read_arrays(path)
    except Exception:  # a bad byte in a zip raises whatever it meets
        return None


def text_array(value: Mapping[str, Any]) -> npt.NDArray[Any]:
    """JSON values as an array that npz can hold without pickle."""
    return np.frombuffer(json.dumps(dict(value), default=str).encode(), np.uint8)


def array_text(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Back from :func:`text_array`."""
    value: dict[str, Any] = json.loads(array.tobytes().decode())
    return value
