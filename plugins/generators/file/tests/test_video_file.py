"""The generator file returns the video of the user, cut and cropped, with its provenance."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from nil_core.api import ConfigError, DataError, GenerationRequest, no_progress, write_video
from nil_generator_file import CARD, FileOptions
from nil_generator_file.video_file import VideoFile

REQUEST = GenerationRequest(
    prompt="The Unitree A1 agent is walking, camera follows.",
    skill="walking",
    first_frame=np.zeros((16, 16, 3), np.uint8),
    first_mask=np.ones((16, 16), bool),
    fps=25,
    seconds=2,
    seed=0,
)


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    frames = np.zeros((20, 32, 48, 3), np.uint8)
    frames += (np.arange(20, dtype=np.uint8) * 10)[:, None, None, None]
    frames[:, :, :24] //= 2
    write_video(tmp_path / "walk.mp4", frames, 20)
    return tmp_path / "walk.mp4"


def test_cuts_crops_and_records_the_source(walk: Path) -> None:
    options = FileOptions(path=walk, start=0.5, seconds=0.25, crop=(24, 2, 20, 30))
    calls: list[tuple[int, int, str]] = []
    video = VideoFile(options).generate(REQUEST, lambda *progress: calls.append(progress))
    assert video.frames.shape == (5, 30, 20, 3) and video.fps == 20 and video.masks is None
    assert np.abs(video.frames.mean((1, 2, 3)) - np.arange(100, 150, 10)).max() < 3
    assert video.facts["source"] == "walk.mp4"
    assert video.facts["sha256"] == hashlib.sha256(walk.read_bytes()).hexdigest()
    assert json.loads(json.dumps(video.facts)) == video.facts
    assert calls[-1][:2] == (1, 1)


def test_reads_what_is_asked_for_and_says_that_there_is_more(walk: Path) -> None:
    asked = replace(REQUEST, seconds=0.33)
    video = VideoFile(FileOptions(path=walk)).generate(asked, no_progress)
    assert len(video.frames) == 8, "the frames around the last moment, 0.33 s at 20 fps"
    (remark,) = video.facts["remarks"]
    assert "walk.mp4 goes on after the 0.33 s" in remark
    longer = replace(REQUEST, seconds=float(remark.split("video.seconds=")[1].split()[0]))
    assert len(VideoFile(FileOptions(path=walk)).generate(longer, no_progress).frames) == 15
    assert len(VideoFile(FileOptions(path=walk, seconds=0.8)).generate(asked, no_progress).frames) == 16
    assert "remarks" not in VideoFile(FileOptions(path=walk)).generate(REQUEST, no_progress).facts


def test_large_pictures_are_scaled_after_the_crop(tmp_path: Path) -> None:
    write_video(tmp_path / "large.mp4", np.zeros((3, 720, 1600, 3), np.uint8), 20)
    for options, shape in (
        ({}, (576, 1280)),
        ({"size": 400}, (180, 400)),
        ({"size": 400, "crop": (800, 0, 300, 600)}, (400, 200)),
    ):
        video = VideoFile(FileOptions(path=tmp_path / "large.mp4", **options)).generate(REQUEST, no_progress)
        assert video.frames.shape == (3, *shape, 3) and video.facts["size"] == options.get("size", 1280)


def test_a_folder_of_images_needs_a_frame_rate(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match="no frame rate") as error:
        VideoFile(FileOptions(path=tmp_path)).generate(REQUEST, no_progress)
    assert "generator.fps" in error.value.hint
    generator = VideoFile(FileOptions(path=tmp_path, fps=10))
    video = generator.generate(REQUEST, no_progress)
    assert len(video.frames) == 3 and video.fps == 10
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes())
    assert generator.generate(REQUEST, no_progress).facts["sha256"] != video.facts["sha256"]


def test_too_short_a_cut_is_rejected(walk: Path) -> None:
    with pytest.raises(DataError, match="fewer than two frames between the cuts"):
        VideoFile(FileOptions(path=walk, seconds=0.01)).generate(REQUEST, no_progress)


def test_a_missing_path_is_a_config_error() -> None:
    with pytest.raises(ConfigError) as error:
        VideoFile(FileOptions())
    assert "--set generator.path=" in error.value.hint


@pytest.mark.parametrize(
    "invalid", [{"start": -1}, {"seconds": 0}, {"crop": (0, 0, 0, 5)}, {"fps": 0}, {"size": 0}, {"file": "a"}]
)
def test_invalid_options_are_rejected(invalid: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CARD.config(path="a.mp4", **invalid)
