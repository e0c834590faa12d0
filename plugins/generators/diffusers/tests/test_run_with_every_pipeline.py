"""From the first frame through every pipeline of the table to a reference, and through one of them to a policy.

A random model makes noise, without a robot: with the segmenter that nil chooses, the run ends with that error. A
segmenter of this test, installed like any other, then moves the mask of the first frame to the right. These masks are
artificial; everything else happens as with real weights, from loading them to the policy. The generator ``svd`` has a
test in which the robot is found in the video.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nil_core import entry_points
from nil_generator_diffusers.models import MODELS_BY_NAME

SHIFTED_MASK = """
import numpy as np
from nil_core.api import ComponentCard

class ShiftedMask:
    def __init__(self, options):
        pass

    def segment(self, video, first_mask, progress):
        return np.stack([np.roll(first_mask, frame, axis=1) for frame in range(len(video.frames))])

CARD = ComponentCard(kind="segmenter", summary="The first mask, shifted.", target="shifted_mask:ShiftedMask")
"""

EXPECTED_FILES = {
    "config.toml",
    "manifest.json",
    "videos/comparison.mp4",
    "reference/first_frame.png",
    "reference/prompt.txt",
    "reference/video.mp4",
    "reference/masks.mp4",
    "reference/aligned.npz",
    "checkpoints/step-000000040/agent/state.safetensors",
}


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("meshes")


Nil = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def shifted_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path / "site"
    information = site / "nil_segmenter_shifted_mask-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "shifted_mask.py").write_text(SHIFTED_MASK)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: nil-segmenter-shifted-mask\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[nil.segmenters]\nshifted_mask = shifted_mask:CARD\n")
    forget_metadata()
    with monkeypatch.context() as path:
        path.syspath_prepend(site)
        yield
    sys.modules.pop("shifted_mask", None)
    forget_metadata()


def forget_metadata() -> None:
    entry_points._metadata.cache_clear()
    entry_points.entries.cache_clear()


@pytest.fixture
def nil(tmp_path: Path, meshes: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Nil:
    """Runs a command in this process; returns its exit code and output."""
    from nil_core.cli.main import main

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "meshes").symlink_to(meshes)  # computed once for all tests
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["nil", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        return int(exit_.value.code or 0), "".join(capfd.readouterr())

    return call


def options(weights: Path, model: str, size: tuple[int, int]) -> list[str]:
    width, height = size
    settings = {
        "generator.weights": weights,
        "generator.model": model,
        "generator.width": width,
        "generator.height": height,
        "generator.steps": 1,
        "video.first_frame_size": 64,
        "simulation.workers": 0,
    }
    words = [word for setting in settings.items() for word in ("--set", "{}={}".format(*setting))]
    return ["--preset", "smoke", "--generator", "diffusers", *words]


def test_from_the_first_frame_to_a_reference(
    tiny: Callable[[str], Path], model: str, size: tuple[int, int], nil: Nil, tmp_path: Path
) -> None:
    width, height = size
    command = ("generate", *options(tiny(model), model, size), "--set", "motion.source=none")
    code, output = nil(*command, "--out", "noise")
    assert code == 2 and "--segmenter sam2" in output and not Path("noise").exists(), output
    code, output = nil(*command, "--out", "walk", "--segmenter", "shifted_mask")
    assert code == 0, output
    provenance = json.loads((tmp_path / "walk" / "provenance.json").read_text())
    video, facts = provenance["video"], provenance["video"]["facts"]
    assert provenance["generator"]["name"] == "diffusers" and provenance["generator"]["weights"]
    assert facts["model"] == model and facts["prompt"] == provenance["prompt"]
    assert video["from_cache"], "the noise was generated once"
    side = min(width, height)
    assert video["size"] == [height, width] and video["fps"] == MODELS_BY_NAME[model].fps
    assert video["crop_box"] == [(width - side) / 2, (height - side) / 2, side]
    assert (video["frames"] - 1) / video["fps"] >= 0.4, "as long as the run needs"


@pytest.mark.parametrize("model", ["wan2.1-480p"])
def test_from_the_first_frame_to_a_policy(
    tiny: Callable[[str], Path], model: str, size: tuple[int, int], nil: Nil, tmp_path: Path
) -> None:
    learning = ["--steps", "40", "--set", "training.eval_every=0", "--set", "agent.batch_size=16"]  # it updates soon
    command = ("run", *options(tiny(model), model, size), *learning)
    code, output = nil(*command, "--out", "run", "--segmenter", "shifted_mask")
    assert code == 0, output
    run = tmp_path / "run"
    assert not {name for name in EXPECTED_FILES if not (run / name).is_file()}
    assert json.loads((run / "summary.json").read_text())["finished"]
    metrics = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert metrics["step"] == 40 and metrics["critic_loss"] > 0
