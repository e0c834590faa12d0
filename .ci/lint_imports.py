"""Check who imports whom: the contracts of pyproject.toml for the core, and three contracts for all plugins.

Plugins are found by their folders (``plugins/<kind>/<name>/src/nil_<kind>_<name>``): a new one is checked at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomli_w
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PUBLIC = ("api", "diffusion", "hosted", "learning", "study", "vision", "weights")
"""The modules of the core that a plugin may import."""


def plugin_packages() -> list[str]:
    """The import package of every plugin of this repository."""
    folders = (project.parent / "src" for project in ROOT.glob("plugins/*/*/pyproject.toml"))
    return sorted(file.parent.name for folder in folders for file in folder.glob("*/__init__.py"))


def plugin_contracts(packages: list[str]) -> dict[str, Any]:
    """The configuration of import-linter for plugins.

    Args:
        packages: of the plugins.
    """
    public = [f"** -> nil_core.{module}{below}" for module in PUBLIC for below in ("", ".**")]
    contracts: list[dict[str, Any]] = [
        {
            "name": "The core imports no plugin, and a plugin no other plugin",
            "type": "layers",
            "layers": [" | ".join(packages), "nil_core"],
        },
        {
            "name": "A plugin imports only the public modules of the core",
            "type": "forbidden",
            "source_modules": packages,
            "forbidden_modules": ["nil_core"],
            "ignore_imports": public,
            "unmatched_ignore_imports_alerting": "none",
        },
        {
            "name": "No plugin has an import circle",
            "type": "acyclic_siblings",
            "ancestors": packages,
        },
    ]
    return {"tool": {"importlinter": {"root_packages": ["nil_core", *packages], "contracts": contracts}}}


def main() -> int:
    """Check both; 0 if all contracts are kept."""
    with TemporaryDirectory() as folder:
        plugins = Path(folder) / "plugins.toml"
        plugins.write_text(tomli_w.dumps(plugin_contracts(plugin_packages())), encoding="utf-8")
        return lint_imports(config_filenames=(str(ROOT / "pyproject.toml"), str(plugins)), no_logo=True)


if __name__ == "__main__":
    sys.exit(main())
