"""Plans a gait for the scene's robot and has the scene draw it."""

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

WORST_REACH = 2e-2  # m; beyond, the video would show another gait than the one asked for
SHARES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)  # of the natural speed
LEAST_DUTY = 0.5  # of a walk on two legs
FAST_WALK = 0.85  # of the speed of a run; faster, a humanoid's hips lack the torque
WALKING_DUTY = 0.55  # of a fast walk instead of a run
NO_FLIGHT = "a run cannot be planned for two legs: this is a faster walk, which always has a foot on the floor"
UNBALANCED = "the legs cannot carry the hips sideways over a foot: this gait is drawn without regard to balance"

log = logging.getLogger("nil.plugins.generator.gait")  # what is logged below nil.plugins, `nil run` shows


class Gait:
    """Video generator: a gait played without physics, so nothing of it is known to be feasible.

    Args:
        options: see :class:`GaitOptions`.
    """

    def __init__(self, options: GaitOptions) -> None:
        self.options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Draw the skill; frame 0 is the standing pose, the last shows time ``request.seconds``, to the nearest frame.

        Raises:
            ConfigError: the skill is unknown, or the robot's legs cannot make these steps.
            DataError: the robot has no feet, or no joints to move them.
        """
        skill = find_skill(request.skill)
        scene = request.scene
        if scene is None:
            raise ConfigError(
                "the gait generator draws the robot itself and got no scene",
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

    The root moves along the world's x axis, or turns, and stays level; the feet follow their paths; what is no limb
    stands still. Where the legs are too straight for the stride the root sinks as little as it must; where they cannot
    reach as far as comes naturally, and no speed is asked for, the robot goes slower. On two legs arms swing, and the
    walk is one that a body can follow (:mod:`nil_generator_gait.biped_walk`) unless ``options.plausible`` is false or
    the legs cannot carry the hips sideways over a foot.

    Args:
        scene: robot, model and standing pose.
        skill: what to do.
        options: what the user set.
        times: (T,) s, from 0.

    Returns:
        (T, nq) and what is known of it: the skill, the pace, the crouch in m, and a remark where the gait is another
        than the one asked for.

    Raises:
        ConfigError: the legs cannot make these steps.
        DataError: the robot has no feet, or no joints to move them.
    """
    walker = Walker(scene)
    if walker.two_legs and options.plausible:
        planned = plan_balanced(scene, walker, skill, options, times)
        if planned is not None:
            return planned
    for share in _shares(skill, options):
        pace = natural_pace(walker.hip_height, len(walker.legs), skill, options, share)
        trajectory, error, crouch = walker.walk(pace, times)
        if error <= WORST_REACH:
            facts = _facts(skill, pace, crouch)
            return trajectory, facts | _remark(UNBALANCED) if walker.two_legs and options.plausible else facts
    raise ConfigError(
        f"the feet of robot {scene.spec.name} miss their steps by {error * 100:.0f} cm at {pace.speed:.2g} m/s",
        "take slower or lower steps, for example "
        f"--set generator.speed={abs(pace.speed) / 2:.2g} --set generator.lift={pace.lift / 2:.2g}",
    )


def plan_balanced(
    scene: Scene, walker: Walker, skill: Skill, options: GaitOptions, times: Doubles
) -> tuple[Doubles, dict[str, str | float]] | None:
    """A walk on two legs that a body can follow, as :func:`plan_gait` gives it; None where the legs cannot make it.

    Raises:
        ConfigError: feet that leave the floor together.
    """
    if options.duty is not None and options.duty < LEAST_DUTY:
        raise ConfigError(
            f"generator.duty = {options.duty:g}: on two legs, less than {LEAST_DUTY:g} of a cycle on the floor is a "
            "run, which cannot be planned",
            "--set generator.duty=0.6, or --set generator.plausible=false for a drawing without regard to balance",
        )
    walk = BipedWalk(scene, walker)
    shift = natural_shift(walker.hip_height, options)
    for share in _shares(skill, options):
        runs = skill.duty < LEAST_DUTY
        pace = natural_pace(walker.hip_height, 2, skill, options, FAST_WALK * share if runs else share)
        if runs and options.duty is None:
            pace = replace(pace, duty=WALKING_DUTY)
        planned = walk.plan(pace, shift, times, options.crouch)
        if planned.error <= WORST_REACH:
            facts = _facts(skill, pace, planned.crouch) | {"shift": shift}
            return planned.trajectory, facts | _remark(NO_FLIGHT) if runs else facts
    return None


def _shares(skill: Skill, options: GaitOptions) -> tuple[float, ...]:
    slower = (options.speed is None and skill.speed) or (options.turn_rate is None and skill.turn)
    return SHARES if slower else SHARES[:1]


def _facts(skill: Skill, pace: Pace, crouch: float) -> dict[str, str | float]:
    facts = {"skill": skill.name, **vars(pace), "crouch": crouch}
    if not pace.turn_rate:
        del facts["turn_rate"]
    return facts


def _remark(text: str) -> dict[str, str | float]:
    log.info("%s", text)
    return {"remark": text}
