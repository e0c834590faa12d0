"""The tree of a model's bodies."""

from __future__ import annotations

import mujoco


def ancestors(model: mujoco.MjModel, body: int) -> list[int]:
    """Ids of the bodies above a body, nearest first, without the world."""
    found = []
    while body := int(model.body_parentid[body]):
        found.append(body)
    return found
