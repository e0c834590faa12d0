"""Write a version into the core and all plugins of this repository.

    python .ci/set_version.py 0.3.0

They share it, and every plugin needs at least that core.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_VERSION = re.compile(r'^version = "[^"]*"', re.MULTILINE)
_CORE = re.compile(r'"(nil-core(?:\[[a-z]+\])?)>=[^",]*')


def with_version(project: str, version: str) -> str:
    """The text of a ``pyproject.toml`` with another version."""
    return _CORE.sub(rf'"\1>={version}', _VERSION.sub(f'version = "{version}"', project, count=1))


def main() -> None:
    """Write the version that is named on the command line."""
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+\.\d+\.\d+", sys.argv[1]):
        sys.exit(__doc__)
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/*/pyproject.toml")):
        path.write_text(with_version(path.read_text(encoding="utf-8"), sys.argv[1]), encoding="utf-8")


if __name__ == "__main__":
    main()
