"""Whether a recovered motion can be trusted, in numbers and in words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from nil_core.reference.recovery.joint_fit import Fit
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.silhouette import as_first_seen, overlap_of
from nil_core.types import Doubles, Masks, RobotSpec

EXPLAINED = 0.85  # overlap from which a frame is explained by the recovered pose
PUT_BACK = 0.8  # likewise where the camera moved: putting a picture back moves its outlines by up to a pixel
FEW_EXPLAINED = 0.9  # share of frames that must be
SAME_ROBOT = 0.75  # overlap of the first frame with the stand
STILL = 0.06  # rad; the largest motion of any joint of a video that shows none
SAME = 0.97  # and mean overlap of its frames with the first
CUT = 0.5  # overlap of two frames that follow each other, less than which is a cut
FASTEST = 25.0  # rad/s; joints of walking robots turn at 10 to 23


def quality(fit: Fit, space: PoseSpace, spec: RobotSpec, masks: Masks, stand: Masks, hz: float) -> dict[str, Any]:
    """The numbers of the report, and ``reasons``: why the motion cannot be trusted; none where it can.

    Args:
        fit: the motion, frame by frame.
        space, spec: of the robot.
        masks: bool (T, S, S), of the video.
        stand: bool (S, S), the robot that learns, as it stands.
        hz: frames a second.
    """
    names = [actuator.joint for actuator in spec.actuators]
    soles = space.soles(fit.poses)
    return {
        "overlap_mean": round(float(fit.overlaps.mean()), 4),
        "overlap_least": round(float(fit.overlaps.min()), 4),
        "overlap": [round(float(value), 3) for value in fit.overlaps],
        "uncertainty_rad": {
            name: round(float(value), 4)
            for name, value in zip(names, fit.deviations[1:, space.joints].mean(axis=0), strict=True)
        },
        "sole_below_floor_m": round(float(max(0.0, -soles[..., 2].min())), 4),
        "forward_speed": round(float(fit.poses[-1, 0] * hz / (len(fit.poses) - 1)), 4),
        "reasons": _reasons(fit, space, spec, masks, stand, hz),
    }


def _reasons(fit: Fit, space: PoseSpace, spec: RobotSpec, masks: Masks, stand: Masks, hz: float) -> list[str]:
    joints, views = fit.poses[:, space.joints], fit.poses[:, space.view]
    reasons = []
    first = masks[0]
    same, mirrored = overlap_of(first, stand), overlap_of(first[:, ::-1], stand)
    if same < SAME_ROBOT:
        if mirrored > max(same + 0.1, SAME_ROBOT):
            reasons.append(
                "the video is mirrored: its first frame, flipped, is the standing robot; flip it with "
                "`ffmpeg -i VIDEO -vf hflip FLIPPED.mp4`"
            )
        else:
            reasons.append(
                f"the first frame does not show the {spec.prompt_name} as it stands (overlap {same:.2f}): another "
                "robot, or another place; --set video.align_first_frame=true scales and shifts it"
            )
    follow = np.array([overlap_of(a, b) for a, b in pairwise(masks)])
    usual = np.median(follow)
    cuts = np.flatnonzero((follow < CUT) & (follow < usual - 0.3))
    if len(cuts):
        reasons.append(f"the video jumps at {(cuts[0] + 1) / hz:.2f} s: use the part before it (video.seconds)")
    steady = [as_first_seen(*each) for each in zip(masks, views, strict=True)] if space.camera else masks
    still = np.abs(joints - joints[0]).max() < STILL
    if still and float(np.mean([overlap_of(mask, first) for mask in steady])) > SAME:
        reasons.append("the robot does not move in this video; a prompt that names the motion may help")
    lost = fit.overlaps < (PUT_BACK if space.camera else EXPLAINED)
    if lost.mean() > 1 - FEW_EXPLAINED:
        start = int(np.flatnonzero(lost)[0])
        reasons.append(
            f"the robot that was recovered covers that of the video in only {1 - lost.mean():.0%} of the frames, "
            f"and loses it first at {start / hz:.2f} s (least overlap {fit.overlaps.min():.2f})"
        )
    speed = np.abs(np.diff(joints, axis=0)) * hz
    if speed.max() > FASTEST:
        t, joint = np.unravel_index(int(speed.argmax()), speed.shape)
        name = spec.actuators[int(joint)].joint
        reasons.append(
            f"{name} would have to turn at {speed.max():.0f} rad/s at {t / hz:.2f} s, which no such joint does: "
            "a slower video, or another seed"
        )
    return reasons


def truth_errors(motion: Doubles, truth: Doubles, space: PoseSpace, hz: float) -> dict[str, float]:
    """Against the trajectory that a generator drew: float64 (T, nq) both.

    Returns:
        ``leg_error_rad``, rms over leg joints and frames; ``joint_error_rad``, over all driven joints; ``speed_error``,
        the share by which the mean forward speed is off (null where the robot does not travel).
    """
    error = motion[:, space.addresses] - truth[:, space.addresses]
    legs = error[:, space.leg_joints]
    ours, theirs = (float(each[-1, 0] - each[0, 0]) for each in (motion, truth))
    errors = {
        "leg_error_rad": round(float(np.sqrt((legs**2).mean())), 4),
        "joint_error_rad": round(float(np.sqrt((error**2).mean())), 4),
    }
    seconds = (len(truth) - 1) / hz
    if abs(theirs) > 0.05 * seconds:  # 5 cm/s
        errors["speed_error"] = round(abs(ours - theirs) / abs(theirs), 4)
    return errors
