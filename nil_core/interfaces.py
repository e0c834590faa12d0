"""The six plugin interfaces. A plugin implements one of them, has a card, and names the card in an entry point.

The interfaces are protocols: no base class is needed. Arrays that cross an interface are numpy arrays, whatever the
implementation uses. Raise :class:`nil_core.errors.NilError` (or a subclass) with a hint for every error that the user
can fix. Messages of level INFO below the logger ``nil.plugins`` are shown in the terminal; warnings of all loggers are.

A complete plugin, in two files and one table of ``pyproject.toml``::

    # src/my_plugin/__init__.py
    from nil_core.api import Capability, ComponentCard, Options

    class MeanColorOptions(Options):
        scale: float = 1.0

    CARD = ComponentCard(
        kind="encoder",
        summary="Mean color of every frame.",
        target="my_plugin.encoder:MeanColor",
        config=MeanColorOptions,
        capabilities=frozenset({Capability.OFFLINE}),
    )

    # src/my_plugin/encoder.py
    class MeanColor:
        clip_length, frame_size = 8, 64

        def __init__(self, options):
            self.scale = options.scale

        def encode(self, clips):
            return (clips.mean(axis=(2, 3)) * self.scale).reshape(len(clips), -1).astype("float32")

    # pyproject.toml
    [project.entry-points."nil.encoders"]
    mean-color = "my_plugin:CARD"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nil_core.payment import Estimate
from nil_core.tick import Arrays, Tick
from nil_core.types import (
    Floats,
    Frames,
    GenerationRequest,
    Masks,
    Progress,
    RobotSpec,
    Transitions,
    Video,
    no_progress,
)


@runtime_checkable
class VideoGenerator(Protocol):
    """Turns a first frame and a prompt into a video (generator D of the paper, section 3.1).

    Built as ``target(options)``.
    """

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Make the video.

        Args:
            request: prompt, first frame, wished rate and length. With the capability ``needs_scene`` it carries the
                scene, and the generator draws the robot itself.
            progress: call it as ``progress(done, total, what)`` while working.

        Returns:
            frames of any size and rate; the core aligns them to the tick rate and to the render size. The first frame
            should show the robot as ``request.first_frame`` does.

        Raises:
            ConfigError: the skill or an option is unknown; the message names the known ones.
            DataError: the source cannot be read.
        """
        ...


@runtime_checkable
class PaidGenerator(VideoGenerator, Protocol):
    """A generator with the capability ``paid``: before ``generate`` is called, the core asks for the price and then the
    user for consent. ``nil_core.hosted`` implements both methods."""

    def estimate(self, request: GenerationRequest) -> Estimate:
        """What ``generate`` would spend on this request now: 0 if it is already paid. Spends nothing itself.

        Raises:
            ConfigError: no key, or a request that the service cannot take; raised before consent is asked for.
        """
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Finds the robot in each frame of the reference (SAM 2 in the paper). Built as ``target(options)``."""

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks of a whole video.

        Args:
            video: at its own size and rate.
            first_mask: bool (H, W), the robot in frame 0 of the rendered first frame, resized to the video's size.
            progress: call it as ``progress(done, total, what)`` while working.

        Returns:
            bool (T, H, W), true where the robot is.

        Raises:
            DataError: no robot can be distinguished from the background.
        """
        ...


@runtime_checkable
class VideoEncoder(Protocol):
    """Turns a clip into a vector (TimeSformer in the paper, section 3.2). Built as ``target(options)``.

    Attributes:
        clip_length: L, frames in a clip; the paper's is 8.
        frame_size: S, side of its square input frames; the core renders and resizes to it.
    """

    clip_length: int
    frame_size: int

    def encode(self, clips: Frames) -> Floats:
        """Embed a batch of clips.

        Args:
            clips: uint8 (B, L, S, S, 3), robot on black.

        Returns:
            float32 (B, D); D is the same for every call. Deterministic: the same clip gives the same embedding,
            alone or in a batch, up to rounding.
        """
        ...


@runtime_checkable
class FrameWiseEncoder(VideoEncoder, Protocol):
    """An encoder with the capability ``frame_wise``: ``encode(clips)`` equals the concatenation over the clip of
    ``encode_frames``. Overlapping clips then cost one frame a tick instead of L."""

    def encode_frames(self, frames: Frames) -> Floats:
        """Features of single frames: uint8 (B, S, S, 3) to float32 (B, F), with D = L * F."""
        ...


@runtime_checkable
class Robot(Protocol):
    """A robot: its data, and the model that the data refers to. Built as ``target(options)``.

    Attributes:
        spec: the embodiment as data.
    """

    spec: RobotSpec

    def build(self) -> Any:
        """The robot alone, as an uncompiled ``mujoco.MjSpec``.

        One free joint on ``spec.root``; visual geoms in group 2, colliders in group 3, colliding with the floor
        (contype 0, conaffinity 1 where self-contact is off). Floor, light, camera and actuators are the core's.
        A new object at every call.

        Raises:
            DataError: the model's files are missing or unreadable; the hint installs them.
        """
        ...


