"""The contact sheet: its contents, and that prompts and failures are escaped."""

from __future__ import annotations

import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nil_core.config import RunConfig
from nil_core.errors import NilError, PluginError
from nil_core.experiment.generate import generate_several
from nil_core.reference.contact_sheet import MARK, contact_sheet
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.reference.folder import PROVENANCE
from nil_core.reference.mask_quality import measure
from nil_core.reporting import Silent
from nil_core.storage.atomic import write_json
from nil_core.testing import moving_blob

BLOB = moving_blob(9, 32, 32)


def left(folder: Path, name: str, **changes: Any) -> None:
    """The provenance that ``nil generate`` leaves."""
    facts = changes.pop("facts", {})
    video = {"frames": 9, "size": [32, 48], "fps": 8.0, "remarks": [], "facts": facts}
    stand = first_frame_match(BLOB.masks[0], None, BLOB.masks[0])
    known = {"prompt": "p", "video": video, "masks": asdict(measure(BLOB.masks)), "first_frame": asdict(stand)}
    write_json(folder / name / PROVENANCE, known | changes)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_videos_are_shown_with_their_provenance(tmp_path: Path) -> None:
    left(tmp_path, "gait")
    cost = {"estimate": 0.35, "currency": "USD", "reported": 4}
    left(tmp_path, "kling", prompt="A robot <b>walks</b> & waves.", facts={"cost": cost})
    failures: dict[str, NilError] = {"sora": PluginError("no <key>", "export SORA=1")}
    page = contact_sheet(tmp_path, "a1: walking", ["gait", "sora", "kling"], failures)
    tags = Tags(page)
    sources = [attributes["src"] for tag, attributes in tags.seen if tag == "video"]
    assert sources == ["gait/video.mp4", "gait/masks.mp4", "kling/video.mp4", "kling/masks.mp4"]
    assert MARK in page and "about 0.35 USD, reported: 4" in page and "9 frames of 48x32 at 8 fps, 1.00 s" in page
    assert (
        "A robot &lt;b&gt;walks&lt;/b&gt; &amp; waves." in page and "no &lt;key&gt;" in page and "export SORA=1" in page
    )
    assert f"nil run --reference {tmp_path / 'kling'}" in page
    assert re.findall(r"<h2>(.*)</h2>", page) == ["gait", "sora", "kling"]
    outside = [value for _, attributes in tags.seen for value in attributes.values() if value and "//" in value]
    assert outside == [], "it needs nothing but the folders beside it"


def test_warnings_are_marked(tmp_path: Path) -> None:
    left(tmp_path, "good")
    assert 'class="warning"' not in contact_sheet(tmp_path, "t", ["good"], {})
    shifted = first_frame_match(BLOB.masks[0], (8.0, 0.0, 32.0), BLOB.masks[0])
    left(tmp_path, "bad", first_frame=asdict(shifted))
    assert 'class="warning">first frame' in contact_sheet(tmp_path, "t", ["bad"], {})


def test_a_generator_that_breaks_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For any exception; Ctrl-C stops all, and leaves the page of the finished references."""

    def generate(config: RunConfig, folder: Path, *rest: Any) -> Path:
        if config.seed == 1:
            raise ZeroDivisionError("division by zero")
        if config.seed == 3:
            raise KeyboardInterrupt
        left(folder.parent, folder.name)
        return folder

    monkeypatch.setattr("nil_core.experiment.generate.generate", generate)
    configs = {str(seed): RunConfig(seed=seed) for seed in range(3)}
    several = generate_several(configs, tmp_path / "sheet", Silent())
    assert list(several.folders) == ["0", "2"]
    assert several.failures["1"].message == "ZeroDivisionError: division by zero" and several.failures["1"].hint
    with pytest.raises(KeyboardInterrupt):
        generate_several({"0": RunConfig(seed=0), "3": RunConfig(seed=3)}, tmp_path / "stopped", Silent())
    assert "0/video.mp4" in (tmp_path / "stopped/index.html").read_text()
