"""States from elsewhere are observed exactly as an environment observes its own."""

from __future__ import annotations

import numpy as np

from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.types import StateObserver

gl.choose_backend()

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.sim.environment import EnvSpec, ImitationEnvironment  # noqa: E402
from nil_core.sim.observation import ObservedStates  # noqa: E402
from nil_core.sim.scene import compose  # noqa: E402


def test_equals_the_observation_of_an_environment_in_those_states() -> None:
    scene = compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)
    preview = np.random.default_rng(0).normal(size=(31, 4)).astype(np.float32)
    plan = EnvSpec(scene, EnvironmentSettings(), 30, preview, None)
    observe = ObservedStates(scene, plan.observer())
    assert isinstance(observe, StateObserver)
    layout = plan.observer().layout
    of_state = {name for name, span in layout.items() if span.start in observe.columns}
    assert of_state == set(layout) - {"last_action", "phase", "preview"}
    environment, rng = ImitationEnvironment(plan, 0), np.random.default_rng(1)
    environment.reset()
    rows, qpos, qvel = [], [], []
    for _ in range(20):
        step = environment.step(rng.uniform(-1, 1, scene.model.nu).astype(np.float32))
        rows.append(environment.observe(step))
        qpos.append(environment.data.qpos.copy())
        qvel.append(environment.data.qvel.copy())
    np.testing.assert_array_equal(observe(np.array(qpos), np.array(qvel)), np.array(rows)[:, observe.columns])
