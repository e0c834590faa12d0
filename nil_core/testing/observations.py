"""The contract of an observation term."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.config import ObservationSettings
from nil_core.sim.observation import Observer
from nil_core.testing.quadruped import toy_scene


def check_observation_term(name: str) -> None:
    """Whether an installed term gives as many finite numbers in any pose, and the same for the same.

    Args:
        name: of its entry point.

    Raises:
        AssertionError: says what is broken.
        PluginError: it cannot be imported, fails, or gives something else than finite numbers (n,).
    """
    scene = toy_scene()
    model, data = scene.model, mujoco.MjData(scene.model)
    observer = Observer(scene, ObservationSettings(terms=(name,)), 4, 8, np.zeros((5, 0), np.float32))
    rng = np.random.default_rng(0)
    for control_step in range(8):
        data.qpos[:] = scene.standing_qpos + rng.uniform(-0.1, 0.1, model.nq)
        data.qvel[:] = rng.uniform(-1, 1, model.nv)
        mujoco.mj_forward(model, data)
        before = data.qpos.copy(), data.qvel.copy()
        action = rng.uniform(-1, 1, model.nu)
        first, again = (observer.observe(data, action, control_step) for _ in range(2))
        assert np.array_equal(first, again), "the same state gives the same numbers"
        unchanged = np.array_equal(data.qpos, before[0]) and np.array_equal(data.qvel, before[1])
        assert unchanged, "a term never writes to the simulator's state"
