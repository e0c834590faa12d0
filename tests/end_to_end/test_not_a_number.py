"""NaN in a reward or a loss stops the run, and what led to it is saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PLUGINS = """
import numpy as np
from nil_core.api import ComponentCard, NumericalError

EYE = ComponentCard(kind="encoder", summary="Goes blind after 40 clips.", target="unsound:Eye")
LEARNER = ComponentCard(kind="agent", summary="Diverges at its 20th update.", target="unsound:Learner")

class Eye:
    clip_length, frame_size = 8, 32
    seen = 0

    def __init__(self, options):
        pass

    def encode(self, clips):
        self.seen += len(clips)
        embeddings = clips[:, :, ::4, ::4].reshape(len(clips), -1).astype(np.float32)
        return embeddings if self.seen <= 40 else embeddings * np.nan

class Learner:
    updates = 0

    def __init__(self, options, setting):
        self.actions = setting.action_size

    def act(self, observations, explore):
        return np.zeros((len(observations), self.actions), np.float32)

    def observe(self, transitions):
        pass

    def update(self, steps):
        self.updates += 1
        if self.updates == 20:
            raise NumericalError("the loss is not a number (critic_loss nan)")
        return {}

    def save(self, folder):
        (folder / "updates.txt").write_text(str(self.updates))

    def load(self, folder):
        pass
"""
ENTRY_POINTS = "[nil.encoders]\nblind = unsound:EYE\n[nil.agents]\ndiverging = unsound:LEARNER\n"


@pytest.fixture(scope="module")
def unsound(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    site.add("nil-unsound", ENTRY_POINTS, unsound=PLUGINS)
    folder: Path = site.install()
    return folder


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--encoder", "blind", "--agent", "random"], "the reward is not a number (similarity)"),
        (["--agent", "diverging"], "the loss is not a number (critic_loss nan)"),
    ],
)
def test_the_run_stops_and_saves_what_led_to_it(
    nil: Callable[..., Any],
    fast: Sequence[str],
    visible: Callable[[Path], Any],
    unsound: Path,
    tmp_path: Path,
    workers: int,
    options: Sequence[str],
    says: str,
) -> None:
    sets = ["--set", f"simulation.workers={workers}", "--set", "training.checkpoint_every=20"]
    with visible(unsound):
        outcome = nil("run", *fast, *sets, *options, "--out", "run")
        outcome.complains(says, "the state that led to it is in run/checkpoints/failed", code=1)
    folder = tmp_path / "run"
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "failed"
    assert not (folder / "summary.json").exists()
    saved = json.loads((folder / "checkpoints/failed/loop.json").read_text())
    assert saved["step"] == status["step"] and 20 < saved["step"] < 120
    with np.load(folder / "checkpoints/failed/loop.npz") as arrays:
        assert np.isfinite(arrays["collector.observations"]).all()
        if "blind" in options:
            frames = arrays["collector.waiting.frame"]
            assert len(frames) >= 2 and frames.any(), "the frames that were scored are there to be looked at"
    whole = sorted(path.name for path in (folder / "checkpoints").glob("step-*"))
    last = saved["step"] // 20 * 20
    assert whole == [f"step-{step:09d}" for step in (last - 20, last) if step], "those before it are untouched"
