"""MkDocs hook: selects the files of the documentation site.

The site keeps the folder structure of the repository, so that relative links work on the site, in an editor and on a
code host. It contains README and changelog, ``docs/``, the README of the examples, results, the READMEs of the plugins,
and all files that they link to.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "examples/README.md",
    "benchmarks/RESULTS.md",
    "benchmarks/history/*.md",
    "plugins/*/*/README.md",
]
EXTRA = ["docs/formulas.js"]
LINK = re.compile(r"\]\(([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the navigation sections of plugins and decisions, whose pages are found by pattern."""
    root = _root(config)
    decisions = [path for path in _found(root, "docs/decisions/*.md") if not path.endswith("README.md")]
    kinds = sorted({path.parents[1].name for path in root.glob("plugins/*/*/README.md")})
    plugins = [{kind.capitalize(): _found(root, f"plugins/{kind}/*/README.md")} for kind in kinds]
    assert config.nav is not None
    config.nav[-2:-2] = [
        {"Plugins": ["docs/plugins.md", *plugins]},
        {"Decisions": ["docs/decisions/README.md", *decisions]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of ``docs/`` by ``PAGES`` and ``EXTRA``, with paths relative to the repository root."""
    root = _root(config)
    pages = [path for pattern in PAGES for path in _found(root, pattern)]
    wanted = {*pages, *EXTRA, *(target for page in pages for target in _linked(root, page))}
    ours = [File(path, str(root), config.site_dir, config.use_directory_urls) for path in sorted(wanted)]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *ours])


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _found(root: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))


def _linked(root: Path, page: str) -> list[str]:
    """Files of the repository that a page links to; mkdocs reports broken links."""
    source = root / page
    targets = LINK.findall(source.read_text(encoding="utf-8"))
    paths = [(source.parent / target).resolve() for target in targets if "://" not in target]
    return [path.relative_to(root.resolve()).as_posix() for path in paths if path.is_file()]
