"""One way to read a recording, and what the recording then is."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.spatial.transform import Rotation

from nil_core.api import Doubles
from nil_generator_mocap.layouts import METERS, RADIANS, WXYZ, XYZW, Raw
from nil_generator_mocap.orders import Order
from nil_generator_mocap.recording import Recording, continuous

Y_TO_Z = Rotation.from_euler("x", 90, degrees=True)
UPS = ("z", "y", "y of the root too")


@dataclass(frozen=True)
class Reading:
    """One way to read a recording.

    Attributes:
        turn: what the root's rotation is: ``wxyz``, ``xyzw``, or a rotation vector.
        up: the world's vertical axis; in the third case the root's own too.
        order: of the joints; None where the file names them.
        length: unit of positions.
        angle: unit of joints.
    """

    turn: str
    up: str
    order: Order | None
    length: str = "m"
    angle: str = "rad"


def recorded(raw: Raw, reading: Reading) -> Recording:
    """A recording as one reading has it."""
    names = joint_names(raw, reading)
    angles = raw.joints * RADIANS[reading.angle]
    joints = {name: angles[:, i] for i, name in enumerate(names) if name}
    quaternions = orientation(raw, reading).as_quat(scalar_first=True)
    return Recording(position(raw.position, reading)[:, :2], continuous(quaternions), joints, raw.rate)


def joint_names(raw: Raw, reading: Reading) -> tuple[str, ...]:
    """Of every column of joints; empty where no joint has it."""
    return reading.order.joints if reading.order else raw.names or ()


def orientation(raw: Raw, reading: Reading) -> Rotation:
    """Of the root, in a world whose z axis is up."""
    turned = (
        Rotation.from_quat(raw.rotation, scalar_first=reading.turn == WXYZ)
        if reading.turn in (WXYZ, XYZW)
        else Rotation.from_rotvec(raw.rotation)
    )
    if reading.up == UPS[0]:
        return turned
    return Y_TO_Z * turned * (Y_TO_Z.inv() if reading.up == UPS[2] else Rotation.identity())


def position(points: Doubles, reading: Reading) -> Doubles:
    """Points (..., 3) in m, in a world whose z axis is up."""
    flat = points.reshape(-1, 3) * METERS[reading.length]
    moved: Doubles = (flat if reading.up == UPS[0] else Y_TO_Z.apply(flat)).reshape(points.shape)
    return moved
