"""A run that stopped at a checkpoint and was resumed equals the unbroken one to the bit, whichever the agent.

Of SAC in two workers that is asked in ``test_resume.py``, where it is killed as well.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nil_core.config import resolve
from nil_core.experiment.resume import resume
from nil_core.experiment.run import run
from nil_core.hooks import Hooks
from nil_core.reporting import Silent
from nil_core.storage.run_folder import open_run

STEPS, STOP = 160, 80
LEARNING = [
    *("simulation.num_envs=4", "simulation.workers=0", "training.log_every=16", "training.eval_every=0"),
    *("training.checkpoint_every=80", "agent.learning_starts=40", "agent.batch_size=16"),
]
NARROW_BRO = [
    *("agent.critic_width=32", "agent.actor_width=32", "agent.critic_blocks=1", "agent.quantiles=10"),
    *("agent.replay_ratio=2.5", "agent.resets=[50, 120]"),  # one before the stop, one after it
]
LAST = f"step-{STEPS:09d}"


@pytest.mark.parametrize(("agent", "sets", "workers"), [("sac", [], [0]), ("bro", NARROW_BRO, [2])])
def test_resumed_at_a_checkpoint(tmp_path: Path, agent: str, sets: list[str], workers: list[int]) -> None:
    config = resolve("smoke", options={"agent": agent, "steps": STEPS}, sets=LEARNING + sets).config
    unbroken = run(config, tmp_path / "unbroken", reporter=Silent(), hooks=Hooks()).folder
    assert_it_could_differ(unbroken, resets=[1, 2] if agent == "bro" else [])
    for count in workers:
        folder = Path(shutil.copytree(unbroken, tmp_path / f"{count}", ignore=shutil.ignore_patterns(LAST)))
        opened, config = open_run(folder)
        simulation = config.simulation.model_copy(update={"workers": count})
        opened.write_config(config.model_copy(update={"simulation": simulation}))
        opened.write_status("learning", STOP)
        opened.summary.unlink()
        assert resume(folder, reporter=Silent(), hooks=Hooks()).finished
        assert_the_same(folder, unbroken)


def assert_it_could_differ(unbroken: Path, resets: list[int]) -> None:
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    losses = [row["critic_loss"] for row in rows if row["step"] > STOP]
    assert len(set(losses)) == len(losses) == 5
    saved = [path / "agent" for path in sorted((unbroken / "checkpoints").iterdir())]
    one, other = (load_file(folder / "state.safetensors") for folder in saved)
    moved = [name for name in one if name.endswith("/exp_avg") and not (one[name] == other[name]).all()]
    assert len(moved) >= 2, "the optimizers went on"
    made = [json.loads((folder / "state.json").read_text()).get("resets_made") for folder in saved]
    assert made[: len(resets)] == resets


def assert_the_same(folder: Path, unbroken: Path) -> None:
    assert (folder / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes()
    for name in ("state.safetensors", "state.json", "replay.safetensors"):
        mine, theirs = (each / "checkpoints" / LAST / "agent" / name for each in (folder, unbroken))
        assert mine.read_bytes() == theirs.read_bytes(), name
    tables = [json.loads((each / "summary.json").read_text())["policies"] for each in (folder, unbroken)]
    assert tables[0] == tables[1]
