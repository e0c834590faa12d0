"""The generator ``gait``: plans a gait for the scene's robot and renders it."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from nil_core.api import ConfigError, Doubles, GenerationRequest, Progress, Scene, Video
from nil_generator_gait import GaitOptions
from nil_generator_gait.biped_walk import BipedWalk
from nil_generator_gait.footsteps import Pace
from nil_generator_gait.pace import natural_pace, natural_shift
from nil_generator_gait.skills import Skill, find_skill
from nil_generator_gait.walker import Walker

MAX_FOOT_ERROR = 2e-2  # m; with larger errors the video would show another gait than requested
SPEED_FRACTIONS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)  # of the natural speed, tried in this order
MIN_BIPED_DUTY = 0.5  # minimum duty factor of a walk on two legs
FAST_WALK_SPEED = 0.85  # fraction of the speed of a run; for higher speeds the hips of humanoids lack torque
FAST_WALK_DUTY = 0.55  # duty factor of the fast walk that replaces a run
RUN_REMARK = "a run cannot be planned for two legs: this is a faster walk, which always has a foot on the floor"
UNBALANCED_REMARK = "the legs cannot move the hips sideways over a foot: this gait is planned without balance"

log = logging.getLogger("nil.plugins.generator.gait")  # `nil run` prints INFO messages of nil.plugins


class Gait:
    """Video generator: renders a planned gait without simulating physics.

    Args:
        options: see :class:`GaitOptions`.
    """

    def __init__(self, options: GaitOptions) -> None:
        self.options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Render the skill; frame 0 is the standing pose, the last is at ``request.seconds``, to the nearest frame.

        Raises:
            ConfigError: the skill is unknown, or the steps are not reachable.
            DataError: the robot has no feet, or no joints to move them.
        """
        skill = find_skill(request.skill)
        scene = request.scene
        if scene is None:
            raise ConfigError(
                "the gait generator renders the robot itself and needs a scene",
                "pass GenerationRequest(scene=...), as `nil generate` does",
            )

        times = np.arange(round(request.seconds * request.fps) + 1) / request.fps
        trajectory, facts = plan_gait(scene, skill, self.options, times)
        frames, masks = scene.render(trajectory, progress)
        return Video(frames, request.fps, masks, trajectory, facts)


def plan_gait(
    scene: Scene, skill: Skill, options: GaitOptions, times: Doubles
) -> tuple[Doubles, dict[str, str | float]]:
    """Joint-space motion of a gait.

    The root moves along the world's x axis, or turns, and stays level; the feet follow their paths; other joints do not
    move. If the legs are too straight for the stride, the root is lowered as little as necessary; if they cannot reach
    the natural step length, and no speed is set, the speed is reduced. For bipeds the arms swing, and the walk is
    dynamically feasible (:mod:`nil_generator_gait.biped_walk`) unless ``options.plausible`` is false or the legs cannot
    move the hips sideways over a foot.

    Args:
        scene: robot, model and standing pose.
        skill: to plan.
        options: set by the user.
        times: (T,) s, from 0.

    Returns:
        trajectory (T, nq) and facts: the skill, the pace, the crouch in m, and a remark if the gait differs from the
        requested one.

    Raises:
        ConfigError: the steps are not reachable.
        DataError: the robot has no feet, or no joints to move them.
    """
    walker = Walker(scene)
    if walker.is_biped and options.plausible:
        planned = plan_balanced(scene, walker, skill, options, times)
        if planned is not None:
            return planned
    for fraction in _speed_fractions(skill, options):
        pace = natural_pace(walker.hip_height, len(walker.legs), skill, options, fraction)
        trajectory, error, crouch = walker.walk(pace, times)
        if error <= MAX_FOOT_ERROR:
            facts = _facts(skill, pace, crouch)
            return trajectory, facts | _remark(UNBALANCED_REMARK) if walker.is_biped and options.plausible else facts
    raise ConfigError(
        f"the feet of robot {scene.spec.name} miss their steps by {error * 100:.0f} cm at {pace.speed:.2g} m/s",
        "use slower or lower steps, for example "
        f"--set generator.speed={abs(pace.speed) / 2:.2g} --set generator.lift={pace.lift / 2:.2g}",
    )


def plan_balanced(
    scene: Scene, walker: Walker, skill: Skill, options: GaitOptions, times: Doubles
) -> tuple[Doubles, dict[str, str | float]] | None:
    """Plan a dynamically feasible biped walk, see :func:`plan_gait`; None if the steps are not reachable.

    Raises:
        ConfigError: the duty factor has a flight phase.
    """
    if options.duty is not None and options.duty < MIN_BIPED_DUTY:
        raise ConfigError(
            f"generator.duty = {options.duty:g}: on two legs, a duty factor below {MIN_BIPED_DUTY:g} is a run, "
            "which cannot be planned",
            "--set generator.duty=0.6, or --set generator.plausible=false to plan without balance",
        )
    walk = BipedWalk(scene, walker)
    shift = natural_shift(walker.hip_height, options)
    is_run = skill.duty < MIN_BIPED_DUTY
    for fraction in _speed_fractions(skill, options):
        speed_fraction = FAST_WALK_SPEED * fraction if is_run else fraction
        pace = natural_pace(walker.hip_height, 2, skill, options, speed_fraction)
        if is_run and options.duty is None:
            pace = replace(pace, duty=FAST_WALK_DUTY)
        planned = walk.plan(pace, shift, times, options.crouch)
        if planned.error <= MAX_FOOT_ERROR:
            facts = _facts(skill, pace, planned.crouch) | {"shift": shift}
            return planned.trajectory, facts | _remark(RUN_REMARK) if is_run else facts
    return None


def _speed_fractions(skill: Skill, options: GaitOptions) -> tuple[float, ...]:
    """Fractions of the natural speed to try; only 1 if speed and turn rate are set by the user."""
    may_slow_down = (options.speed is None and skill.speed) or (options.turn_rate is None and skill.turn)
    return SPEED_FRACTIONS if may_slow_down else SPEED_FRACTIONS[:1]


def _facts(skill: Skill, pace: Pace, crouch: float) -> dict[str, str | float]:
    facts = {"skill": skill.name, **vars(pace), "crouch": crouch}
    if not pace.turn_rate:
        del facts["turn_rate"]
    return facts


def _remark(text: str) -> dict[str, str | float]:
    log.info("%s", text)
    return {"remark": text}
