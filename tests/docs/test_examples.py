"""What lies in examples/ runs, at the size of the preset ``smoke``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

SMALL = "robot, skill = 'a1', 'walking'\nseconds, size = 0.4, 64\n"


@pytest.fixture
def examples(reader: Any, root: Path) -> Path:
    """A copy of the folder, where the reader works."""
    ours = shutil.ignore_patterns("*.egg-info", "__pycache__")
    return Path(shutil.copytree(root / "examples", reader.folder / "examples", ignore=ours))


def test_scripts(reader: Any, examples: Path) -> None:
    printed = reader.run("python examples/follow_run.py smoke")
    assert "after 160 steps: return" in printed
    assert "standing still gets" in printed
    printed = reader.run("nil export runs/followed && python examples/onnx_policy.py runs/followed")
    assert "12 joints" in printed
    rows = (reader.folder / "runs" / "followed" / "joints.csv").read_text().splitlines()
    assert len(rows) == 1 + 10  # 0.4 s at 25 Hz
    assert rows[0].count(",") == 12


def test_plugin(reader: Any, examples: Path) -> None:
    plugin = "examples/nil-segmenter-brightness"
    assert "2 passed" in reader.run(f"pip install -e {plugin} && pytest -q {plugin}")
    reader.run("nil generate --preset smoke --segmenter brightness --set motion.source=none --out walk")
    provenance = json.loads((reader.folder / "walk" / "provenance.json").read_text())
    assert "brightness" in json.dumps(provenance["segmenter"])


def test_notebook(reader: Any, examples: Path) -> None:
    notebook = json.loads((examples / "reference_and_motion.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    sources = [SMALL if "parameters" in cell["metadata"].get("tags", ()) else "".join(cell["source"]) for cell in cells]
    # By standard input, since a notebook's module has no file either.
    (reader.folder / "cells.py").write_text("\n".join(sources), encoding="utf-8")
    printed = reader.run("MPLBACKEND=agg python - < cells.py")
    assert "overlap" in printed
    folder = reader.folder / printed.split()[-1]
    assert (folder / "motion.json").exists()


def test_page_names_every_example(root: Path) -> None:
    page = (root / "examples" / "README.md").read_text(encoding="utf-8")
    names = {path.name for path in (root / "examples").iterdir() if path.name[0] not in "._"} - {"README.md"}
    assert {name for name in names if f"`{name}`" not in page} == set()
