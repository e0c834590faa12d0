"""What a run says, in words."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np

from nil_core.card import Capability
from nil_core.config import RunConfig, flatten
from nil_core.experiment.experiment import Experiment
from nil_core.reference.recovery.quality import STILL
from nil_core.reference.report import ReferenceReport
from nil_core.reporting import Reporter
from nil_core.reward.imitation import moves
from nil_core.reward.similarity import cosine
from nil_core.types import Motion

BLIND = 1e-3
"""Less than that between a reference and standing still, in cosine similarity, is nothing that could be learned from:
pooled embeddings of video transformers, the narrowest of all, differ by a few per cent."""

REST_SECONDS = 1.0
"""A robot that is at rest for this long at the start of its video may still move later."""

ORIGINS = {
    "video": "recovered from the video",
    "generator": "from the generator (oracle)",
    "demonstrations": "from the demonstrations",
}


def describe_reference(report: ReferenceReport, config: RunConfig, reporter: Reporter) -> None:
    """Report what was generated, and the quality of its masks and its first frame."""
    reporter.say(str(report))
    for remark in report.remarks:
        reporter.warn(remark)
    (reporter.warn if report.masks.doubtful else reporter.say)(str(report.masks))
    match = report.first_frame
    if match.close:
        reporter.say(str(match))
    elif config.video.align_first_frame:
        reporter.say(f"{match}; the reference is scaled and shifted to match")
    else:
        reporter.warn(f"{match}; --set video.align_first_frame=true scales and shifts the reference")


def describe_motion(motion: Motion, hz: float, reporter: Reporter) -> None:
    """Report how well the motion explains the video, or why it is untrusted.

    Args:
        motion: of the reference.
        hz: its rows per second.
        reporter: receives the messages.
    """
    report = motion.report
    if motion.source == "generator":
        return
    text = (
        f"motion: recovered from the video; mask overlap of the re-rendered robot {report['overlap_mean']:.2f}, "
        f"forward speed {report['forward_speed']:.2f} m/s"
    )
    if "leg_error_rad" in report:
        text += f"; rms error of leg joints {report['leg_error_rad']:.3f} rad"
    reporter.say(text)
    if _ends_before_it_moves(motion, hz):
        reporter.say(
            f"motion: the robot does not move in the {_seconds(motion, hz):g} s of this video; many start "
            "at rest, and a longer video.seconds shows more"
        )
        return
    for reason in report["reasons"]:
        reporter.warn(f"the motion cannot be trusted: {reason}")


def _ends_before_it_moves(motion: Motion, hz: float) -> bool:
    """Whether a motion is untrusted only because its video, as long as it was asked for, shows a robot at rest."""
    return motion.report.get("reasons") == [STILL] and _seconds(motion, hz) < REST_SECONDS


def _seconds(motion: Motion, hz: float) -> float:
    return (len(motion.qpos) - 1) / hz


def motion_used(experiment: Experiment) -> dict[str, Any] | None:
    """Use of the reference's motion by the run, as JSON values; None if it is not used."""
    motion, settings = experiment.motion, experiment.config.motion
    if motion is None:
        return None
    return {
        "source": motion.source,
        "trusted": motion.trusted,
        "base": experiment.has_base,
        "start_share": settings.start_share,
        "max_deviation": settings.max_deviation,
    }


def describe_use_of_motion(experiment: Experiment, reporter: Reporter) -> None:
    """Report how the run uses the reference's motion, or why it does not use an existing one."""
    used, available, settings = experiment.motion, experiment.reference.motion, experiment.config.motion
    if used is None:
        if available is not None and settings.source != "none":
            if _ends_before_it_moves(available, experiment.reference.tick_hz):
                reporter.say("motion: not used; actions are relative to the standing pose")
                return
            reporter.warn("the untrusted motion is not used; --set motion.untrusted=use uses it anyway")
        return
    origin = ORIGINS[used.source]
    base = "the motion" if experiment.has_base else "the standing pose"
    starts = f"{settings.start_share:.0%} of episodes start at a random time of it"
    text = f"motion: {origin}; actions are relative to {base}; {starts}"
    if settings.max_deviation is not None:
        text += f"; episodes terminate {settings.max_deviation:g} m away from it"
    reporter.say(text)


def warn_of_blind_encoder(experiment: Experiment, reporter: Reporter) -> None:
    """Say so where the encoder hardly tells a reference that moves from standing still: nothing is learned from it."""
    reference = experiment.reference
    embeddings = reference.embeddings
    if not embeddings.shape[1] or not moves(reference):
        return
    standing = float(cosine(embeddings[1:], np.broadcast_to(embeddings[0], embeddings[1:].shape)).mean())
    if 1 - standing < BLIND:
        reporter.warn(
            f"to the encoder {experiment.config.encoder.name} the reference looks like standing still (mean similarity "
            f"{standing:.5f}); what it tells apart: {ranking_command(experiment.config)}"
        )


def ranking_command(config: RunConfig) -> str:
    """The ``nil encoders rank`` of a run's encoder and robot."""
    words = ["nil", "encoders", "rank", config.encoder.name, "--robot", config.robot.name]
    options = {kind: getattr(config, kind).model_dump(mode="json", exclude={"name"}) for kind in ("encoder", "robot")}
    for key, value in flatten(options).items():
        if value is not None:
            words += ["--set", f"{key}={json.dumps(value, ensure_ascii=False)}"]  # such JSON is TOML, too
    return shlex.join(words)


def describe_inexact_resume(experiment: Experiment, step: int, reporter: Reporter) -> None:
    """Say so where the agent saves less than it goes on learning from; of a run that is gone on with, as a warning."""
    chosen = experiment.choice["agent"]
    if not chosen.can(Capability.INEXACT_RESUME):
        return
    if step:
        reporter.warn(f"the agent {chosen.name} does not save all of its state: from step {step} on it is another run")
    else:
        reporter.say(f"the agent {chosen.name} does not save all of its state: --resume goes on, but not exactly")
