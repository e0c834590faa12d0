"""Priors of a motion: deviations from the standing pose and from constant velocity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.types import Doubles

REFERENCE_HZ = 25.0
REFERENCE_HIP_HEIGHT = 0.9  # m; smaller bodies move faster, by g / L where gaits are dynamically similar

# Standard deviations from the standing pose.
Z, ROLL, PITCH, YAW = 0.08, 0.06, 0.15, 1.5  # m and rad
PITCH_JOINT, OTHER_JOINT = 0.8, 0.15  # rad; joints that swing forward and back, and the others

# Standard deviations from constant velocity, per frame.
PLACE_CHANGE, HEIGHT_CHANGE, TURN_CHANGE = 0.006, 0.008, 0.02  # m, m, rad
PITCH_JOINT_CHANGE, OTHER_JOINT_CHANGE = 0.06, 0.02  # rad

# The same of an unknown camera.
PAN, ZOOM = 0.15, 0.2  # share of the image side, and of the size, relative to the first frame's view
PAN_CHANGE, ZOOM_CHANGE = 0.01, 0.001  # hands shake, lenses do not
CAMERA_Z, CAMERA_HEIGHT_CHANGE = 0.025, 0.004  # m, for Z and HEIGHT_CHANGE: a sinking image looks like a rising robot


@dataclass(frozen=True)
class Priors:
    """Standard deviations, one for each entry of a pose vector.

    Attributes:
        stand: from the standing pose; infinite for entries without a prior.
        change: of the second difference over frames, the deviation from constant velocity.
        steps: float64 (T - 1,), time from each frame to the next, in frames: more than 1 where frames are left out.
    """

    stand: Doubles
    change: Doubles
    steps: Doubles

    @classmethod
    def of(cls, space: PoseSpace, hz: float, steps: Doubles) -> Priors:
        """Priors of a robot at a frame rate."""
        pitching = space.pitching
        stand = np.concatenate([[np.inf, np.inf, Z, ROLL, PITCH, YAW], np.where(pitching, PITCH_JOINT, OTHER_JOINT)])
        pace = (REFERENCE_HZ / hz) ** 2
        agility = max(1.0, REFERENCE_HIP_HEIGHT / space.hip_height)
        joints = np.where(pitching, PITCH_JOINT_CHANGE * agility, OTHER_JOINT_CHANGE)
        root = [PLACE_CHANGE, PLACE_CHANGE, HEIGHT_CHANGE, TURN_CHANGE, TURN_CHANGE, TURN_CHANGE]
        change = np.concatenate([root, joints]) * pace
        if space.camera:
            stand[2], change[2] = CAMERA_Z, CAMERA_HEIGHT_CHANGE * pace
            stand = np.concatenate([stand, [PAN, PAN, ZOOM]])
            change = np.concatenate([change, [PAN_CHANGE, PAN_CHANGE, ZOOM_CHANGE]])
        return cls(stand, change, steps)

    def misfit(self, poses: Doubles, stand: Doubles) -> float:
        """Sum of squared deviations of a motion (T, n), in standard deviations."""
        bends = self.second_differences(poses)
        return float(((bends / self.change) ** 2).sum() + (((poses - stand) / self.stand) ** 2).sum())

    def second_differences(self, poses: Doubles) -> Doubles:
        """Change of velocity (T - 1, n) at each frame but the last, per frame; at rest before the first frame."""
        speeds = np.diff(poses, axis=0) / self.steps[:, None]
        bends: Doubles = np.diff(np.concatenate([np.zeros((1, poses.shape[1])), speeds]), axis=0)
        return bends / self._spans()[:, None]

    def second_difference_weights(self) -> Doubles:
        """Weights (T - 1, 3) of the frame before, the frame and the next one in :meth:`second_differences`."""
        after = 1 / self.steps
        before = np.concatenate([[0.0], after[:-1]])
        weights: Doubles = np.stack([before, -before - after, after], axis=1)
        return weights / self._spans()[:, None]

    def _spans(self) -> Doubles:
        """Mean (T - 1,) of the steps before and after a frame."""
        return (np.concatenate([[1.0], self.steps[:-1]]) + self.steps) / 2
