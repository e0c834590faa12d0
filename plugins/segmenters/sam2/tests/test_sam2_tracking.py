"""The segmenter sam2: checkpoint files, loading and both backends, with small models."""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, Sam2VideoModel

from nil_core.api import DataError, MachineError, Masks, Video
from nil_core.testing import check_segmenter, moving_blob
from nil_core.weights import RANDOM_TINY
from nil_segmenter_sam2 import Sam2Options, transformers_backend
from nil_segmenter_sam2.checkpoint import load_model
from nil_segmenter_sam2.segmenter import Sam2

BACKENDS = [
    "transformers",
    pytest.param("sam2", marks=pytest.mark.skipif(find_spec("sam2") is None, reason="the package is not installed")),
]


@pytest.fixture(scope="module")
def perturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint without parameters of exactly zero or one, so that each of them has an effect."""
    model = load_model(RANDOM_TINY)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        model.prompt_encoder.shared_embedding.load_state_dict(model.shared_image_embedding.state_dict())
    folder: Path = tmp_path_factory.mktemp("perturbed")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def brightness_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose weights are set so that masks follow brightness, through all parts of the model.

    The first channel of the patches is their mean, the blocks do not change it, and it reaches the mask decoder by the
    high-resolution features; there, all masks are twenty times that channel.
    """
    model = load_model(RANDOM_TINY)
    backbone, decoder = model.vision_encoder.backbone, model.mask_decoder
    first_channel_layers = [backbone.patch_embed.projection, model.vision_encoder.neck.convs[3], decoder.conv_s0]
    with torch.no_grad():
        for layer in first_channel_layers:
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[0, slice(None) if layer is first_channel_layers[0] else 0] = 1
        first_channel_layers[0].weight /= 3 * 7 * 7
        zero_layers = [backbone.blocks[0].attn.proj, backbone.blocks[0].mlp.proj_out, decoder.upscale_conv2]
        zero_layers += [perceptron.proj_out for perceptron in decoder.output_hypernetworks_mlps]
        for layer in zero_layers:
            layer.weight.zero_()
            layer.bias.zero_()
        for perceptron in decoder.output_hypernetworks_mlps:
            perceptron.proj_out.bias[0] = 20
    folder: Path = tmp_path_factory.mktemp("brightness_model")
    model.save_pretrained(folder)
    return folder


def segmenter(weights: Path | str, backend: str = "transformers", **options: Any) -> Sam2:
    return Sam2(Sam2Options(weights=str(weights), backend=backend, device="cpu", **options))


def bright_walker(height: int = 128, width: int = 128, length: int = 20) -> Video:
    """A bright robot that moves to the right before a dark background."""
    blob = moving_blob(length, height, width, 25.0)
    return Video(np.where(blob.masks[..., None], np.uint8(250), np.uint8(30)).repeat(3, -1), 25.0, blob.masks)


