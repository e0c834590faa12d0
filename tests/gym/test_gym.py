"""The imitation environment in gymnasium: gymnasium's checks, and the numbers of nil's own loop."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402

import nil_core.gym  # noqa: E402
from nil_core import RunConfig, generate, registry, run  # noqa: E402
from nil_core.config import resolve  # noqa: E402
from nil_core.demonstrations.files import write_demonstrations  # noqa: E402
from nil_core.errors import ConfigError, RunError  # noqa: E402
from nil_core.evaluation.rollout import rollout  # noqa: E402
from nil_core.experiment.experiment import Experiment  # noqa: E402
from nil_core.gym.source import open_source  # noqa: E402
from nil_core.hooks import Hooks  # noqa: E402
from nil_core.reporting import Silent  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402
from nil_core.testing import toy_demonstrations  # noqa: E402

ID, N, STEPS = nil_core.gym.ID, 2, 20
SLOW = {"environment.control_hz": 50.0}
"""Two control steps a tick."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def config() -> RunConfig:
    options = {"agent": "random", "steps": 4, "training.eval_every": 0, "simulation.workers": 0}
    return resolve("smoke", options=options).config


@pytest.fixture(scope="module")
def reference(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(config, tmp_path_factory.mktemp("references") / "walk", Silent())


@pytest.fixture(scope="module")
def folder(config: RunConfig, reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "walk"
    return run(config, out, reference, reporter=Silent(), hooks=Hooks()).folder


def actions(step: int, env: Any, scale: float = 0.3) -> np.ndarray:
    random = np.random.default_rng(step)
    return random.uniform(-scale, scale, env.action_space.shape).astype(np.float32)


def test_gymnasium_accepts_it(folder: Path) -> None:
    env = gymnasium.make(ID, run=str(folder), render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message=".*Box observation space m..imum value is -?infinity.*")
        check_env(env.unwrapped)
    env.close()


def test_an_episode_ends_with_the_reference(folder: Path) -> None:
    env = gymnasium.make(ID, run=folder, evaluation=True, render_mode="rgb_array")
    observation, info = env.reset(seed=3)
    assert (observation.dtype, info) == (np.float32, {})
    first = env.render()
    assert (first.shape, first.dtype) == ((64, 64, 3), np.uint8) and first.any()
    zero = np.zeros(env.action_space.shape, np.float32)
    results = [env.step(zero) for _ in range(10)]  # 0.4 s at 25 Hz
    assert [result[3] for result in results] == [False] * 9 + [True]
    assert not any(result[2] for result in results)
    info = results[-1][4]
    assert set(info) == {"speed", "environment_reward", "terms"}
    assert {"similarity", "iou", "torque", "stability"} <= set(info["terms"]) and 0 < info["terms"]["iou"] <= 1
    last = env.render()
    env.reset()
    assert not np.array_equal(last, env.render()), "the last frame of an episode is its own"
    env.close()


def test_a_reward_comes_with_the_end_of_its_tick(reference: Path) -> None:
    env = gymnasium.make(ID, reference=reference, sets=SLOW, evaluation=True)
    env.reset(seed=0)
    results = [env.step(np.zeros(env.action_space.shape, np.float32)) for _ in range(4)]
    rewards = [result[1] for result in results]
    assert rewards[0] == rewards[2] == 0 and min(rewards[1], rewards[3]) > 0
    assert ["terms" in result[4] for result in results] == [False, True, False, True]
    env.close()


def test_a_seed_gives_an_episode_again_and_another_one_does_not(folder: Path) -> None:
    envs = gymnasium.make_vec(ID, run=folder, num_envs=N, vectorization_mode="vector_entry_point")

    def life(seed: int) -> list[Any]:
        first = envs.reset(seed=seed)[0]
        return [first, *(part for t in range(STEPS) for part in envs.step(actions(t, envs))[:4])]

    once, other, again = life(1), life(2), life(1)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0], other[0]) and not np.array_equal(once[0][0], once[0][1])
    envs.close()


