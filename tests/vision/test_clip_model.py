"""Clips through a model: the numbers it is shown, batches, strides, compilation, and what is said when it cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from nil_core.errors import DataError, MachineError
from nil_core.vision.clip_model import ClipModel
from nil_core.vision.options import ClipEncoderOptions

FRAMES, SIZE = 4, 6
MEAN, STD = (0.45, 0.4, 0.35), (0.225, 0.25, 0.2)


def shown(frames: Tensor) -> Tensor:
    """The normalized frames themselves, as the embedding."""
    return frames.flatten(1)


def model(embed: object = shown, **options: object) -> ClipModel:
    chosen = ClipEncoderOptions(**({"weights": "x", "device": "cpu"} | options))
    return ClipModel(nn.Identity(), embed, FRAMES, SIZE, MEAN, STD, chosen)  # type: ignore[arg-type]


def clips(count: int = 3, length: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, length, SIZE, SIZE, 3), np.uint8)


def test_the_model_sees_normalized_frames_in_the_order_time_channel_height_width() -> None:
    clip = np.zeros((1, FRAMES, SIZE, SIZE, 3), np.uint8)
    clip[0, 1, 2, 3] = 255, 128, 0
    seen = model().encode(clip).reshape(FRAMES, 3, SIZE, SIZE)
    assert seen.dtype == np.float32
    black = [-2.0, -1.6, -1.75]  # (0 - .45) / .225, (0 - .4) / .25, (0 - .35) / .2
    assert seen[0, :, 0, 0] == pytest.approx(black, abs=1e-6)
    # (1 - .45) / .225, (128 / 255 - .4) / .25
    assert seen[1, :, 2, 3] == pytest.approx([2.4444444, 0.4078431, -1.75], abs=1e-6)


def test_batches_are_cut_and_joined() -> None:
    sizes: list[int] = []

    def embed(frames: Tensor) -> Tensor:
        sizes.append(len(frames))
        return shown(frames)

    found = model(embed, batch=2).encode(clips(5))
    assert sizes == [2, 2, 1]
    assert np.array_equal(found, model().encode(clips(5)))


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_a_stride_takes_every_so_many_th_frame_up_to_the_last(stride: int) -> None:
    strided = model(stride=stride)
    assert strided.clip_length == (FRAMES - 1) * stride + 1
    long = clips(2, strided.clip_length)
    assert np.array_equal(strided.encode(long), model().encode(long[:, ::stride]))
    assert np.array_equal(strided.encode(long)[:, -3 * SIZE * SIZE :], model().encode(long[:, -FRAMES:])[:, -108:])


@pytest.mark.parametrize(
    "wrong",
    [clips(length=3), clips()[:, :, :5], clips().astype(np.float32), clips()[0], clips(0)],
    ids=["length", "size", "dtype", "axes", "none"],
)
def test_other_clips_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 \(B, 4, 6, 6, 3\)"):
        model().encode(wrong)


def test_half_precision_is_of_products_only() -> None:
    weight = torch.randn(FRAMES * 3 * SIZE * SIZE, 8, generator=torch.Generator().manual_seed(0))
    seen: list[torch.dtype] = []

    def embed(frames: Tensor) -> Tensor:
        product = frames.flatten(1) @ weight
        seen.append(product.dtype)
        return product

    half, full = (model(embed, dtype=dtype).encode(clips()) for dtype in ("bfloat16", "float32"))
    assert seen == [torch.bfloat16, torch.float32] and half.dtype == np.float32
    assert 0 < np.abs(half - full).max() < 0.02 * np.abs(full).max()


@pytest.mark.parametrize("made_for_it", [True, False])
def test_products_are_halved_on_processors_made_for_it(made_for_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: made_for_it)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    seen: list[torch.dtype] = []

    def embed(frames: Tensor) -> Tensor:
        seen.append((frames.flatten(1) @ torch.ones(FRAMES * 3 * SIZE * SIZE, 1)).dtype)
        return frames.mean((1, 2, 3, 4))[:, None]

    model(embed).encode(clips())
    assert seen == [torch.bfloat16 if made_for_it else torch.float32]


def test_nothing_is_kept_for_a_backward_pass() -> None:
    seen: list[bool] = []
    layer = nn.Linear(1, 1)

    def embed(frames: Tensor) -> Tensor:
        seen.append(torch.is_inference_mode_enabled())
        return layer(frames.flatten(1)[:, :1])

    options = ClipEncoderOptions(weights="x", device="cpu")
    ClipModel(layer.train(), embed, FRAMES, SIZE, MEAN, STD, options).encode(clips())
    assert seen == [True] and not layer.training and not layer.weight.requires_grad


def test_a_failed_compilation_is_told_once_and_costs_speed_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(function: object, **named: object) -> object:
        def call(frames: Tensor) -> Tensor:
            raise RuntimeError("no C++ compiler\nand a long trace")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    compiled = model(compile="on")
    for _ in range(2):
        assert np.array_equal(compiled.encode(clips()), model().encode(clips()))
    assert [record.getMessage() for record in caplog.records] == [
        "the encoder runs uncompiled, and slower: torch.compile failed: no C++ compiler"
    ]


def test_an_error_of_the_model_itself_is_no_failed_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(frames: Tensor) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(torch, "compile", lambda function, **named: function)
    with pytest.raises(ZeroDivisionError):
        model(wrong, compile="on").encode(clips())


def test_compiled_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function, **named: asked.append(named) or function)
    for word in ("auto", "off", "on"):
        model(compile=word)
    assert asked == [{"dynamic": True}]  # on a CPU, auto is off


def test_too_little_memory_is_answered_with_the_option_that_helps() -> None:
    def full(frames: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MachineError, match="3 clips") as caught:
        model(full, batch=8).encode(clips())
    assert caught.value.hint == "--set encoder.batch=4"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(MachineError, match="no GPU cuda:1"):
        model(device="cuda:1")


def test_a_device_is_checked_as_an_option() -> None:
    with pytest.raises(ValidationError):
        ClipEncoderOptions(weights="x", device="gpu")
