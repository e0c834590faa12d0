"""A run that is killed, or meets a full disk, at any of its file operations loses nothing but the work since then."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nil_core.errors import MachineError, RunError
from nil_core.sim import gl
from nil_core.storage import log, run_folder
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.storage.run_folder import RunFolder
from nil_core.testing import ToyQuadruped
from nil_core.types import Floats, RewardSpec, Transitions

gl.choose_backend()

from nil_core.config import RunConfig  # noqa: E402
from nil_core.hooks import Hooks  # noqa: E402
from nil_core.reporting import Silent  # noqa: E402
from nil_core.reward.cards import ImitationOptions  # noqa: E402
from nil_core.reward.imitation import ImitationReward  # noqa: E402
from nil_core.sim.environment import EnvSpec  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402
from nil_core.train import checkpoint  # noqa: E402
from nil_core.train.loop import LoopComponents, TrainingLoop  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TICKS, STEPS = 5, 40
CONFIG = RunConfig(
    steps=STEPS,
    environment={"control_hz": 50.0, "tick_hz": 25.0, "reset_noise": 0.05, "observation": {"preview": 0}},
    reward={"name": "imitation", "video": 0, "iou": 0},
    simulation={"num_envs": 2, "workers": 0},
    training={"log_every": 8, "eval_every": 12, "checkpoint_every": 10, "keep": 1, "encode_ticks": 2},
)
DONE, FULL = 0, 7
OPERATIONS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


class Learner:
    """A minimal agent: all transitions it received change its next actions."""

    def __init__(self) -> None:
        self.weight = np.zeros(1)
        self.random = np.random.default_rng(0)

    def act(self, observations: Floats, explore: bool) -> Floats:
        noise = self.random.normal(size=(len(observations), 12)) if explore else 0.0
        return np.tanh(self.weight + noise + observations[:, :12]).astype(np.float32)

    def observe(self, transitions: Transitions) -> None:
        self.weight += 0.01 * np.sum(transitions.rewards) + 0.001 * transitions.next_observations.sum()

    def update(self, steps: int) -> Mapping[str, float]:
        return {"weight": float(self.weight[0])}

    def save(self, folder: Path) -> None:
        write_arrays(folder / "weight.npz", {"weight": self.weight})
        (folder / "random.json").write_text(json.dumps(self.random.bit_generator.state))

    def load(self, folder: Path) -> None:
        self.weight = read_arrays(folder / "weight.npz")["weight"]
        self.random.bit_generator.state = json.loads((folder / "random.json").read_text())


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)


def learn(scene: RobotScene, path: Path, config: RunConfig = CONFIG) -> None:
    """Begin the run in a folder, or go on with it."""
    plan = EnvSpec(scene, config.environment, TICKS, np.zeros((TICKS + 1, 0), np.float32), 0.8)
    num_envs = config.simulation.num_envs
    reward = ImitationReward(
        ImitationOptions(**config.reward.options),
        RewardSpec(None, num_envs, "whole", lambda: None),  # type: ignore[arg-type]
    )
    terms = [term.function for term in reward.state_terms]
    with VectorEnv(plan, num_envs, 0, seed=0, render=False, state_terms=terms) as env:
        agent = Learner()
        evaluate = lambda: {"return": float(agent.weight[0])}  # noqa: E731
        loop = TrainingLoop(RunFolder(path), config, LoopComponents(agent, env, reward, evaluate, Hooks(), Silent()))
        loop.resume()
        assert loop.run()


def in_a_child(call: Callable[[], None], before_operation: Callable[[int, bool], None], inside: Path) -> int:
    """Exit code of a forked process, minus the signal that ended it. ``before_operation`` gets number and kind."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code, count = 1, 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        ours = str(inside) in str(arguments[:1])
        writes = event == "os.mkdir" or (event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)))
        if event in OPERATIONS or (event == "open" and ours):
            count += 1
            before_operation(count, ours and writes)

    try:
        sys.addaudithook(watch)
        call()
        code = DONE
    except MachineError as error:
        code = FULL if "the disk is full" in error.message else 1
    finally:
        os._exit(code)


def nothing(number: int, writes: bool) -> None:
    pass


@pytest.fixture(scope="module")
def unbroken(scene: RobotScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    run_folder.create(path, CONFIG, {})
    assert in_a_child(lambda: learn(scene, path), nothing, path) == DONE
    rows = log.read(path / "metrics.jsonl")
    assert len(rows) == 8 and len({row.get("weight", row.get("return")) for row in rows}) > 3, "it could differ"
    return path


def assert_the_same(path: Path, unbroken: Path) -> None:
    assert (path / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes()
    assert [p.name for p in checkpoint.steps(path / "checkpoints")] == ["step-000000040"]
    names = sorted(str(p.relative_to(unbroken)) for p in unbroken.rglob("checkpoints/**/*"))
    assert sorted(str(p.relative_to(path)) for p in path.rglob("checkpoints/**/*")) == names, "nothing is left over"
    one, other = (read_arrays(p / "checkpoints/step-000000040/loop.npz") for p in (path, unbroken))
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@settings(max_examples=12)
@given(moments=st.lists(st.integers(1, 160), min_size=1, max_size=3))
@example(moments=[3, 122, 140])  # after the last checkpoint was written, before the one before was removed
def test_killed_at_any_moment(
    scene: RobotScene, unbroken: Path, tmp_path_factory: pytest.TempPathFactory, moments: list[int]
) -> None:
    path = tmp_path_factory.mktemp("killed") / "run"
    run_folder.create(path, CONFIG, {})
    before = -1
    for moment in moments:

        def kill(number: int, writes: bool, moment: int = moment) -> None:
            if number == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        assert in_a_child(lambda: learn(scene, path), kill, path) in (DONE, -signal.SIGKILL)
        saved = [int(p.name.removeprefix("step-")) for p in checkpoint.steps(path / "checkpoints")]
        assert max(saved, default=0) >= before, "what was saved once stays saved"
        before = max(saved, default=0)
    assert in_a_child(lambda: learn(scene, path), nothing, path) == DONE
    assert_the_same(path, unbroken)


@settings(max_examples=8)
@given(moment=st.integers(1, 120))
def test_a_disk_that_is_full_from_some_moment_on(
    scene: RobotScene, unbroken: Path, tmp_path_factory: pytest.TempPathFactory, moment: int
) -> None:
    path = tmp_path_factory.mktemp("full") / "run"
    run_folder.create(path, CONFIG, {})

    def fill(number: int, writes: bool) -> None:
        if number >= moment and writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert in_a_child(lambda: learn(scene, path), fill, path) in (DONE, FULL)
    assert in_a_child(lambda: learn(scene, path), nothing, path) == DONE
    assert_the_same(path, unbroken)


def test_a_checkpoint_of_other_environments_is_refused(scene: RobotScene, unbroken: Path, tmp_path: Path) -> None:
    more = CONFIG.model_copy(update={"simulation": CONFIG.simulation.model_copy(update={"num_envs": 3})})
    before = sorted(unbroken.rglob("*"))
    with pytest.raises(RunError, match=r"other environments than the config's: 2 environments .* not 3") as caught:
        learn(scene, unbroken, more)
    assert "simulation.num_envs" in caught.value.hint
    assert sorted(unbroken.rglob("*")) == before
