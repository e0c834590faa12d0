"""VideoMAE, ViViT and V-JEPA 2 from checkpoints in the hub's own formats: each read, fed and pooled as it should be."""

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
    """Name to folder and to the model that was saved there."""
    made = {}
    for name, build in MODELS.items():
        torch.manual_seed(3)
        model = build().eval()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        made[name] = tmp_path_factory.mktemp(name), model
        model.save_pretrained(made[name][0])
    return made


def encoder(weights: Path | str, **options: Any) -> VideomaeEncoder:
    return VideomaeEncoder(VideomaeOptions(weights=str(weights), device="cpu", dtype="float32", **options))


def clips(eyes: VideomaeEncoder, count: int = 3) -> np.ndarray:
    shape = (count, eyes.clip_length, eyes.frame_size, eyes.frame_size, 3)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def normalized(levels: np.ndarray, mean: list[float], std: list[float]) -> Tensor:
    pixels = (levels.astype(np.float64) / 255 - mean) / std
    return torch.from_numpy(pixels.astype(np.float32)).permute(0, 1, 4, 2, 3)


def tokens(name: str, model: Any, pixels: Tensor) -> Tensor:
    """The last hidden state from the saved model's own parts, one after another."""
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
def test_embeddings_are_those_of_the_models_parts(
    name: str, statistics: Any, frames: int, count: int, embedding: str, checkpoints: Any
) -> None:
    folder, model = checkpoints[name]
    eyes = encoder(folder, embedding=embedding, frames=6)
    assert (eyes.clip_length, eyes.frame_size) == (frames, SIZE)
    wanted = tokens(name, model, normalized(clips(eyes), *statistics))
    assert wanted.shape[1] == count
    wanted = wanted.mean(1) if embedding == "mean" else wanted.flatten(1)
    assert np.allclose(eyes.encode(clips(eyes)), wanted, atol=2e-4)


def test_statistics_of_the_checkpoint_go_before_those_of_the_family(checkpoints: Any, tmp_path: Path) -> None:
    folder, model = checkpoints["finetuned"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    told = ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": told[0], "image_std": told[1]}))
    eyes = encoder(tmp_path)
    wanted = tokens("finetuned", model, normalized(clips(eyes), *told)).mean(1)
    assert np.allclose(eyes.encode(clips(eyes)), wanted, atol=2e-4)


def test_vivit_sees_levels_from_minus_one_to_one_whatever_its_file_says(checkpoints: Any) -> None:
    folder, _ = checkpoints["vivit"]
    before = encoder(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"offset": True, "rescale_factor": 1 / 127.5, "image_mean": [0.5] * 3, "image_std": [0.25] * 3})
    )
    assert np.array_equal(encoder(folder).encode(clips(before)), before.encode(clips(before)))


def test_only_vivit_has_a_class_token(checkpoints: Any) -> None:
    eyes = encoder(checkpoints["vivit"][0], embedding="cls")
    wanted = tokens("vivit", checkpoints["vivit"][1], normalized(clips(eyes), *HALVES))[:, 0]
    assert np.allclose(eyes.encode(clips(eyes)), wanted, atol=2e-4)
    for name in ("finetuned", "vjepa2"):
        with pytest.raises(ConfigError, match="no class token"):
            encoder(checkpoints[name][0], embedding="cls")


def test_vjepa2_is_not_asked_to_predict(checkpoints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Predictor

    monkeypatch.setattr(VJEPA2Predictor, "forward", None)
    eyes = encoder(checkpoints["vjepa2"][0])
    assert eyes.clip_length == 16
    assert eyes.encode(clips(eyes)).shape == (3, 48)


def test_checkpoints_that_name_biases_as_they_used_to_be_named_load_whole(checkpoints: Any, tmp_path: Path) -> None:
    """The hub's VideoMAE weights are older than the present names of the query's and value's bias."""
    folder, _ = checkpoints["finetuned"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    old = {
        re.sub(r"attention\.attention\.(q|v)\w+\.bias", r"attention.attention.\1_bias", key): value.contiguous()
        for key, value in load_file(folder / "model.safetensors").items()
    }
    assert "videomae.encoder.layer.0.attention.attention.q_bias" in old
    save_file(old, tmp_path / "model.safetensors", {"format": "pt"})
    eyes = encoder(tmp_path)
    assert np.array_equal(eyes.encode(clips(eyes)), encoder(folder).encode(clips(eyes)))


def test_a_checkpoint_that_lacks_a_tensor_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder, _ = checkpoints["pretrained"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = load_file(folder / "model.safetensors")
    del tensors["videomae.layernorm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="lacks 1 parameters of VideoMAEModel"):
        encoder(tmp_path)


def test_a_clip_alone_is_a_clip_in_a_batch(checkpoints: Any) -> None:
    eyes = encoder(checkpoints["finetuned"][0])
    batch = clips(eyes, 5)
    assert np.allclose(eyes.encode(batch), np.concatenate([eyes.encode(clip[None]) for clip in batch]), atol=1e-5)


def test_it_keeps_the_contract_of_encoders() -> None:
    check_encoder(encoder("random-tiny"), CARD)


def test_videomae_is_not_for_sale() -> None:
    ours = [each for each in CARD.weights if each.repository.startswith("MCG-NJU/")]
    assert len(ours) == 4 and {each.license for each in ours} == {"CC-BY-NC-4.0"}
