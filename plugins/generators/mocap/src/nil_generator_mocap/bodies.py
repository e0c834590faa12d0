"""The bodies of a robot in the two orders in which simulators list them."""

from __future__ import annotations

from collections import deque
from typing import Any


def depth_first(model: Any, root: int) -> list[int]:
    """Indices of a root and of all bodies below it, in the model's order: MuJoCo's."""
    found = [root]
    for body in range(root + 1, model.nbody):
        if int(model.body_parentid[body]) in found:
            found.append(body)
    return found


def breadth_first(model: Any, root: int) -> list[int]:
    """The same, those nearest to the root first: Isaac Lab's."""
    below, found, waiting = depth_first(model, root), [], deque([root])
    while waiting:
        body = waiting.popleft()
        found.append(body)
        waiting.extend(child for child in below if int(model.body_parentid[child]) == body and child != body)
    return found
