"""Plans a gait for the scene's robot and has the scene draw it."""

from __future__ import annotations

import numpy as np

from nil_core.api import ConfigError, Doubles, GenerationRequest, Progress, Scene, Video
from nil_generator_gait import GaitOptions
from nil_generator_gait.pace import natural_pace
from nil_generator_gait.skills import Skill, find_skill
from nil_generator_gait.walker import Walker

WORST_REACH = 2e-2  # m; beyond, the video would show another gait than the one asked for
SHARES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)  # of the natural speed


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

    The root moves along the world's x axis and level, the feet along their paths; what is no limb stands still. Where
    the legs are too straight for the stride the root sinks as little as it must; where they cannot reach as far as
    comes naturally, and no speed is asked for, the robot goes slower. On two legs arms swing and hips sway.

    Args:
        scene: robot, model and standing pose.
        skill: what to do.
        options: what the user set.
        times: (T,) s, from 0.

    Returns:
        (T, nq) and what is known of it: the skill, the pace, and the crouch in m.

    Raises:
        ConfigError: the legs cannot make these steps.
        DataError: the robot has no feet, or no joints to move them.
    """
    walker = Walker(scene)
    shares = SHARES if options.speed is None and skill.speed else SHARES[:1]
    for share in shares:
        pace = natural_pace(walker.hip_height, len(walker.legs), skill, options, share)
        trajectory, error, crouch = walker.walk(pace, times)
        if error <= WORST_REACH:
            return trajectory, {"skill": skill.name, **vars(pace), "crouch": crouch}
    raise ConfigError(
        f"the feet of robot {scene.spec.name} miss their steps by {error * 100:.0f} cm at {pace.speed:.2g} m/s",
        "take slower or lower steps, for example "
        f"--set generator.speed={abs(pace.speed) / 2:.2g} --set generator.lift={pace.lift / 2:.2g}",
    )
