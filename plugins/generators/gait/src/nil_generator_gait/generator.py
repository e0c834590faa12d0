"""Plans a gait for the scene's robot and has the scene draw it."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from nil_core.api import ConfigError, Doubles, GenerationRequest, Progress, Scene, Video
from nil_generator_gait import GaitOptions
from nil_generator_gait.footsteps import Pace, foot_path, ramp_up, root_distance
from nil_generator_gait.inverse_kinematics import FootSolver
from nil_generator_gait.legs import Leg, find_legs
from nil_generator_gait.skills import Skill, find_skill

GRAVITY = 9.81  # m/s²
GOOD_REACH = 5e-4  # m; feet this close to their targets need no deeper crouch
WORST_REACH = 2e-2  # m; beyond, the video would show another gait than the one asked for
CROUCHES = np.linspace(0, 0.25, 11)  # of the hip height


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

    The root moves along the world's x axis, level and at constant height, the feet along their paths; joints outside
    the legs stand still. Where the legs are too straight for the stride the root sinks as little as it must.

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
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_kinematics(scene.model, data)
    mujoco.mj_comPos(scene.model, data)
    legs = find_legs(scene, data)
    hip_height = float(np.mean([data.xanchor[leg.joints[0], 2] - leg.home[2] for leg in legs]))
    pace = natural_pace(hip_height, skill, options)

    solver = FootSolver(scene.model, data, legs)
    least = math.inf
    for depth in CROUCHES * hip_height:
        attempt, attempt_error = _follow(scene, solver, legs, pace, times, depth)
        if attempt_error < least:
            trajectory, least, crouch = attempt, attempt_error, float(depth)
        if least < GOOD_REACH:
            break
    if least > WORST_REACH:
        raise ConfigError(
            f"the feet of robot {scene.spec.name} miss their steps by {least * 100:.0f} cm at {pace.speed:.2g} m/s",
            "take slower or lower steps, for example --set generator.speed=0.3 --set generator.lift=0.03",
        )
    return trajectory, {"skill": skill.name, **vars(pace), "crouch": crouch}


def natural_pace(hip_height: float, skill: Skill, options: GaitOptions) -> Pace:
    """The options, completed by dynamic similarity: equal Froude numbers, as of a dog or a person walking briskly.

    Speeds go with sqrt(g L), frequencies with sqrt(g / L), L the hip height in m. The factors give the Unitree A1
    0.8 m/s at 2.5 Hz with a lift of 8 cm.
    """
    speed = options.speed if options.speed is not None else abs(skill.speed) * 0.49 * math.sqrt(GRAVITY * hip_height)
    frequency = options.frequency or skill.frequency * 0.415 * math.sqrt(GRAVITY / hip_height)
    return Pace(
        speed=float(np.sign(skill.speed)) * speed,
        frequency=frequency,
        duty=options.duty or skill.duty,
        lift=options.lift or min(0.3 * hip_height, 0.12),
        ramp=options.ramp,
    )


def _follow(
    scene: Scene, solver: FootSolver, legs: tuple[Leg, ...], pace: Pace, times: Doubles, crouch: float
) -> tuple[Doubles, float]:
    """Joint-space motion (T, nq) and the largest error of a foot in m."""
    root = int(scene.model.joint(scene.model.body(scene.spec.root).jntadr[0]).qposadr[0])
    targets = np.repeat([[leg.home for leg in legs]], len(times), axis=0)
    for index, leg in enumerate(legs):
        forward, up = foot_path(times, leg.phase, pace)
        targets[:, index, 0] += forward
        targets[:, index, 2] += up

    trajectory = np.tile(scene.standing_qpos, (len(times), 1))
    trajectory[:, root] += root_distance(times, pace)
    trajectory[:, root + 2] -= crouch * ramp_up(times, pace.ramp)
    worst = 0.0
    moving = slice(root, root + 3)
    qpos = scene.standing_qpos
    for tick in range(len(times)):
        start = qpos.copy()
        start[moving] = trajectory[tick, moving]
        qpos, error = solver.solve(start, targets[tick])
        trajectory[tick] = qpos
        worst = max(worst, error)
    return trajectory, worst
