"""The segmenter sam2: real checkpoint files through the real loader, and both implementations at work, all small."""

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
from nil_segmenter_sam2 import Sam2Options, streamed
from nil_segmenter_sam2.checkpoint import load_model
from nil_segmenter_sam2.segmenter import Sam2

BACKENDS = [
    "transformers",
    pytest.param("sam2", marks=pytest.mark.skipif(find_spec("sam2") is None, reason="the package is not installed")),
]


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in which no parameter is zero or one, so that each of them matters."""
    model = load_model(RANDOM_TINY)
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=dice)
        model.prompt_encoder.shared_embedding.load_state_dict(model.shared_image_embedding.state_dict())
    folder: Path = tmp_path_factory.mktemp("shaken")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint set by hand to see brightness, through every part that a trained one sees with.

    The first channel of the patches is their mean, the blocks leave it alone, and it reaches the mask decoder by the
    features of high resolution; there, all masks are twenty times that channel.
    """
    model = load_model(RANDOM_TINY)
    backbone, decoder = model.vision_encoder.backbone, model.mask_decoder
    channel_alone = [backbone.patch_embed.projection, model.vision_encoder.neck.convs[3], decoder.conv_s0]
    with torch.no_grad():
        for layer in channel_alone:
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[0, slice(None) if layer is channel_alone[0] else 0] = 1
        channel_alone[0].weight /= 3 * 7 * 7
        silent = [backbone.blocks[0].attn.proj, backbone.blocks[0].mlp.proj_out, decoder.upscale_conv2]
        silent += [perceptron.proj_out for perceptron in decoder.output_hypernetworks_mlps]
        for layer in silent:
            layer.weight.zero_()
            layer.bias.zero_()
        for perceptron in decoder.output_hypernetworks_mlps:
            perceptron.proj_out.bias[0] = 20
    folder: Path = tmp_path_factory.mktemp("seeing")
    model.save_pretrained(folder)
    return folder


def segmenter(weights: Path | str, backend: str = "transformers", **options: Any) -> Sam2:
    return Sam2(Sam2Options(weights=str(weights), backend=backend, device="cpu", **options))


def lit_walker(height: int = 128, width: int = 128, length: int = 20) -> Video:
    """A bright robot that walks to the right over a dark ground."""
    blob = moving_blob(length, height, width, 25.0)
    return Video(np.where(blob.masks[..., None], np.uint8(250), np.uint8(30)).repeat(3, -1), 25.0, blob.masks)


