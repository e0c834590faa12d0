"""TimeSformer from a checkpoint in the format of the hub: complete loading, correct input, correct tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, linear, softmax
from transformers import TimesformerConfig, TimesformerForVideoClassification, TimesformerModel, VideoMAEConfig
from transformers import VideoMAEModel as AnotherModel

from nil_core.api import ConfigError, DataError
from nil_core.testing import check_encoder
from nil_encoder_timesformer import CARD, TimesformerOptions
from nil_encoder_timesformer.fused_attention import FusedAttention, fuse_attention
from nil_encoder_timesformer.timesformer import TimesformerEncoder, random_tiny

HEADS, WIDTH, SIZE, FRAMES = 2, 32, 32, 8
CONFIG = TimesformerConfig(
    image_size=SIZE, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=48,
    initializer_range=0.3, num_labels=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned classifier in the format of the hub, with the wrong preprocessor file of older revisions."""
    folder = tmp_path_factory.mktemp("timesformer")
    torch.manual_seed(3)
    model = TimesformerForVideoClassification(CONFIG)
    for parameter in model.parameters():  # no zero biases and unit norms, so that swapped parameters are noticed
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    return folder


def encoder(weights: Path | str, **options: Any) -> TimesformerEncoder:
    return TimesformerEncoder(TimesformerOptions(weights=str(weights), device="cpu", dtype="float32", **options))


def clips(count: int = 3, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, FRAMES, size, size, 3), np.uint8)


def paper_equations(folder: Path, frames: np.ndarray) -> Tensor:
    """Last hidden state of clips, from the tensors of the file and equations 1 to 10 of the paper."""
    from safetensors.torch import load_file

    w = {key.removeprefix("timesformer."): value for key, value in load_file(folder / "model.safetensors").items()}

    def dense(x: Tensor, name: str) -> Tensor:
        return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], CONFIG.layer_norm_eps)

    def attend(x: Tensor, name: str) -> Tensor:
        q, k, v = dense(x, f"{name}.attention.qkv").chunk(3, dim=-1)
        parts = []
        for h in range(HEADS):
            head = slice(h * WIDTH // HEADS, (h + 1) * WIDTH // HEADS)
            scores = q[..., head] @ k[..., head].transpose(-1, -2) / (WIDTH // HEADS) ** 0.5
            parts.append(softmax(scores, -1) @ v[..., head])
        return dense(torch.cat(parts, -1), f"{name}.output.dense")

    results = []
    for clip in frames:
        pixels = (torch.from_numpy(clip).float() / 255 - 0.45) / 0.225
        maps = conv2d(
            pixels.permute(0, 3, 1, 2),
            w["embeddings.patch_embeddings.projection.weight"],
            w["embeddings.patch_embeddings.projection.bias"],
            stride=16,
        )
        patches = maps.flatten(2).transpose(1, 2)  # (time, place, width)
        position = w["embeddings.position_embeddings"][0]
        patches = patches + position[1:] + w["embeddings.time_embeddings"][0][:, None]
        cls = w["embeddings.cls_token"][0, 0] + position[0]
        for i in range(CONFIG.num_hidden_layers):
            name = f"encoder.layer.{i}"
            over_time = norm(patches, f"{name}.temporal_layernorm").transpose(0, 1)
            temporal = attend(over_time, f"{name}.temporal_attention").transpose(0, 1)
            patches = patches + dense(temporal, f"{name}.temporal_dense")
            with_cls = torch.cat([cls.expand(FRAMES, 1, WIDTH), patches], dim=1)
            attended = attend(norm(with_cls, f"{name}.layernorm_before"), f"{name}.attention")
            cls, patches = cls + attended[:, 0].mean(0), patches + attended[:, 1:]
            tokens = torch.cat([cls[None], patches.transpose(0, 1).reshape(-1, WIDTH)])
            hidden = gelu(dense(norm(tokens, f"{name}.layernorm_after"), f"{name}.intermediate.dense"))
            tokens = tokens + dense(hidden, f"{name}.output.dense")
            cls, patches = tokens[0], tokens[1:].reshape(-1, FRAMES, WIDTH).transpose(0, 1)
        results.append(norm(tokens, "layernorm"))
    return torch.stack(results)


@pytest.mark.parametrize("embedding", ["cls", "mean", "tokens"])
def test_embeddings_equal_the_equations_of_the_paper(checkpoint: Path, embedding: str) -> None:
    tokens = paper_equations(checkpoint, clips())
    expected = {"cls": tokens[:, 0], "mean": tokens.mean(1), "tokens": tokens.flatten(1)}[embedding]
    embeddings = encoder(checkpoint, embedding=embedding).encode(clips())
    assert embeddings.shape == expected.shape
    assert np.allclose(embeddings, expected, atol=2e-4)


def test_contract() -> None:
    check_encoder(encoder("random-tiny"), CARD)


def test_embeddings_do_not_depend_on_the_batch(checkpoint: Path) -> None:
    batch, model = clips(5), encoder(checkpoint)
    assert np.allclose(model.encode(batch), np.concatenate([model.encode(clip[None]) for clip in batch]), atol=1e-5)


def test_the_order_of_frames_matters(checkpoint: Path) -> None:
    model = encoder(checkpoint)
    assert np.abs(model.encode(clips()) - model.encode(clips()[:, ::-1])).max() > 1e-2


def test_fused_attention_equals_the_original_up_to_rounding() -> None:
    model, frames = random_tiny().eval(), torch.randn(2, 8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        original = model(frames).last_hidden_state
        fuse_attention(model)
        fused = model(frames).last_hidden_state
    assert sum(isinstance(module, FusedAttention) for module in model.modules()) == 2 * model.config.num_hidden_layers
    assert torch.allclose(original, fused, atol=1e-4)


def test_random_weights_are_reproducible_and_keep_the_random_state() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second = (encoder("random-tiny").encode(clips(size=64)) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_frames_and_size_come_from_the_checkpoint(tmp_path: Path) -> None:
    config = TimesformerConfig(**(CONFIG.to_dict() | {"num_frames": 16, "image_size": 48}))
    TimesformerModel(config).save_pretrained(tmp_path)
    model = encoder(tmp_path, stride=2)
    assert (model.clip_length, model.frame_size) == (31, 48)


def test_a_checkpoint_that_lacks_a_tensor_is_rejected(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["timesformer.encoder.layer.1.temporal_dense.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="lacks 1 parameters of TimesformerModel"):
        encoder(tmp_path)


def test_other_folders_are_rejected_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(DataError, match="None, not timesformer"):
        encoder(tmp_path)
    CONFIG.save_pretrained(tmp_path)
    with pytest.raises(DataError, match="does not load"):
        encoder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        encoder(tmp_path)
    AnotherModel(
        VideoMAEConfig(image_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="'videomae', not timesformer"):
        encoder(tmp_path)


def test_every_model_on_the_card_has_the_non_commercial_license() -> None:
    assert {each.license for each in CARD.weights} == {"CC-BY-NC-4.0"}
    assert TimesformerOptions().weights == CARD.weights[0].name
    assert CARD.weights[0].repository == "facebook/timesformer-base-finetuned-k400"


def test_an_unknown_option_is_rejected() -> None:
    from nil_core import registry

    with pytest.raises(ConfigError, match="embedding"):
        registry.options("encoder", "timesformer", {"embedding": "logits"})
