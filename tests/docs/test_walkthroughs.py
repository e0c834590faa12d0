"""The pages that say "type this" are followed to the letter, in an empty folder."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

PAGES = ("your_first_plugin.md", "write_an_agent.md", "write_a_hook.md", "export.md", "observation.md")


@pytest.mark.parametrize("page", PAGES)
def test_page_can_be_followed(page: str, reader: Any, root: Path) -> None:
    reader.follow(root / "docs" / page)
    runs = [path.parent for path in reader.folder.glob("runs/*/manifest.json")]
    assert runs
    for run in runs:
        check_described(run, root / "docs" / "run_folder.md")


@pytest.mark.parametrize(("page", "made"), [("write_a_robot.md", "walk"), ("write_a_segmenter.md", "first")])
def test_page_without_a_run_can_be_followed(page: str, made: str, reader: Any, root: Path) -> None:
    reader.follow(root / "docs" / page)
    assert (reader.folder / made / "video.mp4").exists()


def test_page_and_example_of_gymnasium_can_be_followed(reader: Any, root: Path) -> None:
    pytest.importorskip("stable_baselines3")
    reader.follow(root / "docs" / "gym.md")
    saved = reader.folder / "sac_walking.zip"
    saved.unlink()
    printed = reader.run(f"python {root / 'examples' / 'train_with_stable_baselines3.py'} 120")
    assert "after 120 steps" in printed
    assert saved.exists()


def check_described(run: Path, page: Path) -> None:
    """Every file of a run stands in the page's table; a hook's own files are the hook's."""
    patterns = [line.split("`")[1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    files = [path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()]
    strange = [file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)]
    assert [file for file in strange if file != "evaluations.csv"] == []