def overlap(a: Masks, b: Masks) -> np.ndarray:
    return (a & b).sum((1, 2)) / (a | b).sum((1, 2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_are_the_robot_and_move_with_it(seeing: Path, backend: str) -> None:
    video = lit_walker()
    masks = segmenter(seeing, backend).segment(video, video.masks[0])
    assert overlap(masks, video.masks).min() > 0.85
    columns = [np.flatnonzero(mask.any(0)).mean() for mask in (masks[0], masks[-1])]
    truth = [np.flatnonzero(mask.any(0)).mean() for mask in (video.masks[0], video.masks[-1])]
    assert abs(columns[1] - columns[0] - (truth[1] - truth[0])) < 4 < 40 < truth[1] - truth[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_keeps_the_contract_of_segmenters(seeing: Path, backend: str) -> None:
    check_segmenter(segmenter(seeing, backend), lit_walker(96, 150, 6))


@pytest.mark.skipif(find_spec("sam2") is None, reason="the package is not installed")
@pytest.mark.parametrize("size", [(128, 128), (90, 120)])
def test_both_backends_agree_on_any_weights(shaken: Path, size: tuple[int, int]) -> None:
    video = moving_blob(20, *size, 25.0)
    ours, theirs = (segmenter(shaken, backend).segment(video, video.masks[0]) for backend in ("transformers", "sam2"))
    assert (ours[0] == theirs[0]).all()
    assert 0.05 < ours[1:].mean() < 0.95, "masks that agree because they are all or nothing would prove little"
    assert (ours == theirs).mean(axis=(1, 2)).min() > 0.98


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_mask_comes_back(backend: str) -> None:
    video = moving_blob(2, 200, 120, 25.0)
    masks = segmenter(RANDOM_TINY, backend).segment(video, video.masks[0])
    assert overlap(masks[:1], video.masks[:1])[0] > 0.9


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_weights_are_the_same_every_time_and_disturb_nobody(backend: str) -> None:
    video = moving_blob(3, 64, 64, 25.0)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, second = (segmenter(RANDOM_TINY, backend).segment(video, video.masks[0]) for _ in range(2))
    assert (first == second).all() and (torch.random.get_rng_state() == state).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_sees_the_same(seeing: Path, backend: str) -> None:
    video = lit_walker(length=4)
    whole, half = (
        segmenter(seeing, backend, dtype=dtype).segment(video, video.masks[0]) for dtype in ("float32", "bfloat16")
    )
    assert overlap(whole, half).min() > 0.95


@pytest.mark.parametrize("backend", BACKENDS)
def test_tells_of_every_frame_and_leaves_no_file(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tool, video = segmenter(RANDOM_TINY, backend), moving_blob(3, 32, 32, 25.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told: list[tuple[int, int, str]] = []
    tool.segment(video, video.masks[0], lambda *progress: told.append(progress))
    assert told == [(n, 3, "frames segmented") for n in (1, 2, 3)]
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_memory_does_not_grow_with_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Any] = []

    class Watched(streamed.Sam2VideoInferenceSession):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            sessions.append(self)

    monkeypatch.setattr(streamed, "Sam2VideoInferenceSession", Watched)
    video = moving_blob(40, 32, 32, 25.0)
    segmenter(RANDOM_TINY).segment(video, video.masks[0])
    kept = sessions[0].output_dict_per_obj[0]["non_cond_frame_outputs"]
    assert set(kept) == set(range(24, 40))


def test_forgetting_changes_nothing(shaken: Path) -> None:
    video = moving_blob(30, 32, 32, 25.0)
    forgetful, mindful = segmenter(shaken), segmenter(shaken)
    mindful._tracker.remembered = 1000
    masks = [tool.segment(video, video.masks[0]) for tool in (forgetful, mindful)]
    assert (masks[0] == masks[1]).all()


def test_an_empty_first_mask_is_refused() -> None:
    video = moving_blob(2, 32, 32, 25.0)
    with pytest.raises(DataError, match="first mask is empty"):
        segmenter(RANDOM_TINY).segment(video, np.zeros((32, 32), bool))


def test_weights_that_are_not_here_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"facebook/sam2\.1-hiera-small \(184 MB\)") as refusal:
        segmenter("small")
    assert "nil models fetch facebook/sam2.1-hiera-small" in refusal.value.hint


@pytest.mark.parametrize("damage", ["cut", "another model", "half of it"])
def test_a_folder_that_is_not_sam2_is_refused_in_one_line(damage: str, seeing: Path, tmp_path: Path) -> None:
    model = Sam2VideoModel.from_pretrained(seeing)
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
    with pytest.raises(DataError, match=r"does not load|lacks \d+ parameters of Sam2VideoModel") as refusal:
        segmenter(tmp_path)
    assert str(tmp_path) in refusal.value.message and "\n" not in refusal.value.message


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(MachineError, match="no GPU cuda:77"):
        Sam2(Sam2Options(weights=RANDOM_TINY, device="cuda:77"))


def test_a_missing_package_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sam2", None)
    monkeypatch.delitem(sys.modules, "nil_segmenter_sam2.packaged", raising=False)
    with pytest.raises(MachineError, match="needs the package sam2") as refusal:
        segmenter(RANDOM_TINY, "sam2")
    assert "pip install" in refusal.value.hint and "backend=transformers" in refusal.value.hint
