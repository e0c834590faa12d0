"""VideoMAE, ViViT and V-JEPA 2 from checkpoints in the format of the hub: loading, input and pooling."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from nil_core.api import ConfigError, DataError
from nil_core.testing import check_encoder
from nil_encoder_videomae import CARD, VideomaeOptions
from nil_encoder_videomae.videomae import VideomaeEncoder

SIZE = 32
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.2,
}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALVES = ([0.5] * 3, [0.5] * 3)

MODELS: dict[str, Callable[[], Any]] = {
    "finetuned": lambda: transformers.VideoMAEForVideoClassification(
        transformers.VideoMAEConfig(image_size=SIZE, num_frames=8, num_labels=5, use_mean_pooling=True, **SHAPE)
    ),
    "pretrained": lambda: transformers.VideoMAEForPreTraining(
        transformers.VideoMAEConfig(
            image_size=SIZE, num_frames=8, use_mean_pooling=False, decoder_hidden_size=32, decoder_num_hidden_layers=1,
            decoder_num_attention_heads=2, decoder_intermediate_size=32, **SHAPE,
        )
    ),
    "vivit": lambda: transformers.VivitForVideoClassification(
        transformers.VivitConfig(image_size=SIZE, num_frames=4, num_labels=5, **SHAPE)
    ),
    "vjepa2": lambda: transformers.VJEPA2Model(
        transformers.VJEPA2Config(
            crop_size=SIZE, frames_per_clip=64, hidden_size=48, num_hidden_layers=2, num_attention_heads=2,
            pred_hidden_size=48, pred_num_attention_heads=2, pred_num_hidden_layers=1, initializer_range=0.2,
        )
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Name to the folder and the model that was saved there."""
    checkpoints = {}
    for name, build in MODELS.items():
        torch.manual_seed(3)
        model = build().eval()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        checkpoints[name] = tmp_path_factory.mktemp(name), model
        model.save_pretrained(checkpoints[name][0])
    return checkpoints


def encoder(weights: Path | str, **options: Any) -> VideomaeEncoder:
    return VideomaeEncoder(VideomaeOptions(weights=str(weights), device="cpu", dtype="float32", **options))


def clips(model: VideomaeEncoder, count: int = 3) -> np.ndarray:
    shape = (count, model.clip_length, model.frame_size, model.frame_size, 3)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def normalized(frames: np.ndarray, mean: list[float], std: list[float]) -> Tensor:
    pixels = (frames.astype(np.float64) / 255 - mean) / std
    return torch.from_numpy(pixels.astype(np.float32)).permute(0, 1, 4, 2, 3)


def tokens(name: str, model: Any, pixels: Tensor) -> Tensor:
    """The last hidden state, computed layer by layer with the saved model."""
    with torch.inference_mode():
        if name == "vjepa2":
            hidden = model.encoder.embeddings(pixels)
            for layer in model.encoder.layer:
                hidden = layer(hidden, None)[0]
            return model.encoder.layernorm(hidden)
        if name == "vivit":
            inner = model.vivit
            hidden = inner.embeddings(pixels)
            for layer in inner.layers:
                hidden = layer(hidden)
            return inner.layernorm(hidden)
        inner = model.videomae
        hidden = inner.embeddings(pixels, None)
        for layer in inner.encoder.layer:
            hidden = layer(hidden)
        return hidden if inner.layernorm is None else inner.layernorm(hidden)


@pytest.mark.parametrize(
    ("name", "statistics", "frames", "count"),
    [
        ("finetuned", IMAGENET, 8, 4 * 4),
        ("pretrained", IMAGENET, 8, 4 * 4),
        ("vivit", HALVES, 4, 1 + 2 * 4),
        ("vjepa2", IMAGENET, 6, 3 * 4),
    ],
)
@pytest.mark.parametrize("embedding", ["mean", "tokens"])
def test_embeddings_equal_those_of_the_saved_model(
    name: str, statistics: Any, frames: int, count: int, embedding: str, checkpoints: Any
) -> None:
    folder, model = checkpoints[name]
    videomae = encoder(folder, embedding=embedding, frames=6)
    assert (videomae.clip_length, videomae.frame_size) == (frames, SIZE)
    expected = tokens(name, model, normalized(clips(videomae), *statistics))
    assert expected.shape[1] == count
    expected = expected.mean(1) if embedding == "mean" else expected.flatten(1)
    assert np.allclose(videomae.encode(clips(videomae)), expected, atol=2e-4)