def overlap(a: Masks, b: Masks) -> np.ndarray:
    return (a & b).sum((1, 2)) / (a | b).sum((1, 2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_follow_the_robot(brightness_model: Path, backend: str) -> None:
    video = bright_walker()
    masks = segmenter(brightness_model, backend).segment(video, video.masks[0])
    assert overlap(masks, video.masks).min() > 0.85
    columns = [np.flatnonzero(mask.any(0)).mean() for mask in (masks[0], masks[-1])]
    truth = [np.flatnonzero(mask.any(0)).mean() for mask in (video.masks[0], video.masks[-1])]
    assert abs(columns[1] - columns[0] - (truth[1] - truth[0])) < 4 < 40 < truth[1] - truth[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_contract(brightness_model: Path, backend: str) -> None:
    check_segmenter(segmenter(brightness_model, backend), bright_walker(96, 150, 6))


@pytest.mark.skipif(find_spec("sam2") is None, reason="the package is not installed")
@pytest.mark.parametrize("size", [(128, 128), (90, 120)])
def test_both_backends_agree_on_any_weights(perturbed: Path, size: tuple[int, int]) -> None:
    video = moving_blob(20, *size, 25.0)
    ours, theirs = (
        segmenter(perturbed, backend).segment(video, video.masks[0]) for backend in ("transformers", "sam2")
    )
    assert (ours[0] == theirs[0]).all()
    assert 0.05 < ours[1:].mean() < 0.95, "masks that are full or empty would agree trivially"
    assert (ours == theirs).mean(axis=(1, 2)).min() > 0.98


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_mask_comes_back(backend: str) -> None:
    video = moving_blob(2, 200, 120, 25.0)
    masks = segmenter(RANDOM_TINY, backend).segment(video, video.masks[0])
    assert overlap(masks[:1], video.masks[:1])[0] > 0.9


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_weights_are_reproducible_and_keep_the_random_state(backend: str) -> None:
    video = moving_blob(3, 64, 64, 25.0)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, second = (segmenter(RANDOM_TINY, backend).segment(video, video.masks[0]) for _ in range(2))
    assert (first == second).all() and (torch.random.get_rng_state() == state).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_gives_nearly_the_same_masks(brightness_model: Path, backend: str) -> None:
    video = bright_walker(length=4)
    whole, half = (
        segmenter(brightness_model, backend, dtype=dtype).segment(video, video.masks[0])
        for dtype in ("float32", "bfloat16")
    )
    assert overlap(whole, half).min() > 0.95


@pytest.mark.parametrize("backend", BACKENDS)
def test_progress_is_called_for_every_frame_and_no_file_is_left(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sam2, video = segmenter(RANDOM_TINY, backend), moving_blob(3, 32, 32, 25.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    calls: list[tuple[int, int, str]] = []
    sam2.segment(video, video.masks[0], lambda *progress: calls.append(progress))
    assert calls == [(n, 3, "frames segmented") for n in (1, 2, 3)]
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_memory_does_not_grow_with_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Any] = []

    class RecordedSession(transformers_backend.Sam2VideoInferenceSession):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            sessions.append(self)

    monkeypatch.setattr(transformers_backend, "Sam2VideoInferenceSession", RecordedSession)
    video = moving_blob(40, 32, 32, 25.0)
    segmenter(RANDOM_TINY).segment(video, video.masks[0])
    kept = sessions[0].output_dict_per_obj[0]["non_cond_frame_outputs"]
    assert set(kept) == set(range(24, 40))


def test_deleting_old_outputs_changes_nothing(perturbed: Path) -> None:
    video = moving_blob(30, 32, 32, 25.0)
    default, keeping_all = segmenter(perturbed), segmenter(perturbed)
    keeping_all._tracker.memory_length = 1000
    masks = [sam2.segment(video, video.masks[0]) for sam2 in (default, keeping_all)]
    assert (masks[0] == masks[1]).all()


def test_an_empty_first_mask_is_rejected() -> None:
    video = moving_blob(2, 32, 32, 25.0)
    with pytest.raises(DataError, match="first mask is empty"):
        segmenter(RANDOM_TINY).segment(video, np.zeros((32, 32), bool))


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"facebook/sam2\.1-hiera-small \(184 MB\)") as error:
        segmenter("small")
    assert "nil models fetch facebook/sam2.1-hiera-small" in error.value.hint


@pytest.mark.parametrize("damage", ["cut", "another model", "half of it"])
def test_a_folder_that_is_not_sam2_is_rejected_in_one_line(damage: str, brightness_model: Path, tmp_path: Path) -> None:
    model = Sam2VideoModel.from_pretrained(brightness_model)
    model.save_pretrained(tmp_path)
    if damage == "cut":
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "another model":
        shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        BertModel(BertConfig(vocab_size=9, **shape)).save_pretrained(tmp_path)
    else:
        kept = {name: tensor for name, tensor in model.state_dict().items() if "memory" not in name}
        model.save_pretrained(tmp_path, state_dict=kept)
    with pytest.raises(DataError, match=r"does not load|lacks \d+ parameters of Sam2VideoModel") as error:
        segmenter(tmp_path)
    assert str(tmp_path) in error.value.message and "\n" not in error.value.message


def test_a_missing_device_is_an_error() -> None:
    with pytest.raises(MachineError, match="no GPU cuda:77"):
        Sam2(Sam2Options(weights=RANDOM_TINY, device="cuda:77"))


def test_the_error_for_a_missing_package_names_the_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sam2", None)
    monkeypatch.delitem(sys.modules, "nil_segmenter_sam2.sam2_backend", raising=False)
    with pytest.raises(MachineError, match="needs the package sam2") as error:
        segmenter(RANDOM_TINY, "sam2")
    assert "pip install" in error.value.hint and "backend=transformers" in error.value.hint
