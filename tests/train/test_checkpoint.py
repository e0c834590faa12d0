"""Checkpoints: whole or not there, as many as wanted, and everything comes back."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from nil_core import registry
from nil_core.errors import MachineError, RunError
from nil_core.interfaces import Agent, TermRow
from nil_core.storage import digests
from nil_core.storage.array_names import prefixed, under
from nil_core.storage.atomic import write_arrays
from nil_core.tick import Arrays, Tick
from nil_core.train import checkpoint
from nil_core.train.checkpoint import LoopState
from nil_core.types import AgentSpec

SETTING = AgentSpec(observation_size=3, action_size=2, num_envs=1, horizon=5, total_steps=10, seed=0)
LOOK = np.zeros((4, 3), np.float32)


def agent(action_size: int = 2) -> Agent:
    return registry.build("agent", "random", {}, AgentSpec(**(vars(SETTING) | {"action_size": action_size})))


def state(step: int) -> LoopState:
    arrays = {
        "collector.running.actions": np.arange(6.0).reshape(2, 3),
        "collector.waiting.mask": np.array([True, False]),
    }
    return LoopState(step, {"best": -np.inf, "metrics": {"sums": {"reward": [0.1 + 0.2, 3]}}}, arrays)


def test_state_and_agent_come_back_exactly(tmp_path: Path) -> None:
    saved, loaded = agent(), agent()
    saved.act(LOOK, True)  # its random generator is no longer where it began
    path = checkpoint.save(tmp_path, saved, state(120), keep=2)
    got = checkpoint.load(path, loaded)
    assert (got.step, got.values) == (120, state(120).values)
    assert set(got.arrays) == set(state(120).arrays)
    for name, array in state(120).arrays.items():
        assert np.array_equal(got.arrays[name], array) and got.arrays[name].dtype == array.dtype
    assert np.array_equal(loaded.act(LOOK, True), saved.act(LOOK, True))


def test_the_newest_are_kept_and_so_is_the_best(tmp_path: Path) -> None:
    checkpoint.save_policy(tmp_path, agent())
    for step in (5, 90, 100, 1000):
        checkpoint.save(tmp_path, agent(), state(step), keep=2)
    assert [path.name for path in checkpoint.steps(tmp_path)] == ["step-000000100", "step-000001000"]
    assert checkpoint.newest(tmp_path).name == "step-000001000"
    assert sorted(path.name for path in tmp_path.iterdir())[0] == checkpoint.BEST


class Learner:
    """A reward that learned one number."""

    needs: frozenset[str] = frozenset()
    state_terms = ()

    def __init__(self) -> None:
        self.number = np.zeros(1)

    def rows(self) -> list[TermRow]:
        return []

    def score(self, ticks: Sequence[Tick]) -> None:
        pass

    def state(self) -> Arrays:
        return self.learned()

    def restore(self, state: Arrays) -> None:
        self.adopt(state)

    def learn(self, ticks: Sequence[Tick]) -> dict[str, float]:
        return {}

    def learned(self) -> Arrays:
        return {"number": self.number.copy()}

    def adopt(self, learned: Arrays) -> None:
        self.number = learned["number"]


def test_what_a_reward_learned_lies_in_every_checkpoint(tmp_path: Path) -> None:
    newer = LoopState(**(vars(state(5)) | {"learned": {"number": np.array([7.0])}}))
    path, best = checkpoint.save(tmp_path, agent(), newer, 1), checkpoint.save_policy(tmp_path, agent(), newer.learned)
    for each in (path, best):
        reward = Learner()
        checkpoint.load_policy(each, agent(), reward)
        assert reward.number.tolist() == [7.0]
    without = checkpoint.save_policy(tmp_path, agent())
    with pytest.raises(RunError, match="best holds nothing that a reward learned"):
        checkpoint.load_policy(without, agent(), Learner())
    (path / checkpoint.LEARNED).write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load_policy(path, agent(), Learner())


class Rememberer:
    """An agent with a memory that only its learning needs."""

    def save(self, folder: Path) -> None:
        (folder / "weights").write_text("weights")
        (folder / "replay.npz").write_bytes(bytes(100))

    def load(self, folder: Path) -> None:
        self.loaded = sorted(path.name for path in folder.iterdir())


def test_the_best_is_without_what_only_learning_needs(tmp_path: Path) -> None:
    best, path = checkpoint.save_policy(tmp_path, Rememberer()), checkpoint.save(tmp_path, Rememberer(), state(5), 1)
    assert sorted(str(file.relative_to(best)) for file in best.rglob("*")) == ["agent", "agent/weights", "digests.json"]
    agent = Rememberer()
    checkpoint.load(path, agent)
    assert agent.loaded == ["replay.npz", "weights"]
    (path / "agent" / "replay.npz").unlink()
    with pytest.raises(RunError, match=r"is damaged: agent/replay.npz is missing"):
        checkpoint.load(path, Rememberer())


def test_a_step_may_be_saved_again(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, agent(), state(5), keep=1)
    path = checkpoint.save(tmp_path, agent(), LoopState(5, {"best": 1.0}, {}), keep=1)
    assert checkpoint.load(path, agent()).values == {"best": 1.0}


def test_no_checkpoint_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint yet"):
        checkpoint.newest(tmp_path / "checkpoints")


class FullDisk:
    """An agent whose weights do not fit."""

    def save(self, folder: Path) -> None:
        (folder / "weights").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["step", "policy"])
def test_a_full_disk_leaves_the_earlier_ones_and_nothing_half_written(tmp_path: Path, what: str) -> None:
    kept = [checkpoint.save(tmp_path, agent(), state(5), keep=1), checkpoint.save_policy(tmp_path, agent())]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MachineError, match="the disk is full"):
        if what == "step":
            checkpoint.save(tmp_path, FullDisk(), state(10), keep=1)
        else:
            checkpoint.save_policy(tmp_path, FullDisk())
    assert sorted(tmp_path.rglob("*")) == before
    checkpoint.load(kept[0], agent())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "loop.json").unlink(),
        lambda path: (path / "loop.json").write_text("{"),
        lambda path: (path / "loop.json").write_text("{}"),
        lambda path: (path / "loop.json").write_text("[]"),
        lambda path: (path / "loop.json").write_text(json.dumps({"format": checkpoint.FORMAT, "values": {}})),
        lambda path: (path / "loop.npz").unlink(),
        lambda path: (path / "loop.npz").write_bytes((path / "loop.npz").read_bytes()[:100]),
    ],
)
def test_damage_is_named_with_the_way_back(tmp_path: Path, damage: object) -> None:
    path = checkpoint.save(tmp_path, agent(), state(5), keep=1)
    damage(path)
    with pytest.raises(RunError, match="is damaged") as caught:
        checkpoint.load(path, agent())
    assert str(path) in caught.value.hint


def test_another_format_and_another_agent_are_refused(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, agent(), state(5), keep=1)
    with pytest.raises(RunError, match="action_size"):
        checkpoint.load(path, agent(action_size=3))
    header = json.loads((path / "loop.json").read_text())
    for other in (checkpoint.FORMAT - 1, 99):
        (path / "loop.json").write_text(json.dumps(header | {"format": other}))
        digests.record(path, ["loop.json"])
        with pytest.raises(RunError, match=f"format {other}, this nil reads {checkpoint.FORMAT}"):
            checkpoint.load(path, agent())
    (path / digests.NAME).unlink()  # as nil 0.2 left it
    (path / "loop.json").write_text(json.dumps(header | {"format": 3}))
    with pytest.raises(RunError, match="format 3"):
        checkpoint.load(path, agent())


def test_no_byte_of_any_file_goes_bad_unnoticed(tmp_path: Path) -> None:
    """Not even in the directory of a zip file, where one byte hides the arrays that follow."""
    path = checkpoint.save(tmp_path, agent(), state(5), keep=1)
    files = [file for file in path.rglob("*") if file.is_file() and file.name != digests.NAME]
    assert {file.name for file in files} > {"loop.npz", "loop.json"}
    for file in files:
        whole = file.read_bytes()
        for position in range(0, len(whole), 1 if file.suffix == ".npz" else 7):
            bad = bytearray(whole)
            bad[position] ^= 1 + position % 255
            file.write_bytes(bad)
            for load in (checkpoint.load, checkpoint.load_policy):
                with pytest.raises(RunError, match=f"is damaged: .*{file.name} is not what was written"):
                    load(path, agent())
        file.write_bytes(whole)
    checkpoint.load(path, agent())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays: arrays.pop("collector.waiting.mask"), "loop.npz lacks the array collector.waiting.mask"),
        (lambda arrays: arrays.update(more=np.zeros(1)), "loop.npz holds an array that does not belong there: more"),
    ],
)
def test_every_array_is_asked_for(tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], says: str) -> None:
    path = checkpoint.save(tmp_path, agent(), state(5), keep=1)
    arrays = dict(state(5).arrays)
    change(arrays)
    write_arrays(path / "loop.npz", arrays)
    digests.record(path, ["loop.npz"])
    with pytest.raises(RunError, match=says):
        checkpoint.load(path, agent())


def test_the_way_back_names_what_is_left(tmp_path: Path) -> None:
    paths = [checkpoint.save(tmp_path / "a b", agent(), state(step), keep=2) for step in (5, 10)]
    best = checkpoint.save_policy(tmp_path / "a b", agent())
    hints = {}
    for path in (paths[1], best):
        (path / digests.NAME).unlink()
        with pytest.raises(RunError) as caught:
            checkpoint.load_policy(path, agent())
        hints[path.name] = caught.value.hint
    assert hints == {
        "step-000000010": f"remove it to continue from the one before: rm -r '{paths[1]}'",
        "best": "--checkpoint newest takes the newest instead",
    }
    checkpoint._remove(paths[0])
    with pytest.raises(RunError) as caught:
        checkpoint.load(paths[1], agent())
    assert caught.value.hint.startswith("it is the only one")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("exploded.append(1)",)


def test_a_pickle_in_a_checkpoint_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exploded: list[int] = []
    monkeypatch.setattr("builtins.exploded", exploded, raising=False)
    path = checkpoint.save(tmp_path, agent(), state(5), keep=1)
    np.savez(path / "loop.npz", allow_pickle=True, observations=np.array([Bomb()], dtype=object))
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path, agent())
    assert not exploded
    np.load(path / "loop.npz", allow_pickle=True)["observations"]
    assert exploded, "it would have"


def test_nothing_that_reads_run_folders_can_unpickle() -> None:
    root = Path(checkpoint.__file__).parents[2]
    core, contract_checks = root / "nil_core", root / "nil_core" / "testing"  # the latter open no run folder
    sources = [*core.glob("**/*.py"), *root.glob("plugins/agents/*/src/**/*.py")]
    sources = [source for source in sources if contract_checks not in source.parents]
    assert len(sources) > 40
    unpicklers = re.compile(
        r"\bpickle\b.*\bloads?\b|torch\.load\(|allow_pickle=True|import (joblib|dill|shelve|marshal)\b"
    )
    assert not [source for source in sources if unpicklers.search(source.read_text())]


def test_prefixes_keep_parts_apart() -> None:
    one, two = {"a": np.zeros(1), "b.c": np.ones(1)}, {"a": np.ones(2)}
    whole = prefixed("reward", one) | prefixed("rewards", two)
    assert len(whole) == 3
    assert under("reward", whole) == one and under("rewards", whole) == two and under("rew", whole) == {}
