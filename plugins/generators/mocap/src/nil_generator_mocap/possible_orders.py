"""Which orders of joints a recording without names may have, for the robot that is to play it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nil_core.api import DataError, RobotSpec, Scene
from nil_generator_mocap.bodies import breadth_first, depth_first
from nil_generator_mocap.files import some
from nil_generator_mocap.layouts import Raw
from nil_generator_mocap.mapping import map_joints
from nil_generator_mocap.orders import LACKED, ORDERS, Order, plain


def possible_orders(path: Path, raw: Raw, scene: Scene, asked: str) -> list[Order | None]:
    """The orders in which the joints may be, the writer's own first; None where the file names them.

    Args:
        path: for messages.
        raw: the recording.
        scene: of the robot.
        asked: the order that the user named, or ``auto``.

    Raises:
        DataError: it has joints of another robot, or another number of them.
    """
    if raw.names is not None:
        map_joints(raw.names, scene.spec)  # raises where they are another robot's
        return [None]
    count = raw.joints.shape[1]
    known = known_orders(scene)
    fitting = {order.joints: order for order in reversed(known) if len(order.joints) == count}
    named = [order for order in known if order is fitting.get(order.joints)]
    if not named:
        raise _wrong_count(path, count, scene.spec, known)
    if asked != "auto":
        chosen = [order for order in named if order.name == asked]
        if not chosen:
            raise DataError(
                f"{scene.spec.name} has no order {asked} of {count} joints",
                f"it has {some([order.name for order in named])}: --set generator.order={named[0].name}",
            )
        return list(chosen)
    ranked = sorted(
        (order for order in named if order.name in raw.layout.orders),
        key=lambda order: raw.layout.orders.index(order.name),
    )
    return list(ranked or named)


def known_orders(scene: Scene) -> list[Order]:
    """Orders of all of a robot's joints; of a robot in no table those of its own model."""
    own = {plain(actuator.joint) for actuator in scene.spec.actuators} - LACKED
    rows = [order for order in ORDERS if own <= set(order.joints)]
    if rows:
        named = [order for order in rows if order.robot == scene.spec.name]
        return named or rows
    driven = {actuator.joint for actuator in scene.spec.actuators}
    return [
        Order(scene.spec.name, name, tuple(joint for joint in joints if joint in driven))
        for name, joints in _model_orders(scene).items()
    ]


def _wrong_count(path: Path, count: int, spec: RobotSpec, known: Sequence[Order]) -> DataError:
    others = dict.fromkeys(order.robot for order in ORDERS if len(order.joints) == count)
    counts = sorted({len(order.joints) for order in known})
    whose = f", as {' or '.join(others)} has" if others else ""
    return DataError(
        f"{path.name} has {count} joints{whose}; {spec.name} has {' or '.join(map(str, counts))}",
        "take a recording of the same robot"
        + (f", or the robot of the recording: --robot {min(others)}" if others else ""),
    )


def _model_orders(scene: Scene) -> dict[str, list[str]]:
    """All hinges of a robot's model, depth first and breadth first."""
    model = scene.model
    root = model.body(scene.spec.root).id
    return {
        name: [model.joint(i).name for body in bodies if body != root for i in _joints(model, body)]
        for name, bodies in (("tree", depth_first(model, root)), ("isaac", breadth_first(model, root)))
    }


def _joints(model: Any, body: int) -> range:
    first = int(model.body_jntadr[body])
    return range(first, first + int(model.body_jntnum[body]))