def test_n_environments_equal_one(folder: Path) -> None:
    """At rest and without noise every episode is the same, so that N environments do what one does."""
    sets = {"environment.reset_noise": 0.0}
    envs = gymnasium.make_vec(ID, run=folder, num_envs=N, sets=sets, evaluation=True, render_mode="rgb_array")
    assert isinstance(envs.unwrapped, nil_core.gym.vector_env.ImitationVectorEnv)
    assert envs.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    one = gymnasium.make(ID, run=folder, sets=sets, evaluation=True, render_mode="rgb_array")
    begun, first = one.reset(seed=0)[0], envs.reset(seed=0)[0]
    assert np.array_equal(first, np.stack([begun] * N))
    ended = False
    for t in range(STEPS):
        action = actions(t, one)
        observation, reward, terminated, truncated, info = one.step(action)
        observations, rewards, terminations, truncations, infos = envs.step(np.stack([action] * N))
        assert rewards == pytest.approx([reward] * N, rel=1e-5)
        assert (terminations == terminated).all() and (truncations == truncated).all()
        ended = terminated or truncated
        assert ("final_obs" in infos) == ended
        if ended:
            assert all(np.array_equal(row, observation) for row in infos["final_obs"])
            measured = infos["final_info"]
            observation, _ = one.reset()
        else:
            measured = infos
        assert np.array_equal(observations, np.stack([observation] * N))
        assert measured["speed"] == pytest.approx([info["speed"]] * N) and measured["_speed"].all()
        assert measured["terms"]["iou"] == pytest.approx([info["terms"]["iou"]] * N)
        assert all(np.array_equal(frame, one.render()) for frame in envs.render())
    one.close()
    envs.close()


def test_rewards_equal_those_of_nils_loop(folder: Path) -> None:
    """The rewards of an episode of gymnasium's are those of nil's own loop."""
    sets = {"environment.reset_noise": 0.0}
    env = gymnasium.make(ID, run=folder, sets=sets, evaluation=True)
    env.reset(seed=0)
    got, ended = [], False
    while not ended:
        _, reward, terminated, truncated, _ = env.step(actions(len(got), env))
        got.append(reward)
        ended = terminated or truncated
    env.close()
    experiment: Experiment = open_source(folder, None, sets)
    step = iter(range(1000))
    with _nils_own(experiment) as envs:
        episode = rollout(envs, envs.state(), experiment.reward(1), lambda _: actions(next(step), env)[None], len(got))[
            0
        ]
    assert got == pytest.approx(list(episode.rewards), rel=1e-5)


def _nils_own(experiment: Experiment) -> VectorEnv:
    return experiment.evaluation_env(experiment.reward(1), 1, 0)


def test_workers_give_the_same(folder: Path) -> None:
    lives = []
    for workers in (0, 1):
        envs = gymnasium.make_vec(ID, run=folder, num_envs=N, workers=workers)
        envs.reset(seed=5)
        lives.append([envs.step(actions(t, envs)) for t in range(5)])
        envs.close()
    for here, there in zip(*lives, strict=True):
        assert np.array_equal(here[0], there[0]) and np.array_equal(here[1], there[1])


def test_errors_are_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a run nor a reference is given"):
        gymnasium.make(ID)
    with pytest.raises(ConfigError, match="run and reference are both given"):
        gymnasium.make(ID, run=folder, reference=folder)
    with pytest.raises(RunError):
        gymnasium.make(ID, run=tmp_path)
    with pytest.raises(RunError, match="is not a reference folder"):
        gymnasium.make(ID, reference=tmp_path)
    with pytest.raises(ConfigError, match=r"there is no config key 'environment\.noise'"):
        gymnasium.make(ID, run=folder, sets={"environment.noise": 1.0})
    env = gymnasium.make(ID, run=folder)
    with pytest.raises(ConfigError, match="reset has no option 'start'"):
        env.reset(options={"start": 3})
    env.close()


def test_the_name_imports_the_module_and_the_command_line_does_not() -> None:
    code = (
        "import sys, gymnasium\n"
        "from gymnasium.envs.registration import load_env_creator\n"
        "try: gymnasium.make('nil_core.gym:nil/imitation-v0')\n"
        "except Exception as error: assert 'neither a run' in str(error), error\n"
        "else: raise SystemExit('nothing was wrong')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, nil_core.cli.main; assert 'gymnasium' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_reward_that_learns_does_so_in_training_alone(reference: Path, tmp_path: Path) -> None:
    if "amp" not in registry.names("reward"):
        pytest.skip("the reward amp is not installed")
    path = tmp_path / "trot.npz"
    write_demonstrations(path, toy_demonstrations(open_source(None, reference, {}).scene))
    options = {"demonstrations": str(path), "hidden": [8], "batch_size": 8, "update_every": 4}
    sets = {"reward": {"name": "amp", **options}}
    env = gymnasium.make(ID, reference=str(reference), sets=sets)
    env.reset(seed=0)
    reward = env.unwrapped._envs._learned_reward
    before = reward.learned()
    paid = [env.step(actions(step, env))[1] for step in range(9)]
    assert np.isfinite(paid).all()
    weight = "discriminator/last.weight"
    assert not np.array_equal(reward.learned()[weight], before[weight])
    env.close()
    with pytest.raises(ConfigError, match="a reward that learns"):
        gymnasium.make(ID, reference=str(reference), sets=sets, evaluation=True)