def test_statistics_of_the_checkpoint_override_those_of_the_family(checkpoints: Any, tmp_path: Path) -> None:
    folder, model = checkpoints["finetuned"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    statistics = ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": statistics[0], "image_std": statistics[1]})
    )
    videomae = encoder(tmp_path)
    expected = tokens("finetuned", model, normalized(clips(videomae), *statistics)).mean(1)
    assert np.allclose(videomae.encode(clips(videomae)), expected, atol=2e-4)


def test_vivit_gets_values_from_minus_one_to_one_whatever_its_file_says(checkpoints: Any) -> None:
    folder, _ = checkpoints["vivit"]
    before = encoder(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"offset": True, "rescale_factor": 1 / 127.5, "image_mean": [0.5] * 3, "image_std": [0.25] * 3})
    )
    assert np.array_equal(encoder(folder).encode(clips(before)), before.encode(clips(before)))


def test_only_vivit_has_a_class_token(checkpoints: Any) -> None:
    videomae = encoder(checkpoints["vivit"][0], embedding="cls")
    expected = tokens("vivit", checkpoints["vivit"][1], normalized(clips(videomae), *HALVES))[:, 0]
    assert np.allclose(videomae.encode(clips(videomae)), expected, atol=2e-4)
    for name in ("finetuned", "vjepa2"):
        with pytest.raises(ConfigError, match="no class token"):
            encoder(checkpoints[name][0], embedding="cls")


def test_vjepa2_skips_its_predictor(checkpoints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Predictor

    monkeypatch.setattr(VJEPA2Predictor, "forward", None)
    videomae = encoder(checkpoints["vjepa2"][0])
    assert videomae.clip_length == 16
    assert videomae.encode(clips(videomae)).shape == (3, 48)


def test_checkpoints_with_former_names_of_biases_load_completely(checkpoints: Any, tmp_path: Path) -> None:
    """The VideoMAE weights on the hub have former names of the biases of query and value."""
    folder, _ = checkpoints["finetuned"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    old = {
        re.sub(r"attention\.attention\.(q|v)\w+\.bias", r"attention.attention.\1_bias", key): value.contiguous()
        for key, value in load_file(folder / "model.safetensors").items()
    }
    assert "videomae.encoder.layer.0.attention.attention.q_bias" in old
    save_file(old, tmp_path / "model.safetensors", {"format": "pt"})
    videomae = encoder(tmp_path)
    assert np.array_equal(videomae.encode(clips(videomae)), encoder(folder).encode(clips(videomae)))


def test_a_checkpoint_that_lacks_a_tensor_is_rejected(checkpoints: Any, tmp_path: Path) -> None:
    folder, _ = checkpoints["pretrained"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = load_file(folder / "model.safetensors")
    del tensors["videomae.layernorm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="lacks 1 parameters of VideoMAEModel"):
        encoder(tmp_path)


def test_embeddings_do_not_depend_on_the_batch(checkpoints: Any) -> None:
    videomae = encoder(checkpoints["finetuned"][0])
    batch = clips(videomae, 5)
    assert np.allclose(
        videomae.encode(batch), np.concatenate([videomae.encode(clip[None]) for clip in batch]), atol=1e-5
    )


def test_contract() -> None:
    check_encoder(encoder("random-tiny"), CARD)


def test_videomae_has_the_non_commercial_license() -> None:
    weights = [each for each in CARD.weights if each.repository.startswith("MCG-NJU/")]
    assert len(weights) == 4 and {each.license for each in weights} == {"CC-BY-NC-4.0"}
