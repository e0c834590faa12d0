"""Where nil keeps things on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """``NIL_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("NIL_CACHE") or platformdirs.user_cache_dir("nil", appauthor=False))
