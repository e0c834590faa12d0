"""The data that components exchange: frozen dataclasses over numpy arrays, checked where they are made.

Axes are named T (frames), N (environments), H, W (pixels), L (clip length). Frames are uint8 RGB, masks are bool and
true where the robot is. Angles are radians, lengths meters, times seconds, torques newton meters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError

Frames = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int16]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

Color = tuple[int, int, int]
"""Red, green and blue, 0 ... 255."""

CropBox = tuple[float, float, float]
"""A square of a picture: left, top and side in pixels; it may lie between pixels, and reach beyond the picture."""

FIELD_OF_VIEW = 45.0
"""Degrees from edge to edge of a rendered picture."""

BLACK: Color = (0, 0, 0)

Progress = Callable[[int, int, str], None]
"""``progress(done, total, what)``: called often by long work, and cheap. :func:`no_progress` ignores it."""


def no_progress(done: int, total: int, what: str) -> None:
    """A :data:`Progress` that shows nothing."""


@dataclass(frozen=True)
class Video:
    """A clip of any length.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB, T >= 1.
        fps: frames per second, as the source says; frame i shows time i / fps.
        masks: bool (T, H, W), the robot's pixels, only from generators that draw the scene themselves; the segmenter
            ``sim_mask`` hands them on.
        trajectory: float64 (T, nq) joint-space motion that was drawn, when there is one. Kept for metrics (the MoCap
            loss); never shown to an agent.
        facts: what the source knows about the clip, JSON values only: ``{"speed": 0.8}`` is the commanded forward
            speed in m/s, used as the target of the environment reward; ``{"remarks": ["..."]}`` are lines for the
            person who learns from it; anything else is provenance.
        crop_box: left, top and side (pixels) of the square that shows what the first frame showed, from generators that
            were given a letterboxed first frame (:func:`nil_core.api.central_square`). None: nobody knows, and the
            whole picture is padded to a square.

    Raises:
        DataError: wrong shape, dtype or frame rate, or a crop box that shows nothing of the picture.
    """

    frames: Frames
    fps: float
    masks: Masks | None = None
    trajectory: Doubles | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    crop_box: CropBox | None = None

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise DataError(f"a video is uint8 (T, H, W, 3), got {self.frames.dtype} {shape}")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise DataError(f"a video needs a positive frame rate, got {self.fps}")
        if self.masks is not None and (self.masks.dtype != np.bool_ or self.masks.shape != shape[:3]):
            raise DataError(f"masks are bool {shape[:3]}, got {self.masks.dtype} {self.masks.shape}")
        if self.trajectory is not None and len(self.trajectory) != shape[0]:
            raise DataError(f"a trajectory has one row per frame ({shape[0]}), got {len(self.trajectory)}")
        if self.crop_box is not None:
            left, top, side = self.crop_box
            seen = min(left + side, shape[2]) - max(left, 0.0), min(top + side, shape[1]) - max(top, 0.0)
            if not (np.isfinite(self.crop_box).all() and min(seen) > 0):
                raise DataError(f"a crop box shows a part of the picture {shape[2]}x{shape[1]}, got {self.crop_box}")

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.frames) - 1) / self.fps


@dataclass(frozen=True)
class Actuator:
    """One driven hinge joint.

    Attributes:
        joint: name of the joint in the model; the actuator gets the same name.
        torque_limit: N m, symmetric.
        kp: N m / rad, stiffness of PD control.
        kd: N m s / rad, damping of PD control, on top of the joint's own.
        action_range: rad that an action of 1 moves the PD target away from the standing pose.
    """

    joint: str
    torque_limit: float
    kp: float
    kd: float
    action_range: float = 0.5


def usable_range(torque_limit: float, kp: float) -> float:
    """An action range (rad) that suits a PD-driven joint: half as much again as the error at which the torque limit is
    reached, beyond which more action changes nothing; between 0.1 and 0.25 rad, so that it can mend a motion that was
    recovered roughly, and an untrained policy does not throw the robot.

    Args:
        torque_limit: N m.
        kp: N m / rad.
    """
    return min(max(1.5 * torque_limit / kp, 0.1), 0.25)


@dataclass(frozen=True)
class Camera:
    """A camera that follows the robot's root in x and y, at a fixed height, and never turns.

    Attributes:
        distance: m from the look-at point.
        height: m of the look-at point above the floor.
        azimuth: degrees; 90 sees the robot walk to the right.
        elevation: degrees; negative looks down.
    """

    distance: float
    height: float
    azimuth: float = 90.0
    elevation: float = -5.0

    def pixel(self, size: int) -> float:
        """m that one pixel of a square picture shows at the look-at point; the field of view is 45 degrees."""
        return 2 * self.distance * math.tan(math.radians(FIELD_OF_VIEW / 2)) / size


@dataclass(frozen=True)
class FallLimits:
    """When the robot counts as fallen: root below ``min_height`` (m), or |roll| or |pitch| (rad) beyond the limit."""

    min_height: float
    max_roll: float = 0.7
    max_pitch: float = 0.7


@dataclass(frozen=True)
class RobotSpec:
    """An embodiment as data. ``Robot.build()`` gives the model that these names refer to.

    Attributes:
        name: short name, e.g. ``a1``.
        prompt_name: how a person would call it in a prompt, e.g. ``Unitree A1``.
        root: name of the body with the free joint.
        torso: name of the body whose tilt counts as stability.
        actuators: the driven joints, in the order of actions and observations.
        standing_pose: joint name to rad; joints not named stand at 0.
        standing_height: m, root above the floor in the standing pose (settled again by the simulator).
        feet: names of the foot geoms; several geoms of one body make one foot.
        camera: the follow camera.
        fall: when an episode ends early.
        control_hz: the robot's customary control rate under torque control.
        learning_steps: environment steps to learn for unless the config says otherwise.
        reference_seconds: s, length of a reference unless the config says otherwise. Who walks on two legs moves its
            weight for most of a second before the first step.
    """

    name: str
    prompt_name: str
    root: str
    torso: str
    actuators: tuple[Actuator, ...]
    standing_pose: Mapping[str, float]
    standing_height: float
    feet: tuple[str, ...]
    camera: Camera
    fall: FallLimits
    control_hz: float = 100.0
    reference_seconds: float = 2.5
    learning_steps: int = 80_000


@runtime_checkable
class Scene(Protocol):
    """What a generator with the capability ``needs_scene`` may use to draw the video itself.

    Attributes:
        spec: the robot as data.
        model: ``mujoco.MjModel`` with the robot, the floor and its actuators; position and velocity indices as usual.
        standing_qpos: float64 (nq,), the settled standing pose: the pose of the first frame.
    """

    @property
    def spec(self) -> RobotSpec: ...

    @property
    def model(self) -> Any: ...

    @property
    def standing_qpos(self) -> Doubles: ...

    def render(self, qpos: Doubles, progress: Progress = no_progress) -> tuple[Frames, Masks]:
        """Draw poses with the follow camera, robot only on black.

        Args:
            qpos: float64 (T, nq).
            progress: called after every frame.

        Returns:
            frames uint8 (T, S, S, 3) and masks bool (T, S, S), S the run's render size.
        """
        ...


@dataclass(frozen=True)
class GenerationRequest:
    """What a generator is asked for.

    Attributes:
        prompt: the whole sentence: the user's, else equation 1 of the paper, in the card's template if it has one.
        skill: the verb alone, e.g. ``walking``.
        first_frame: uint8 (S, S, 3), the robot standing on ``background``. For generators that draw the scene at the
            run's render size, for others at ``video.first_frame_size``; :func:`nil_core.api.letterbox` brings it to
            the size that a model wants.
        first_mask: bool (S, S) of the same frame.
        fps: frame rate wished for; a generator with a rate of its own says so in the video it returns.
        seconds: length wished for.
        seed: for generators that can be seeded.
        scene: only for generators with the capability ``needs_scene``.
        negative_prompt: what the video shall not show; empty, or for generators that cannot take one, to be ignored.
        background: the color around the robot.
    """

    prompt: str
    skill: str
    first_frame: Frames
    first_mask: Masks
    fps: float
    seconds: float
    seed: int
    scene: Scene | None = None
    negative_prompt: str = ""
    background: Color = BLACK


@runtime_checkable
class StateObserver(Protocol):
    """Those terms of an observation that depend on positions and velocities alone.

    Attributes:
        columns: int64 (s,), which entries of an observation they are.
    """

    @property
    def columns(self) -> npt.NDArray[np.int64]: ...

    def __call__(self, qpos: Doubles, qvel: Doubles) -> Floats:
        """Those entries of the observation in B states.

        Args:
            qpos, qvel: float64 (B, nq) and (B, nv).

        Returns:
            float32 (B, s).
        """
        ...


@dataclass(frozen=True)
class AgentSpec:
    """What an agent must know of the environments it will act in.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action; every entry lies in [-1, 1].
        num_envs: N, how many environments act at once.
        horizon: control steps in a full episode.
        total_steps: environment steps the run was asked for (schedules may use it; a resumed run may ask for more).
        seed: seeds everything random in the agent.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...
        layout: where each term of the observation lies: ``layout["preview"]`` is a slice of a row. Terms are those of
            docs/observation.md that are switched on, and of a task the names it gives its observations; empty where
            nobody named them.
        scene: the robot and its model; None for a task that is no robot.
        control_hz: control steps per second; None for a task.
        observe_states: observes states from elsewhere, such as recordings, as the environments do. None for a task, and
            where actions are relative to the motion of the reference (``motion.base``), so that the same action in the
            same state means something else at another time.
    """

    observation_size: int
    action_size: int
    num_envs: int
    horizon: int
    total_steps: int
    seed: int
    device: str = "cpu"
    layout: Mapping[str, slice] = field(default_factory=dict)
    scene: Scene | None = None
    control_hz: float | None = None
    observe_states: StateObserver | None = None


@dataclass(frozen=True)
class Transitions:
    """A batch of B transitions, tick by tick as the ticks ended.

    Attributes:
        observations: float32 (B, obs).
        actions: float32 (B, act), as acted, in [-1, 1].
        rewards: float32 (B,).
        next_observations: float32 (B, obs); at an episode's end the observation before the reset.
        terminations: bool (B,): the robot fell; the value beyond is 0.
        truncations: bool (B,): the time limit was reached; the value beyond is bootstrapped.
        envs: int32 (B,), the environment of each; those of one environment are in the order in which they happened.
            None where nobody said: tasks of others need not.
    """

    observations: Floats
    actions: Floats
    rewards: Floats
    next_observations: Floats
    terminations: Flags
    truncations: Flags
    envs: Indices | None = None

    def __len__(self) -> int:
        return len(self.rewards)


@dataclass(frozen=True)
class Motion:
    """The motion of the robot in a reference, in joint space. Row t belongs to time t / tick_hz.

    Attributes:
        qpos: float64 (T, nq), root first; x = y = 0 in row 0.
        source: ``video`` if it was recovered from frames and masks, ``generator`` if the generator drew it,
            ``demonstrations`` if it was demonstrated.
        trusted: whether it may be built upon; the report says why not.
        report: JSON values: how well it explains the video, see docs/motion.md.
    """

    qpos: Doubles
    source: Literal["video", "generator", "demonstrations"]
    trusted: bool = True
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """The video to imitate, at the tick rate, ready for the reward. Row t belongs to time t / tick_hz.

    Attributes:
        frames: uint8 (T, S, S, 3), robot on black, at the render size.
        masks: bool (T, S, S).
        embeddings: float32 (T, D), of the paper's clip window that ends at t.
        features: float32 (T, F), what a single moment looks like to the encoder: frame features of a frame-wise
            encoder, else the clip embeddings. The preview in the observation is made of these.
        tick_hz: rate of the rows.
        target_speed: m/s the reference travels, if its source knows; for metrics only.
        trajectory: float64 (T, nq) when the source knows it; for metrics only.
        motion: the motion that a run may build upon; None where none was recovered.
        box_lags: float64 (T, 3), left, top and side in pixels: how far the squares that ``video.framing=box`` shows
            lie from the robot's own, because they follow it smoothly; None where the whole picture is shown.
        provenance: JSON values: where every part came from.
    """

    frames: Frames
    masks: Masks
    embeddings: Floats
    features: Floats
    tick_hz: float
    target_speed: float | None = None
    trajectory: Doubles | None = None
    motion: Motion | None = None
    box_lags: Doubles | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Ticks in an episode: every row after the first, which is the start."""
        return len(self.frames) - 1


@dataclass(frozen=True)
class RewardSpec:
    """What a reward must know of the run it serves.

    Attributes:
        reference: at the tick rate and render size.
        num_envs: N, how many environments act at once.
        framing: ``whole`` or ``box``: how the reference's pictures are framed, and so the rollout's.
        embedder: gives the chosen encoder as a :class:`nil_core.video.clips.ClipEmbedder`; not called by a reward that
            needs no embeddings.
        seed: for rewards that learn.
        device: where torch works, for rewards that learn.
        scene: the robot's, for rewards that look at its states; None where no robot is simulated.
        steps_per_tick: control steps of a whole tick; only that of a fall may have fewer.
    """

    reference: Reference
    num_envs: int
    framing: str
    embedder: Callable[[], Any]
    seed: int = 0
    device: str = "cpu"
    scene: Scene | None = None
    steps_per_tick: int = 1
