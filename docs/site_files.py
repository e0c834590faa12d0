"""Which files the documentation site consists of: a hook of ``mkdocs.yml``.

The site keeps the folders of the repository, so that a relative link leads to the same file on the site, in an editor
and on a code host. It holds README and changelog, ``docs/``, the examples' page, results, the READMEs of the plugins,
and whatever file they link to.
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
    """Add the sections of the navigation whose pages no list names."""
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
    """Replace the files of ``docs/`` by those above, named from the root of the repository."""
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
    """Files of the repository that a page links to; what leads nowhere is left for mkdocs to report."""
    source = root / page
    targets = LINK.findall(source.read_text(encoding="utf-8"))
    paths = [(source.parent / target).resolve() for target in targets if "://" not in target]
    return [path.relative_to(root.resolve()).as_posix() for path in paths if path.is_file()]
