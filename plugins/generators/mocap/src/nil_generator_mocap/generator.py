"""Plays a recording on the scene's robot and has the scene draw it."""

from __future__ import annotations

from hashlib import file_digest
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import ConfigError, Doubles, GenerationRequest, Progress, Scene, Video
from nil_generator_mocap import MocapOptions
from nil_generator_mocap.cycle import find_period, fit_cycle
from nil_generator_mocap.floor import stand_on_floor
from nil_generator_mocap.mapping import map_joints
from nil_generator_mocap.recording import Recording, continuous, read_raw
from nil_generator_mocap.search import resolve

STEPS = 20  # of the integration of the root's velocity, per frame
TRAVEL = 0.5  # m; on less, the direction of travel is left to chance
ROOT = 6  # channels before the joints: velocity (2), orientation (4)


class Mocap:
    """Video generator: a recording, played without physics. The prompt, the skill and the seed are ignored.

    Args:
        options: see :class:`MocapOptions`.

    Raises:
        ConfigError: no path.
    """

    def __init__(self, options: MocapOptions) -> None:
        if options.path is None:
            raise ConfigError("the generator mocap needs a recording", "name it: --set generator.path=walk.npz")
        self._path = options.path.expanduser()
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Draw the motion from frame 0 to time ``request.seconds``, to the nearest frame.

        ``facts`` hold the file's name and SHA-256, the mean forward speed in m/s, the period in s and the root mean
        square error in rad of the cycle where one was fitted, the recording's joints that the robot lacks and the
        robot's that it lacks, and how its file was read.

        Raises:
            ConfigError: no scene.
            DataError: the recording cannot be read, or in more than one way, is not of this robot, or is too short.
        """
        scene = request.scene
        if scene is None:
            raise ConfigError(
                "the mocap generator draws the robot itself and got no scene",
                "pass GenerationRequest(scene=...), as `nil generate` does",
            )
        cut = self._options.model_dump(include={"piece", "start", "rate", "clip"})
        raw = read_raw(self._path, **cut)
        recording, reading = resolve(self._path, raw, scene, self._options)
        times = np.arange(round(request.seconds * request.fps) + 1) / request.fps
        trajectory, facts = play(scene, recording, self._options.ramp, times)
        with self._path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        frames, masks = scene.render(trajectory, progress)
        source = {"source": self._path.name, "sha256": sha256, "piece": cut["piece"], "start": cut["start"]}
        source["reading"] = reading
        return Video(frames, request.fps, masks, trajectory, source | facts)


def play(scene: Scene, recording: Recording, ramp: float, times: Doubles) -> tuple[Doubles, dict[str, Any]]:
    """Joint-space motion of the scene's robot.

    A recording that ends before the video is replaced by its gait cycle. Positions of the root are integrated from
    velocities, so that the ramp scales the speed as it scales the pose. Joints that the recording does not move stand
    still; angles end at the robot's joint limits.

    Args:
        scene: robot, model and standing pose.
        recording: of the same kind of robot.
        ramp: s from the standing pose to the full motion.
        times: (T,) s, evenly spaced from 0.

    Returns:
        (T, nq) and what is known of it.

    Raises:
        DataError: the recording is not of this robot, or too short.
    """
    sources = map_joints(recording.joints, scene.spec)
    angles = np.stack([recording.joints[source.joint] + source.offset for source in sources.values()], axis=1)
    velocity, orientation = _face_forward(recording)
    channels = np.concatenate([velocity, orientation, angles], axis=1)

    fine = np.linspace(0, times[-1], STEPS * (len(times) - 1) + 1)
    recorded = np.arange(len(channels)) / recording.rate
    used = {source.joint for source in sources.values()}
    still = {actuator.joint for actuator in scene.spec.actuators} - set(sources)
    facts: dict[str, Any] = {"ramp": ramp, "unused_joints": sorted(set(recording.joints) - used)}
    facts |= {"still_joints": sorted(still)} if still else {}
    if recorded[-1] >= times[-1]:
        motion = np.stack([np.interp(fine, recorded, channel) for channel in channels.T], axis=1)
        facts["speed"] = float(motion[:, 0].mean())
    else:
        cycle = fit_cycle(channels, recording.rate, find_period(angles, recording.rate))
        motion = cycle(fine)
        error = (cycle(recorded) - channels)[:, ROOT:]
        facts |= {"speed": float(cycle.coefficients[0, 0]), "period": cycle.period, "fit_error": _rms(error)}
    return stand_on_floor(scene, _poses(scene, list(sources), motion, ramp, fine)[::STEPS]), facts


def _face_forward(recording: Recording) -> tuple[Doubles, Doubles]:
    """Velocity (n, 2) m/s and orientation (n, 4), turned so that the robot goes along x, backwards or sideways too."""
    velocity = np.gradient(recording.position, axis=0) * recording.rate
    orientation = Rotation.from_quat(recording.orientation, scalar_first=True)
    yaws = orientation.as_euler("ZYX")[:, 0]
    heading = float(Rotation.from_euler("z", yaws[:, None]).mean().as_euler("ZYX")[0])
    x, y = recording.position[-1] - recording.position[0]
    if np.hypot(x, y) > TRAVEL:
        travel = float(np.arctan2(y, x))
        heading = travel - round((travel - heading) / (np.pi / 2)) * np.pi / 2
    back = Rotation.from_euler("z", -heading)
    turned = velocity @ back.as_matrix()[:2, :2].T
    return turned, continuous((back * orientation).as_quat(scalar_first=True))


def _poses(scene: Scene, joints: list[str], motion: Doubles, ramp: float, times: Doubles) -> Doubles:
    """The channels of a motion, blended in from the standing pose, as poses (T, nq)."""
    model, standing = scene.model, scene.standing_qpos
    root = int(model.joint(model.body(scene.spec.root).jntadr[0]).qposadr[0])
    columns = [*range(root + 3, root + 7), *(int(model.joint(name).qposadr[0]) for name in joints)]
    still = np.concatenate([np.zeros(2), standing[columns]])
    if motion[0, 2:ROOT] @ still[2:ROOT] < 0:
        motion = motion * np.where(np.isin(np.arange(motion.shape[1]), range(2, ROOT)), -1, 1)
    share = _smoothstep(times / ramp)[:, None] if ramp else 1.0
    blended = still + share * (motion - still)

    poses = np.tile(standing, (len(times), 1))
    steps = (blended[1:, :2] + blended[:-1, :2]) / 2 * np.diff(times)[:, None]
    poses[1:, root : root + 2] += np.cumsum(steps, axis=0)
    poses[:, columns] = blended[:, 2:]
    poses[:, root + 3 : root + 7] /= np.linalg.norm(poses[:, root + 3 : root + 7], axis=1, keepdims=True)
    for name in joints:
        joint = model.joint(name)
        if model.jnt_limited[joint.id]:
            poses[:, joint.qposadr[0]] = poses[:, joint.qposadr[0]].clip(*joint.range)
    return poses


def _smoothstep(u: Doubles) -> Doubles:
    u = np.clip(u, 0, 1)
    return u * u * (3 - 2 * u)


def _rms(errors: Doubles) -> float:
    return float(np.sqrt(np.square(errors).mean()))
