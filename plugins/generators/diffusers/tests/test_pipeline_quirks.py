"""The pipelines with special arguments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from transformers import CLIPTextConfig, CLIPTextModel

from nil_core.api import DataError, GenerationRequest, no_progress
from nil_generator_diffusers import DiffusersOptions
from nil_generator_diffusers.image_to_video import ImageToVideo
from nil_generator_diffusers.pipeline_quirks import embed_with_penultimate_layer, hunyuanvideo_size

Tiny = Callable[[str], Path]

REQUEST = GenerationRequest(
    prompt="a robot",
    skill="walking",
    first_frame=np.full((32, 32, 3), 90, np.uint8),
    first_mask=np.ones((32, 32), bool),
    fps=25,
    seconds=1,
    seed=0,
)


def test_i2vgen_xl_uses_the_second_to_last_layer(tiny: Tiny) -> None:
    """A text encoder without its last layer gives the same embedding."""
    pipeline = DiffusionPipeline.from_pretrained(str(tiny("i2vgen-xl")), local_files_only=True)
    arguments = embed_with_penultimate_layer(pipeline, {"prompt": "a robot walks", "num_frames": 16})
    whole = pipeline.text_encoder
    short = CLIPTextModel(CLIPTextConfig(**{**whole.config.to_dict(), "num_hidden_layers": 1})).eval()
    short.load_state_dict(whole.state_dict(), strict=False)
    for name, text in (("prompt_embeds", "a robot walks"), ("negative_prompt_embeds", "")):
        tokens = pipeline.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        with torch.no_grad():
            torch.testing.assert_close(arguments[name], short(tokens).last_hidden_state)
            assert (arguments[name] - whole(tokens).last_hidden_state).abs().max() > 0.01
    assert arguments["prompt"] is None and arguments["num_frames"] == 16


def test_hunyuanvideo_chooses_its_size_and_crops_nothing(tiny: Tiny) -> None:
    pipeline = DiffusionPipeline.from_pretrained(str(tiny("hunyuanvideo-1.5")), local_files_only=True)
    assert hunyuanvideo_size(pipeline, 30, 33) == (16, 16)
    options = DiffusersOptions(weights=str(tiny("hunyuanvideo-1.5")), width=48, height=48, frames=5, steps=1)
    video = ImageToVideo(options).generate(REQUEST, no_progress)
    assert video.frames.shape[1:3] == (16, 16) and video.crop_box == (0, 0, 16)


def test_framepack_loads_components_from_other_repositories(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny("framepack")
    base = tmp_path / "HunyuanVideo"
    shutil.copytree(whole, base, ignore=shutil.ignore_patterns("transformer", "image_encoder", "feature_extractor"))
    index = json.loads((whole / "model_index.json").read_text())
    del index["image_encoder"], index["feature_extractor"]
    index |= {"_class_name": "HunyuanVideoPipeline", "transformer": ["diffusers", "HunyuanVideoTransformer3DModel"]}
    (base / "model_index.json").write_text(json.dumps(index))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    options = DiffusersOptions(weights=str(base), model="framepack", width=32, height=32, frames=37, steps=1)
    generator = ImageToVideo(options)
    with pytest.raises(DataError) as missing:
        generator.generate(REQUEST, no_progress)
    assert "FramePackI2V_HY" in missing.value.message and "nil models fetch" in missing.value.hint
    write_hub_snapshot(tmp_path / "hub", "lllyasviel/FramePackI2V_HY", {"": whole / "transformer"})
    image_encoder = {name: whole / name for name in ("image_encoder", "feature_extractor")}
    write_hub_snapshot(tmp_path / "hub", "lllyasviel/flux_redux_bfl", image_encoder)
    video = generator.generate(REQUEST, no_progress)
    together = DiffusersOptions(**{**options.model_dump(), "weights": str(whole)})
    assert (video.frames == ImageToVideo(together).generate(REQUEST, no_progress).frames).all()


def write_hub_snapshot(hub: Path, repository: str, folders: dict[str, Path]) -> None:
    """Put folders into a hub cache, like a download."""
    place = hub / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    for name, folder in folders.items():
        shutil.copytree(folder, place / "snapshots" / ("0" * 40) / name)
