"""What is plausible about a motion before anything is seen: where a robot may be, and how fast it may change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.types import Doubles

REFERENCE_HZ = 25.0
REFERENCE_HIP = 0.9  # m; smaller bodies move faster, by g / L where gaits are dynamically similar

Z, ROLL, PITCH, YAW = 0.08, 0.06, 0.15, 1.5  # m and rad from the stand
JOINT, OTHER_JOINT = 0.8, 0.15  # rad from the stand: joints that swing forward and back, and the others

PLACE_CHANGE, HEIGHT_CHANGE, TURN_CHANGE = 0.006, 0.008, 0.02  # m, m, rad by which a frame may miss a constant velocity
JOINT_CHANGE, OTHER_JOINT_CHANGE = 0.06, 0.02  # rad

PAN, ZOOM = 0.15, 0.2  # share of the picture's side, and of the size, by which the view differs from the first frame's
PAN_CHANGE, ZOOM_CHANGE = 0.01, 0.001  # by which a frame may miss a constant velocity: hands shake, lenses do not
STEADY_Z, STEADY_HEIGHT_CHANGE = 0.025, 0.004  # m, in place of Z and HEIGHT_CHANGE: a picture that sinks looks alike


@dataclass(frozen=True)
class Priors:
    """Standard deviations, one for each entry of a pose vector.

    Attributes:
        stand: from the standing pose; infinite where a pose is free.
        change: of the second difference over frames: how far a frame may miss a constant velocity.
    """

    stand: Doubles
    change: Doubles

    @classmethod
    def of(cls, space: PoseSpace, hz: float) -> Priors:
        """For a robot, at a frame rate."""
        pitching = space.pitching
        stand = np.concatenate([[np.inf, np.inf, Z, ROLL, PITCH, YAW], np.where(pitching, JOINT, OTHER_JOINT)])
        pace = (REFERENCE_HZ / hz) ** 2
        agility = max(1.0, REFERENCE_HIP / space.hip_height)
        joints = np.where(pitching, JOINT_CHANGE * agility, OTHER_JOINT_CHANGE)
        root = [PLACE_CHANGE, PLACE_CHANGE, HEIGHT_CHANGE, TURN_CHANGE, TURN_CHANGE, TURN_CHANGE]
        change = np.concatenate([root, joints]) * pace
        if space.camera:
            stand[2], change[2] = STEADY_Z, STEADY_HEIGHT_CHANGE * pace
            stand = np.concatenate([stand, [PAN, PAN, ZOOM]])
            change = np.concatenate([change, [PAN_CHANGE, PAN_CHANGE, ZOOM_CHANGE]])
        return cls(stand, change)

    def misfit(self, poses: Doubles, stand: Doubles) -> float:
        """Squared deviations of a motion (T, n), in standard deviations; the robot rests before its first frame."""
        steps = np.diff(np.concatenate([poses[:1], poses]), n=2, axis=0)
        return float(((steps / self.change) ** 2).sum() + (((poses - stand) / self.stand) ** 2).sum())
