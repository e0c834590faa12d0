"""The generator svd with a tiny Stable Video Diffusion, loaded like the real one."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nil_core.api import DataError, GenerationRequest, Video, no_progress
from nil_core.testing import check_card, check_generator, check_light
from nil_generator_svd import CARD, SvdOptions
from nil_generator_svd.stable_video_diffusion import StableVideoDiffusion


def first_frame() -> np.ndarray[Any, Any]:
    frame = np.full((64, 64, 3), (0, 177, 64), np.uint8)
    frame[16:48, 24:40] = 60
    return frame


REQUEST = GenerationRequest(
    prompt="The Unitree A1 agent is walking, camera follows.",
    skill="walking",
    first_frame=first_frame(),
    first_mask=np.any(first_frame() == 60, axis=-1),
    fps=25,
    seconds=1,
    seed=3,
    background=(0, 177, 64),
)


def generate(folder: Path, request: GenerationRequest = REQUEST, **options: Any) -> Video:
    options = {"width": 48, "height": 32, "steps": 2, "frames": 3} | options
    return StableVideoDiffusion(SvdOptions(weights=str(folder), **options)).generate(request, no_progress)


@pytest.fixture(scope="module")
def video(tiny_svd: Path) -> Video:
    return generate(tiny_svd)


def test_card() -> None:
    check_card(CARD)
    check_light("nil_generator_svd")


def test_contract_and_default_frame_count(tiny_svd: Path) -> None:
    options = SvdOptions(weights=str(tiny_svd), width=32, height=32, steps=1)
    assert len(check_generator(StableVideoDiffusion(options), REQUEST).frames) == 4


def test_size_count_fps_and_crop_box(video: Video) -> None:
    assert video.frames.shape == (3, 32, 48, 3)
    assert video.fps == 7
    assert video.crop_box == (8, 0, 32)


def test_another_seed_gives_another_video(tiny_svd: Path, video: Video) -> None:
    assert (generate(tiny_svd, replace(REQUEST, seed=4)).frames != video.frames).any()


@pytest.mark.parametrize("option", [{"motion_bucket": 10}, {"noise": 1.0}, {"fps": 12}, {"most_guidance": 9.0}])
def test_options_reach_the_model(tiny_svd: Path, video: Video, option: dict[str, Any]) -> None:
    assert (generate(tiny_svd, **option).frames != video.frames).any()


def test_decoding_in_chunks_is_an_approximation(tiny_svd: Path, video: Video) -> None:
    chunked = generate(tiny_svd, decode_chunk=1).frames
    assert chunked.shape == video.frames.shape and (chunked != video.frames).any()


def test_the_first_frame_matters_and_the_prompt_does_not(tiny_svd: Path, video: Video) -> None:
    changed = replace(REQUEST, prompt="something else")
    assert (generate(tiny_svd, changed).frames == video.frames).all()
    other = replace(REQUEST, first_frame=255 - REQUEST.first_frame)
    assert (generate(tiny_svd, other).frames != video.frames).any()


def test_facts_have_the_settings(video: Video) -> None:
    facts = json.loads(json.dumps(video.facts))
    assert facts["seed"] == 3 and facts["num_inference_steps"] == 2 and facts["motion_bucket_id"] == 127
    assert facts["dtype"] == "float32" and facts["device"] == "cpu"


def test_progress_is_called_at_every_step_and_ctrl_c_ends_it(tiny_svd: Path) -> None:
    calls: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, what: str) -> None:
        calls.append((done, total, what))
        if done == 2 and what == "denoising steps":
            raise KeyboardInterrupt

    generator = StableVideoDiffusion(SvdOptions(weights=str(tiny_svd), width=32, height=32, steps=3))
    with pytest.raises(KeyboardInterrupt):
        generator.generate(REQUEST, progress)
    assert calls == [(done, 3, "denoising steps") for done in range(3)]


def test_logs_how_long_it_takes_without_a_gpu(tiny_svd: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        generate(tiny_svd, width=32)
    lines = [record.getMessage() for record in caplog.records if "no GPU" in record.getMessage()]
    assert len(lines) == 1 and "all 2 take about" in lines[0]


def test_the_error_for_missing_weights_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="stable-video-diffusion-img2vid-xt") as missing:
        StableVideoDiffusion(SvdOptions()).generate(REQUEST, no_progress)
    assert "nil models fetch" in missing.value.hint


def test_other_weights_are_rejected_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not really")
    with pytest.raises(DataError, match="does not load as StableVideoDiffusionPipeline"):
        generate(tmp_path)


@pytest.mark.parametrize("invalid", [{"width": 1023}, {"height": 20}, {"least_guidance": 4.0}, {"motion_bucket": 256}])
def test_invalid_options_are_rejected(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SvdOptions(**invalid)


def test_half_precision_files_are_found(tiny_svd: Path, tmp_path: Path, video: Video) -> None:
    """The hub has float16 files beside the others, and only those are downloaded."""
    for file in tiny_svd.rglob("*"):
        copy = tmp_path / file.relative_to(tiny_svd)
        copy = copy.with_name(copy.name.replace(".safetensors", ".fp16.safetensors"))
        if file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    assert (generate(tmp_path).frames == video.frames).all()
