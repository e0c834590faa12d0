"""The source of plugins that were installed from a folder: it may change while their version stays.

A wheel from an index never changes under its version. What was installed from a folder (``pip install -e ./plugin``, or
without ``-e``, or by no installer at all) does, so a hash of its source belongs into every cache key.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

OWN = "nil_core"
"""The core's package: its version stands for it."""


def source_hash(distribution_name: str, *targets: str) -> str:
    """Hex digest (32 characters) of the ``.py`` files of the packages that a plugin's code lies in.

    Read once per process, as the code is imported once. Imports nothing, but for the parents of a namespace package.

    Args:
        distribution_name: which declares the plugin.
        targets: ``package.module:object``, of its entry point and of its card.

    Returns:
        an empty string where the version stands for the source.
    """
    return _source_hash(distribution_name, tuple(sorted({target.partition(":")[0] for target in targets})))


@cache
def _source_hash(distribution_name: str, modules: tuple[str, ...]) -> str:
    try:
        if not _may_change(distribution(distribution_name)):
            return ""
    except PackageNotFoundError:
        return ""
    files = sorted({found for module in modules for found in _files(module)})
    digest = hashlib.sha256()
    for root, file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32] if files else ""


def forget() -> None:
    """Read sources again: for tests, and for whoever reloads modules."""
    _source_hash.cache_clear()


def _may_change(found: Distribution) -> bool:
    """Installed from a folder, editable or not, or by no installer."""
    if found.read_text("RECORD") is None:
        return True
    try:
        return "dir_info" in json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return True


def _files(module: str) -> list[tuple[Path, Path]]:
    """The source files of a module's package, each after the folder that the package lies in."""
    parts = module.split(".")
    if parts[0] == OWN:
        return []
    for depth in range(1, len(parts) + 1):  # past namespace packages, which others share
        spec = find_spec(".".join(parts[:depth]))
        if spec is None:
            return []
        if spec.origin and spec.has_location:
            file = Path(spec.origin)
            if not file.is_file():  # in a zip file, which nobody edits
                return []
            folder = file.parent if spec.submodule_search_locations else None
            return [(file.parent, file)] if folder is None else [(folder.parent, each) for each in folder.rglob("*.py")]
    return []
