"""What a run's episodes are scored with: all columns at its end and by ``nil eval``, the main ones while it learns."""

from __future__ import annotations

import numpy as np

from nil_core.config import RunConfig
from nil_core.evaluation.gait_quality import GaitQuality
from nil_core.evaluation.locomujoco import LocoMujocoScore
from nil_core.evaluation.metrics import Measure, Scoring
from nil_core.evaluation.mocap_loss import RATE, MotionLoss, resampled
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.recorded_motion import RecordedMotion, read_motion
from nil_core.reference.length import requested_seconds
from nil_core.sim.scene import RobotScene
from nil_core.storage.digests import file_digest

SPARE_SECONDS = 1.5
"""Length of a recording beyond an episode, within which it is shifted: a gait cycle and more."""


def main_scoring(experiment: Experiment) -> Scoring:
    """The scoring of evaluations while a run learns."""
    spec = experiment.env_spec
    return Scoring(spec.ticks, spec.control_steps, experiment.target_speed is not None)


def full_scoring(experiment: Experiment) -> Scoring:
    """The scoring of final evaluations and of ``nil eval``.

    Raises:
        NilError: as :func:`recorded_motion`.
    """
    main, config, scene = main_scoring(experiment), experiment.config, experiment.scene
    settings, reference = config.environment, experiment.reference
    stop_at_bounds = config.evaluation.falls == "locomujoco"
    measures: list[Measure] = [
        LocoMujocoScore(scene, main.horizon, experiment.reference_speed, stop_at_bounds),
        GaitQuality(scene, settings.control_hz),
    ]
    rates = reference.tick_hz, settings.control_hz
    if (recorded := recorded_motion(config, scene, reference.ticks / reference.tick_hz)) is not None:
        measures.append(
            MotionLoss("mocap", scene, recorded.qpos, SPARE_SECONDS, *rates, left_out=recorded.still_joints)
        )
    if reference.trajectory is not None and reference.ticks:
        times = np.arange(len(reference.trajectory)) / reference.tick_hz
        measures.append(MotionLoss("reference", scene, resampled(reference.trajectory, times), 0.0, *rates))
    recording = config.evaluation.mocap
    digest = "" if recording is None else file_digest(recording)
    return Scoring(main.ticks, main.horizon, main.has_target, measures, digest)


def recorded_motion(config: RunConfig, scene: RobotScene, seconds: float) -> RecordedMotion | None:
    """The recording of the MoCap loss, for episodes of a length; None if the config names none.

    Raises:
        NilError: as :func:`nil_core.experiment.recorded_motion.read_motion`.
    """
    settings = config.evaluation
    if settings.mocap is None:
        return None
    return read_motion(settings.mocap, settings.mocap_options, scene, seconds + SPARE_SECONDS, RATE)


def check_recording(config: RunConfig, scene: RobotScene) -> None:
    """Fail before a video is made if the recording of the MoCap loss cannot serve.

    Raises:
        NilError: as :func:`recorded_motion`.
    """
    recorded_motion(config, scene, requested_seconds(config.video, scene.spec))
