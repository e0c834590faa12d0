"""Demonstrations: trajectories of a robot's states, with actions where known, for baselines that learn from them."""

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
