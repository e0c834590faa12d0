"""From the first frame through a Stable Video Diffusion to a policy, on the command line.

A random model makes noise, without a robot. So the last layers of the tiny model are fitted in closed form: that of the
decoder to reconstruct the input of the encoder, that of the UNet to return the image condition. The video is the
first frame, blurred.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline

GREEN = (0, 177, 64)
SIDE = 64


@pytest.fixture
def fitted_svd(tiny_svd: Path, tmp_path: Path) -> Path:
    pipeline = StableVideoDiffusionPipeline.from_pretrained(str(tiny_svd), local_files_only=True)
    decoder, unet, scheduler = pipeline.vae.decoder, pipeline.unet, pipeline.scheduler
    with torch.no_grad():
        decoder.time_conv_out.weight.zero_()
        decoder.time_conv_out.weight[range(3), range(3), 1] = 1
        decoder.time_conv_out.bias.zero_()
        unet.conv_in.weight[:, :4] = 0  # ignores the noise
        images = shapes(16)
        latents = pipeline.vae.encode(images).latent_dist.mode()
        fit(decoder.conv_out, lambda: pipeline.vae.decode(latents, num_frames=1), images)
        scheduler.set_timesteps(1)
        noisy = torch.cat([torch.zeros_like(latents), latents], dim=1)[:, None]
        condition = {
            "encoder_hidden_states": torch.zeros(16, 1, 32),
            "added_time_ids": torch.tensor([[6, 127, 0.0]] * 16),
        }
        target = -pipeline.vae.config.scaling_factor * latents  # at the largest noise, v-prediction is minus the image
        fit(unet.conv_out, lambda: unet(noisy, scheduler.timesteps[0], **condition), target)
    pipeline.save_pretrained(tmp_path / "fitted")
    return tmp_path / "fitted"


def shapes(count: int) -> torch.Tensor:
    """Gray ellipses on green: float32 (count, 3, S, S) in [-1, 1]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    images = np.tile(np.float64(GREEN), (count, SIDE, SIDE, 1))
    for image in images:
        for _ in range(3):
            (across, down), (wide, high) = rng.uniform(0.35, 0.65, 2), rng.uniform(0.08, 0.25, 2)
            image[((x - across) / wide) ** 2 + ((y - down) / high) ** 2 < 1] = rng.uniform(20, 90)
    return torch.tensor(images / 127.5 - 1, dtype=torch.float32).permute(0, 3, 1, 2)


def fit(convolution: torch.nn.Conv2d, forward: Callable[[], Any], target: torch.Tensor) -> None:
    """Fit a 3 x 3 convolution by least squares: its output is ``target`` (N, C, H, W) when ``forward`` is called."""
    inputs: list[torch.Tensor] = []
    hook = convolution.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    forward()
    hook.remove()
    patches = torch.nn.functional.unfold(torch.cat(inputs), 3, padding=1).transpose(1, 2).flatten(0, 1).double()
    patches = torch.cat([patches, torch.ones(len(patches), 1)], dim=1)
    square = patches.T @ patches + 1e-4 * torch.eye(patches.shape[1])
    solution = torch.linalg.solve(square, patches.T @ target.permute(0, 2, 3, 1).flatten(0, 2).double())
    convolution.weight.copy_(solution[:-1].T.reshape(convolution.weight.shape))
    convolution.bias.copy_(solution[-1])


def test_from_the_first_frame_to_a_policy(
    fitted_svd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from nil_core.cli.main import main

    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    settings = [
        f"generator.weights={fitted_svd}",
        f"generator.width={SIDE + 32}",
        f"generator.height={SIDE}",
        "generator.steps=1",
        "generator.noise=0",
        "generator.most_guidance=1",
        "video.background=green",
        "simulation.workers=0",
        "training.eval_every=0",
        "agent.batch_size=16",
    ]
    run = tmp_path / "run"
    command = ["nil", "run", "--preset", "smoke", "--generator", "svd", "--segmenter", "chroma", "--out", str(run)]
    monkeypatch.setattr(sys, "argv", command + [word for setting in settings for word in ("--set", setting)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code, capfd.readouterr().err
    assert json.loads((run / "summary.json").read_text())["finished"]
    metrics = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert metrics["critic_loss"] > 0
    provenance = json.loads((run / "reference" / "provenance.json").read_text())
    assert provenance["generator"]["name"] == "svd" and provenance["generator"]["weights"]
    assert provenance["video"]["size"] == [SIDE, SIDE + 32] and provenance["video"]["fps"] == 7
    assert provenance["video"]["crop_box"] == [16, 0, SIDE]
    assert provenance["first_frame"]["overlap"] > 0.25, "the robot must be where the first frame shows it"
