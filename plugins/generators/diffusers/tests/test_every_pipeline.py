"""Every pipeline of the table as a tiny version, with the real loading and the real call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.api import Frames, GenerationRequest, no_progress
from nil_generator_diffusers import DiffusersOptions
from nil_generator_diffusers.image_to_video import ImageToVideo
from nil_generator_diffusers.models import MODELS, MODELS_BY_NAME

Tiny = Callable[[str], Path]
Size = tuple[int, int]


def request(**changes: Any) -> GenerationRequest:
    frame = np.full((64, 64, 3), (0, 177, 64), np.uint8)
    frame[16:48, 24:40] = 60
    mask = np.zeros((64, 64), bool)
    mask[16:48, 24:40] = True
    default = GenerationRequest(
        prompt="The Unitree A1 agent is walking, camera follows.",
        skill="walking",
        first_frame=frame,
        first_mask=mask,
        fps=25,
        seconds=0.3,
        seed=3,
        background=(0, 177, 64),
    )
    return replace(default, **changes)


def options(folder: Path, model: str, size: Size, **more: Any) -> DiffusersOptions:
    frames = MODELS_BY_NAME[model].frames
    width, height = size
    count = {"frames": 9 if 9 in frames else frames[0], "width": width, "height": height, "steps": 2}
    return DiffusersOptions(weights=str(folder), model=model, **(count | more))


def test_every_pipeline_is_tested(models: set[str]) -> None:
    assert {MODELS_BY_NAME[name].pipeline for name in models} == {model.pipeline for model in MODELS}


def test_makes_the_requested_video(tiny: Tiny, model: str, size: Size) -> None:
    chosen = options(tiny(model), model, size)
    calls: list[tuple[int, int, str]] = []
    video = ImageToVideo(chosen).generate(request(), lambda *progress: calls.append(progress))
    width, height = size
    side = min(width, height)
    assert video.frames.shape == (chosen.frames, height, width, 3)
    assert video.fps == MODELS_BY_NAME[model].fps
    assert video.crop_box == ((width - side) // 2, (height - side) // 2, side)
    assert calls == [
        *((done, 2, "denoising steps") for done in range(3)),
        (0, 1, "frames decoded"),
        (1, 1, "frames decoded"),
    ]
    facts = json.loads(json.dumps(video.facts))
    assert facts["model"] == model and facts["num_inference_steps"] == 2 and facts["seed"] == 3
    again = ImageToVideo(chosen).generate(request(), no_progress)
    assert (again.frames == video.frames).all(), "the same seed gives the same video"


@pytest.mark.parametrize("model", ["ltx", "hunyuanvideo-1.5"])
def test_every_part_of_a_request_reaches_the_model(tiny: Tiny, model: str, size: Size) -> None:
    def generated(changed: GenerationRequest | None = None, guidance: float = 5.0) -> Frames:
        chosen = options(tiny(model), model, size, steps=1, guidance=guidance)
        return ImageToVideo(chosen).generate(changed or request(), no_progress).frames

    default = generated()
    changes = {
        "seed": 4,
        "prompt": "A dog sleeps",
        "negative_prompt": "blurry",
        "first_frame": 255 - request().first_frame,
    }
    for name, value in changes.items():
        assert (generated(request(**{name: value})) != default).any(), name
    assert (generated(guidance=8.0) != default).any()
