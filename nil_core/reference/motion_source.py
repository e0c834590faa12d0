"""Where the motion of a reference comes from, by ``motion.source``."""

from __future__ import annotations

import numpy as np

from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import recover
from nil_core.reference.recovery.workers import available_cores
from nil_core.sim.scene import RobotScene, scene_fingerprint
from nil_core.storage.cache import Arrays, array_text, cached, fingerprint, text_array
from nil_core.types import Doubles, Frames, Masks, Motion, Progress

RECIPE = "motion recovery 2"
"""Part of the cache's key: raise the number when the recovery changes."""

FEW = 30
"""Frames up to which starting processes would take longer than recovering in this one."""

WITHOUT = "--set motion.source=none learns without a motion"


def find_motion(
    config: RunConfig,
    scene: RobotScene,
    frames: Frames,
    masks: Masks,
    trajectory: Doubles | None,
    progress: Progress,
) -> Motion | None:
    """The robot's motion in a reference, where the config wants one.

    Args:
        config: its section ``motion``, and the tick rate.
        scene: the robot that learns.
        frames, masks: uint8 (T, S, S, 3) and bool (T, S, S), what the ticks show, as the renderer would show it: whole,
            whatever ``video.framing`` says.
        trajectory: float64 (T, nq) at the ticks, what the generator drew, if it knows; never used for ``video``.
        progress: called with how far a recovery is.

    Returns:
        None where none is wanted, or none is found.

    Raises:
        ConfigError: the trajectory of a generator is wanted, and it is unknown or another robot's.
    """
    source = config.motion.source
    if source == "generator":
        return _drawn(scene, trajectory)
    if source == "video" and scene.spec.feet:
        return _recovered(config, scene, frames, masks, trajectory, progress)
    return None


def _recovered(
    config: RunConfig,
    scene: RobotScene,
    frames: Frames,
    masks: Masks,
    trajectory: Doubles | None,
    progress: Progress,
) -> Motion:
    """Recovered now, or found in the cache; what the generator drew is only compared with."""
    hz = config.environment.tick_hz
    workers = min(config.simulation.workers, 1) * available_cores() if len(frames) > FEW else 0

    def make() -> Arrays:
        found = recover(scene, frames, masks, hz, workers, progress)
        return {"qpos": found.qpos, "report": text_array(found.report)}

    key = fingerprint(RECIPE, frames, masks, scene_fingerprint(scene), hz)
    stored, _ = cached("motions", key, make, ("qpos", "report"))
    qpos, report = stored["qpos"], array_text(stored["report"])
    if trajectory is not None and trajectory.shape == qpos.shape:
        report |= truth_errors(qpos, trajectory, PoseSpace(scene), hz)
    return Motion(qpos, "video", trusted=not report["reasons"], report=report)


def _drawn(scene: RobotScene, trajectory: Doubles | None) -> Motion:
    if trajectory is None:
        raise ConfigError(
            "motion.source=generator needs a video whose generator knows the motion it drew, and this one does not",
            f"--generator gait or mocap; {WITHOUT}",
        )
    if not np.isfinite(trajectory).all():
        raise ConfigError("motion.source=generator: the motion that the generator drew is not finite", WITHOUT)
    if trajectory.shape[1] != scene.model.nq:
        raise ConfigError(
            f"motion.source=generator: the video's motion has {trajectory.shape[1]} numbers a pose, and "
            f"{scene.spec.name} has {scene.model.nq}: it was drawn for another robot",
            f"generate the video for {scene.spec.name}; {WITHOUT}",
        )
    qpos = trajectory.astype(np.float64)
    qpos[:, :2] -= qpos[0, :2]
    return Motion(qpos, "generator")
