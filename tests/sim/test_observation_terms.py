"""Third-party observation terms: named in the config, checked early, computed in all processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nil_core.components import choose
from nil_core.config import ObservationSettings, RunConfig, resolve
from nil_core.errors import ConfigError, PluginError, RunError
from nil_core.reporting import Silent
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped

gl.choose_backend()

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.experiment.export import facts  # noqa: E402
from nil_core.experiment.open_run import OpenRun  # noqa: E402
from nil_core.experiment.run import run  # noqa: E402
from nil_core.hooks import Hooks  # noqa: E402
from nil_core.sim.environment import EnvSpec  # noqa: E402
from nil_core.sim.observation import TERMS, Observer  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402

TICKS, N = 5, 2

SOURCE = """\
import numpy as np

from nil_core.api import ObservationTerm


def feet(data, context):
    names = context.scene.spec.feet
    return [data.geom(name).xpos[2] * context.control_step for name in names]


FEET = ObservationTerm("feet_height", "m, of each foot, times control steps", feet)
FLAT = ObservationTerm("flat", "no vector", lambda data, context: 1.0)
NAN = ObservationTerm("nan", "not finite", lambda data, context: [np.nan])
GROWING = ObservationTerm("growing", "another length", lambda data, context: [0.0] * (1 + context.control_step))
RAISES = ObservationTerm("raises", "nothing", lambda data, context: {}["x"])
TAKEN = ObservationTerm("height", "in the way", feet)
NONE = 3
"""
NAMES = ("flat", "nan", "growing", "raises", "taken", "none")
ENTRIES = "[nil.observation_terms]\nfeet-height = footing:FEET\n" + "".join(
    f"{name} = footing:{name.upper()}\n" for name in NAMES
)


@pytest.fixture(scope="module")
def site(fresh_site: Callable, visible: Callable) -> Iterator[None]:
    made = fresh_site()
    made.add("footing", ENTRIES, footing=SOURCE)
    with visible(made.install()):
        yield


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)


def observer(scene: RobotScene, *terms: str) -> Observer:
    return Observer(scene, ObservationSettings(preview=0, terms=terms), TICKS, TICKS, np.zeros((TICKS + 1, 0)))


def env_spec(scene: RobotScene, *terms: str) -> EnvSpec:
    settings = EnvironmentSettings(observation={"terms": terms, "preview": 0}, reset_noise=0.05)
    return EnvSpec(scene, settings, TICKS, np.zeros((TICKS + 1, 0), np.float32), None)


def observations(env: VectorEnv, steps: int) -> np.ndarray:
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, N, env.action_size)).astype(np.float32)
    return np.stack([env.step(row).observations.copy() for row in actions])


@pytest.mark.usefixtures("site")
def test_a_term_follows_the_built_in_ones(toy: RobotScene) -> None:
    plain, more = observer(toy), observer(toy, "Feet_Height")
    assert list(more.layout) == [*plain.layout, "feet_height"]
    assert more.layout["feet_height"] == slice(plain.size, plain.size + 4)
    assert more.meanings["feet_height"] == "m, of each foot, times control steps"


@pytest.mark.usefixtures("site")
def test_it_is_the_same_in_workers_and_after_restoring(toy: RobotScene) -> None:
    spec, seen = env_spec(toy, "feet_height"), {}
    for workers in (0, 1):
        with VectorEnv(spec, N, workers, seed=1, render=False) as env:
            env.reset()
            state = env.state()
            seen[workers] = observations(env, TICKS - 1)
            env.restore(state)
            assert np.array_equal(observations(env, TICKS - 1), seen[workers])
    assert np.array_equal(seen[0], seen[1])
    feet = seen[0][..., -4:]
    assert (feet != 0).all() and len(np.unique(feet)) == feet.size


@pytest.mark.usefixtures("site")
def test_a_name_that_is_not_installed_is_refused_before_anything_is_built() -> None:
    config = resolve("smoke", sets=["environment.observation.terms=['foot_height']"]).config
    with pytest.raises(
        ConfigError, match="no observation term is called 'foot_height'; installed: feet_height, "
    ) as it:
        choose(config)
    assert "environment.observation.terms" in it.value.hint


def test_an_unknown_reward_term_is_refused_as_early() -> None:
    with pytest.raises(ConfigError, match="no reward term is called 'posture'; installed: none"):
        choose(RunConfig(reward={"name": "imitation", "terms": {"posture": 0.5}}))


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "footing:NONE is no ObservationTerm but of type int"),
        ("flat", r"it must give finite numbers \(1,\), and gives an array \(\)"),
        ("nan", r"it must give finite numbers \(1,\), and gives \[nan\]"),
        ("raises", "it failed: KeyError: 'x'"),
        ("taken", "nil has a built-in term 'height'"),
    ],
)
def test_an_unusable_term_is_reported_with_its_distribution(toy: RobotScene, name: str, why: str) -> None:
    with pytest.raises(PluginError, match=rf"observation term '{name}' \(footing 1.0\): {why}"):
        observer(toy, name)


@pytest.mark.usefixtures("site")
def test_a_term_keeps_its_length(toy: RobotScene) -> None:
    with (
        VectorEnv(env_spec(toy, "growing"), N, 0, seed=1, render=False) as env,
        pytest.raises(PluginError, match=r"must give finite numbers \(1,\), and gives an array \(2,\)"),
    ):
        env.reset()
        observations(env, 2)


@pytest.mark.usefixtures("site")
def test_a_name_given_twice_is_refused(toy: RobotScene) -> None:
    with pytest.raises(ConfigError, match="two observation terms are called 'feet_height'"):
        observer(toy, "feet_height", "feet-height")


@pytest.mark.usefixtures("site")
def test_a_run_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    chosen = {"agent": "random", "steps": 8, "training.eval_every": 0, "simulation.workers": 0, "reward.video": 0}
    more = {"environment.observation.terms": "feet_height", "evaluation.video_metrics": False, "reward.iou": 0}
    config = resolve("smoke", options=chosen | more).config
    folder = run(config, tmp_path / "run", reporter=Silent(), hooks=Hooks()).folder
    assert json.loads((folder / "manifest.json").read_text())["versions"]["footing"] == "1.0"
    opened = OpenRun.open(folder, encoder=False).experiment
    assert opened.config.environment.observation.terms == ("feet_height",)
    shown = facts(opened)["observation"]
    assert [part["name"] for part in shown] == [*(term.name for term in TERMS), "feet_height"]
    assert shown[-1]["meaning"] == "m, of each foot, times control steps"
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"footing": "1.0"', '"footing": "0.9"'))
    with pytest.raises(RunError, match=r"the run was made with footing 0\.9, installed is 1\.0"):
        OpenRun.open(folder, encoder=False)
