"""MuJoCo's own defaults, for what is added to a robot's model."""

from __future__ import annotations

import mujoco

_PLAIN = mujoco.MjSpec()


def plain_default() -> mujoco.MjsDefault:
    """MuJoCo's own defaults: the first argument of ``add_geom``, ``add_mesh`` and the like, for parts that must not
    inherit what a robot's file sets as default (a scale of meshes, a color, the control range of actuators)."""
    return _PLAIN.default
