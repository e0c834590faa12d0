"""Motion of a reference, from the source selected by ``motion.source``."""

from __future__ import annotations

import numpy as np

from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.hardware import available_cores
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import recover
from nil_core.sim.scene import RobotScene, scene_fingerprint
from nil_core.storage.cache import Arrays, array_text, cached, fingerprint, text_array
from nil_core.types import Doubles, Frames, Masks, Motion, Progress

RECOVERY_VERSION = "motion recovery 4"
"""Part of the cache's key: increase the number when the recovery changes."""

MAX_FRAMES_IN_PROCESS = 30
"""Number of frames up to which starting worker processes would take longer than the recovery in this one."""

NO_MOTION_HINT = "--set motion.source=none learns without a motion"


def find_motion(
    config: RunConfig,
    scene: RobotScene,
    frames: Frames,
    masks: Masks,
    trajectory: Doubles | None,
    progress: Progress,
) -> Motion | None:
    """Return the robot's motion in a reference, if the config asks for one.

    Args:
        config: section ``motion``, and the tick rate.
        scene: the trained robot.
        frames, masks: uint8 (T, S, S, 3) and bool (T, S, S), at the ticks, in the renderer's view and with framing
            ``whole``, independent of ``video.framing``.
        trajectory: float64 (T, nq) at the ticks, the generator's own motion, if known; with source ``video`` only
            compared with the recovered one.
        progress: called during a recovery.

    Returns:
        None if no motion is requested or available.

    Raises:
        ConfigError: the generator's trajectory is requested, but unknown, not finite, or of another robot.
    """
    source = config.motion.source
    if source == "generator":
        return _generator_motion(scene, trajectory)
    if source == "video" and scene.spec.feet:
        return _recovered_motion(config, scene, frames, masks, trajectory, progress)
    return None


def _recovered_motion(
    config: RunConfig,
    scene: RobotScene,
    frames: Frames,
    masks: Masks,
    trajectory: Doubles | None,
    progress: Progress,
) -> Motion:
    """Recover the motion or load it from the cache; the generator's trajectory only evaluates it."""
    hz = config.environment.tick_hz
    workers = min(config.simulation.workers, 1) * available_cores() if len(frames) > MAX_FRAMES_IN_PROCESS else 0

    def make() -> Arrays:
        found = recover(scene, frames, masks, hz, workers, progress)
        return {"qpos": found.qpos, "report": text_array(found.report)}

    key = fingerprint(RECOVERY_VERSION, frames, masks, scene_fingerprint(scene), hz)
    stored, _ = cached("motions", key, make, ("qpos", "report"))
    qpos, report = stored["qpos"], array_text(stored["report"])
    if trajectory is not None and trajectory.shape == qpos.shape:
        report |= truth_errors(qpos, trajectory, PoseSpace(scene), hz)
    return Motion(qpos, "video", trusted=not report["reasons"], report=report)


def _generator_motion(scene: RobotScene, trajectory: Doubles | None) -> Motion:
    if trajectory is None:
        raise ConfigError(
            "motion.source=generator needs a video whose generator knows the motion it drew, but this one does not",
            f"--generator gait or mocap; {NO_MOTION_HINT}",
        )
    if not np.isfinite(trajectory).all():
        raise ConfigError("motion.source=generator: the motion that the generator drew is not finite", NO_MOTION_HINT)
    if trajectory.shape[1] != scene.model.nq:
        raise ConfigError(
            f"motion.source=generator: the video's motion has {trajectory.shape[1]} numbers a pose, and "
            f"{scene.spec.name} has {scene.model.nq}: it was drawn for another robot",
            f"generate the video for {scene.spec.name}; {NO_MOTION_HINT}",
        )
    qpos = trajectory.astype(np.float64)
    qpos[:, :2] -= qpos[0, :2]
    return Motion(qpos, "generator")
