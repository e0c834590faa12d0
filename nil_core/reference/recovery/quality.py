"""Quality report of a recovered motion, with reasons if it cannot be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

from nil_core.reference.recovery.joint_fit import Fit
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.silhouette import overlap_of, warp_to_first_view
from nil_core.types import Doubles, Masks, RobotSpec
from nil_core.video.masks import iou

MIN_OVERLAP = 0.85  # from which the recovered pose explains a frame
MIN_OVERLAP_MOVING_CAMERA = 0.8  # likewise if the camera moved: warping a mask moves its outline by up to a pixel
MIN_EXPLAINED_SHARE = 0.9  # of the frames
MIN_FIRST_OVERLAP = 0.75  # of the first frame with the standing pose
STILL = "the robot does not move in this video; a prompt that names the motion may help"
MAX_STILL_ANGLE = 0.06  # rad; a video shows no motion if no joint moves more than this
MIN_STILL_OVERLAP = 0.97  # ... and the mean overlap of its frames with the first exceeds this
MAX_CUT_OVERLAP = 0.5  # overlap of two consecutive frames below which the video has a cut
MAX_JOINT_SPEED = 25.0  # rad/s; joints of walking robots turn at 10 to 23


def quality(fit: Fit, space: PoseSpace, spec: RobotSpec, masks: Masks, stand: Masks, times: Doubles) -> dict[str, Any]:
    """Compute the report, with ``reasons`` why the motion cannot be trusted (empty if it can).

    Args:
        fit: the recovered motion.
        space, spec: of the robot.
        masks: bool (T, S, S), of the video.
        stand: bool (S, S), mask of the trained robot in its standing pose.
        times: float64 (T,), s, of the frames, from 0.
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
        "forward_speed": round(float(fit.poses[-1, 0] / times[-1]), 4),
        "reasons": _reasons(fit, space, spec, masks, stand, times),
    }


def _reasons(fit: Fit, space: PoseSpace, spec: RobotSpec, masks: Masks, stand: Masks, times: Doubles) -> list[str]:
    joints, views = fit.poses[:, space.joints], fit.poses[:, space.view]
    reasons = []
    first = masks[0]
    same, mirrored = overlap_of(first, stand), overlap_of(first[:, ::-1], stand)
    if same < MIN_FIRST_OVERLAP:
        if mirrored > max(same + 0.1, MIN_FIRST_OVERLAP):
            reasons.append(
                "the video is mirrored: its first frame, flipped, shows the standing robot; flip it with "
                "`ffmpeg -i VIDEO -vf hflip FLIPPED.mp4`"
            )
        else:
            reasons.append(
                f"the first frame does not show the {spec.prompt_name} in its standing pose (overlap {same:.2f}): "
                "another robot, or another position; --set video.align_first_frame=true scales and shifts it"
            )
    follow = iou(masks[:-1], masks[1:])
    usual = np.median(follow)
    cuts = np.flatnonzero((follow < MAX_CUT_OVERLAP) & (follow < usual - 0.3))
    if len(cuts):
        reasons.append(f"the video jumps at {times[cuts[0] + 1]:.2f} s: use the part before it (video.seconds)")
    steady = [warp_to_first_view(*each) for each in zip(masks, views, strict=True)] if space.camera else masks
    still = np.abs(joints - joints[0]).max() < MAX_STILL_ANGLE
    if still and float(np.mean([overlap_of(mask, first) for mask in steady])) > MIN_STILL_OVERLAP:
        reasons.append(STILL)
    lost = fit.overlaps < (MIN_OVERLAP_MOVING_CAMERA if space.camera else MIN_OVERLAP)
    if lost.mean() > 1 - MIN_EXPLAINED_SHARE:
        start = int(np.flatnonzero(lost)[0])
        reasons.append(
            f"the recovered robot matches that of the video in only {1 - lost.mean():.0%} of the frames, "
            f"and loses it first at {times[start]:.2f} s (minimum overlap {fit.overlaps.min():.2f})"
        )
    speed = np.abs(np.diff(joints, axis=0)) / np.diff(times)[:, None]
    if speed.max() > MAX_JOINT_SPEED:
        t, joint = np.unravel_index(int(speed.argmax()), speed.shape)
        name = spec.actuators[int(joint)].joint
        reasons.append(
            f"{name} would have to turn at {speed.max():.0f} rad/s at {times[t]:.2f} s, faster than such joints can: "
            "try a slower video, or another seed"
        )
    return reasons


def truth_errors(motion: Doubles, truth: Doubles, space: PoseSpace, hz: float) -> dict[str, float]:
    """Errors relative to the generator's own trajectory, both float64 (T, nq).

    Returns:
        ``leg_error_rad``, rms over leg joints and frames; ``joint_error_rad``, over all driven joints; ``speed_error``,
        relative error of the mean forward speed (left out if the robot does not travel).
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