@runtime_checkable
class Agent(Protocol):
    """A learning algorithm, in any framework. Built as ``target(options, setting)``.

    The loop calls, for every control step of N environments: ``act``, then ``observe`` with the transitions whose
    reward became known, then ``update``. Rewards become known one or more actions later: an on-policy algorithm stores
    what it needs of the policy in ``act``, and joins it to the transition by ``Transitions.envs``.

    All random numbers must derive from ``setting.seed``, and their state must be part of ``save``: a resumed run equals
    an uninterrupted one to the byte. An agent that cannot do this, because it wraps a library that does not expose its
    random state, has the capability ``inexact_resume``: it saves its policy, and training continues without that
    guarantee.
    """

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Actions for a batch of observations.

        Args:
            observations: float32 (N, obs).
            explore: true in training (sample), false in evaluation (the mode).

        Returns:
            float32 (N, act) in [-1, 1].
        """
        ...

    def observe(self, transitions: Transitions) -> None:
        """Store transitions; the agent keeps its own replay buffer."""
        ...

    def update(self, steps: int) -> Mapping[str, float]:
        """Learn.

        Args:
            steps: environment steps since the last call; the agent's replay ratio says how many gradient steps
                that means. Does nothing while too few transitions are stored.

        Returns:
            scalars to log (losses, temperature ...), averaged over the gradient steps; empty if none was made.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything needed to resume exactly into an empty folder: networks, targets, optimizers, replay
        buffer, random state. No pickle: safetensors, npz, JSON.

        Large data that only learning needs goes into files named ``replay*``: the best policy is stored and loaded
        without them.
        """
        ...

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote; without the files ``replay*`` it must still act like the saved one.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        ...


@runtime_checkable
class ExportingAgent(Agent, Protocol):
    """An agent with the capability ``exports``: ``nil export`` can write its policy as a file."""

    def network(self) -> Any:
        """What ``act(observations, explore=False)`` computes, as a ``torch.nn.Module``.

        Returns:
            float32 (B, obs), as the environment gives it, to float32 (B, act) in [-1, 1]: all scaling inside. It must
            be traceable by torch: tensors in and out, no branch that depends on their values.
        """
        ...


@dataclass(frozen=True)
class TermRow:
    """A row of the table that shows the terms of a reward.

    Attributes:
        symbol, name: of the term.
        weight: what its value is multiplied with.
        unit: of its value, or how it is scaled.
    """

    symbol: str
    name: str
    weight: float
    unit: str


@runtime_checkable
class Reward(Protocol):
    """The reward, one value per tick. Built as ``target(options, spec)``, a ``RewardSpec``.

    Attributes:
        needs: of ``frames``, ``masks``, ``embeddings``: frames and masks are rendered only if one is needed.
        state_terms: :class:`nil_core.reward.terms.RewardTerm` of needs ``state``: the simulation computes them after
            every control step, and ticks carry their values.
    """

    @property
    def needs(self) -> frozenset[Any]: ...

    @property
    def state_terms(self) -> tuple[Any, ...]: ...

    def rows(self) -> Sequence[TermRow]:
        """Its terms, for the table shown before training."""
        ...

    def score(self, ticks: Sequence[Tick]) -> None:
        """Set ``reward``, and optionally ``terms`` and ``terminal_value``, of ticks.

        Args:
            ticks: finished ticks and beginnings of episodes (``tick.begins``, which get no reward), in the order they
                happened in each environment. Ticks come in batches of any size; the values must not depend on it.

        A reward that is not finite ends the run; the state before this call is saved for inspection.
        """
        ...

    def state(self) -> Arrays:
        """Its state for checkpoints, as arrays: resumed runs repeat uninterrupted ones exactly."""
        ...

    def restore(self, state: Arrays) -> None:
        """Restore a saved :meth:`state`."""
        ...


@runtime_checkable
class LearnedReward(Reward, Protocol):
    """A reward with the capability ``learns``: it changes while the agent learns, as a discriminator does.

    In training, every ``score`` is followed by ``learn`` with the same ticks, after the agent learned from them. In
    evaluation the reward adopts what was learned, and only scores. Its ``state`` holds everything: what was learned,
    the optimizer, what it remembers of ticks, its random state.
    """

    def learn(self, ticks: Sequence[Tick]) -> Mapping[str, float]:
        """Learn from ticks.

        Args:
            ticks: those of the newest call of ``score``, scored.

        Returns:
            scalars to log, averaged over the gradient steps; empty if none was made. Those whose name ends with
            ``loss`` or ``score`` are shown while a run learns.
        """
        ...

    def learned(self) -> Arrays:
        """What ``score`` depends on beside the running episodes: parameters and statistics, as copies."""
        ...

    def adopt(self, learned: Arrays) -> None:
        """Score as the reward does that gave :meth:`learned`; running episodes are not touched.

        Raises:
            RunError: it is of a reward with other options, or of another robot.
        """
        ...


PROTOCOLS: Mapping[str, type] = {
    "generator": VideoGenerator,
    "encoder": VideoEncoder,
    "segmenter": Segmenter,
    "robot": Robot,
    "agent": Agent,
    "reward": Reward,
}
"""The protocol of each kind of plugin."""
