"""The encoder base class: normalization, batches, strides, precision, compilation and errors."""

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


def flatten(frames: Tensor) -> Tensor:
    """The normalized frames themselves as the embedding."""
    return frames.flatten(1)


def model(embed: object = flatten, **options: object) -> ClipModel:
    chosen = ClipEncoderOptions(**({"weights": "x", "device": "cpu"} | options))
    return ClipModel(nn.Identity(), embed, FRAMES, SIZE, MEAN, STD, chosen)  # type: ignore[arg-type]


def clips(count: int = 3, length: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, length, SIZE, SIZE, 3), np.uint8)


def test_the_model_gets_normalized_frames_in_the_order_time_channel_height_width() -> None:
    clip = np.zeros((1, FRAMES, SIZE, SIZE, 3), np.uint8)
    clip[0, 1, 2, 3] = 255, 128, 0
    embedding = model().encode(clip).reshape(FRAMES, 3, SIZE, SIZE)
    assert embedding.dtype == np.float32
    black = [-2.0, -1.6, -1.75]  # (0 - .45) / .225, (0 - .4) / .25, (0 - .35) / .2
    assert embedding[0, :, 0, 0] == pytest.approx(black, abs=1e-6)
    # (1 - .45) / .225, (128 / 255 - .4) / .25
    assert embedding[1, :, 2, 3] == pytest.approx([2.4444444, 0.4078431, -1.75], abs=1e-6)


def test_batches_are_split_and_joined() -> None:
    sizes: list[int] = []

    def embed(frames: Tensor) -> Tensor:
        sizes.append(len(frames))
        return flatten(frames)

    embeddings = model(embed, batch=2).encode(clips(5))
    assert sizes == [2, 2, 1]
    assert np.array_equal(embeddings, model().encode(clips(5)))


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_a_stride_selects_frames_up_to_the_last(stride: int) -> None:
    strided = model(stride=stride)
    assert strided.clip_length == (FRAMES - 1) * stride + 1
    long = clips(2, strided.clip_length)
    assert np.array_equal(strided.encode(long), model().encode(long[:, ::stride]))
    assert np.array_equal(strided.encode(long)[:, -3 * SIZE * SIZE :], model().encode(long[:, -FRAMES:])[:, -108:])


@pytest.mark.parametrize(
    "invalid",
    [clips(length=3), clips()[:, :, :5], clips().astype(np.float32), clips()[0], clips(0)],
    ids=["length", "size", "dtype", "axes", "none"],
)
def test_other_clips_are_rejected(invalid: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 \(B, 4, 6, 6, 3\)"):
        model().encode(invalid)


def test_only_products_are_in_half_precision() -> None:
    weight = torch.randn(FRAMES * 3 * SIZE * SIZE, 8, generator=torch.Generator().manual_seed(0))
    dtypes: list[torch.dtype] = []

    def embed(frames: Tensor) -> Tensor:
        product = frames.flatten(1) @ weight
        dtypes.append(product.dtype)
        return product

    half, full = (model(embed, dtype=dtype).encode(clips()) for dtype in ("bfloat16", "float32"))
    assert dtypes == [torch.bfloat16, torch.float32] and half.dtype == np.float32
    assert 0 < np.abs(half - full).max() < 0.02 * np.abs(full).max()


@pytest.mark.parametrize("has_instructions", [True, False])
def test_bfloat16_is_the_default_if_the_cpu_has_instructions(
    has_instructions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    dtypes: list[torch.dtype] = []

    def embed(frames: Tensor) -> Tensor:
        dtypes.append((frames.flatten(1) @ torch.ones(FRAMES * 3 * SIZE * SIZE, 1)).dtype)
        return frames.mean((1, 2, 3, 4))[:, None]

    model(embed).encode(clips())
    assert dtypes == [torch.bfloat16 if has_instructions else torch.float32]


def test_inference_mode_keeps_nothing_for_a_backward_pass() -> None:
    inference: list[bool] = []
    layer = nn.Linear(1, 1)

    def embed(frames: Tensor) -> Tensor:
        inference.append(torch.is_inference_mode_enabled())
        return layer(frames.flatten(1)[:, :1])

    options = ClipEncoderOptions(weights="x", device="cpu")
    ClipModel(layer.train(), embed, FRAMES, SIZE, MEAN, STD, options).encode(clips())
    assert inference == [True] and not layer.training and not layer.weight.requires_grad


def test_a_failed_compilation_is_one_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
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


def test_an_error_of_the_model_is_not_a_failed_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(frames: Tensor) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(torch, "compile", lambda function, **named: function)
    with pytest.raises(ZeroDivisionError):
        model(failing, compile="on").encode(clips())


def test_the_option_compile_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda function, **named: calls.append(named) or function)
    for value in ("auto", "off", "on"):
        model(compile=value)
    assert calls == [{"dynamic": True}]  # on a CPU, auto is off


def test_the_error_for_too_little_memory_names_the_option() -> None:
    def full(frames: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MachineError, match="3 clips") as error:
        model(full, batch=8).encode(clips())
    assert error.value.hint == "--set encoder.batch=4"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error() -> None:
    with pytest.raises(MachineError, match="no GPU cuda:1"):
        model(device="cuda:1")


def test_an_unknown_device_is_rejected() -> None:
    with pytest.raises(ValidationError):
        ClipEncoderOptions(weights="x", device="gpu")
