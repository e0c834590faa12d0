"""What plugins return, checked where it enters the core; and what they raise, in one line that names them.

Each class stands in for a component of one kind and has the members of its interface in :mod:`nil_core.interfaces`;
everything else is the component's own. Checks look at types, shapes and dtypes, and at numbers only where they are few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.card import Kind
from nil_core.entry_points import Entry, one_line, plugin_errors
from nil_core.errors import NumericalError, PluginError
from nil_core.interfaces import LearnedReward, TermRow
from nil_core.measurements import Measurements
from nil_core.payment import Estimate
from nil_core.tick import Arrays, Tick
from nil_core.types import AgentSpec, Floats, Frames, GenerationRequest, Masks, Progress, RobotSpec, Transitions, Video

PICTURES = frozenset({"frames", "masks", "embeddings"})
"""What a reward may need."""


class CheckedComponent:
    """A component whose failures name it.

    Args:
        component: as it was constructed.
        entry: names it.

    Raises:
        PluginError: an attribute of its interface is not what it should be.
    """

    def __init__(self, component: Any, entry: Entry) -> None:
        self._component = component
        self._entry = entry
        self._check_attributes()

    def __getattr__(self, name: str) -> Any:
        if name == "_component" or name.startswith("__"):  # not there yet, or for copying
            raise AttributeError(name)
        return getattr(self._component, name)

    def _check_attributes(self) -> None:
        """Raise if an attribute of the interface is wrong."""

    def _call(self, method: str, *arguments: Any) -> Any:
        with plugin_errors(self._entry, f"{method}() failed", _hint(self._entry)):
            return getattr(self._component, method)(*arguments)

    def _attribute(self, name: str) -> Any:
        with plugin_errors(self._entry, f"{name} cannot be read"):
            return getattr(self._component, name)

    def _require(self, holds: bool, source: str, value: object, wanted: str) -> None:
        if not holds:
            entry = self._entry
            raise PluginError(
                f"{entry.kind} {entry.name} gave {described(value)}, not {wanted} "
                f"({source} of {entry.distribution} {entry.version})",
                f"report it to the author of {entry.distribution}",
            )


class CheckedGenerator(CheckedComponent):
    """A video generator."""

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """See :class:`nil_core.interfaces.VideoGenerator`; a ``Video`` has checked its own shapes."""
        video = self._call("generate", request, progress)
        self._require(isinstance(video, Video), "generate()", video, "a Video")
        path: Any = video.trajectory
        if path is not None:
            right = isinstance(path, np.ndarray) and path.ndim == 2 and bool(np.isfinite(path).all())
            self._require(right, "the trajectory of generate()", path, "finite numbers (T, nq)")
        return video  # type: ignore[no-any-return]

    def estimate(self, request: GenerationRequest) -> Estimate:
        """See :class:`nil_core.interfaces.PaidGenerator`."""
        estimate = self._call("estimate", request)
        self._require(isinstance(estimate, Estimate), "estimate()", estimate, "an Estimate")
        return estimate  # type: ignore[no-any-return]


class CheckedSegmenter(CheckedComponent):
    """A segmenter."""

    def segment(self, video: Video, first_mask: Masks, progress: Progress) -> Masks:
        """See :class:`nil_core.interfaces.Segmenter`."""
        masks = self._call("segment", video, first_mask, progress)
        shape = video.frames.shape[:3]
        self._require(_is_array(masks, np.bool_, shape), "segment()", masks, f"bool {shape}")
        return masks  # type: ignore[no-any-return]


class CheckedEncoder(CheckedComponent):
    """An encoder. Whether its numbers are finite shows in the reference's embeddings and in every reward."""

    def _check_attributes(self) -> None:
        self._sizes: dict[str, int] = {}
        for name in ("clip_length", "frame_size"):
            value = self._attribute(name)
            positive = isinstance(value, int | np.integer) and value > 0
            self._require(bool(positive), name, value, "a positive whole number")
            setattr(self, name, int(value))

    def encode(self, clips: Frames) -> Floats:
        """See :class:`nil_core.interfaces.VideoEncoder`."""
        return self._vectors("encode", clips)

    def encode_frames(self, frames: Frames) -> Floats:
        """See :class:`nil_core.interfaces.FrameWiseEncoder`."""
        return self._vectors("encode_frames", frames)

    def _vectors(self, method: str, pictures: Frames) -> Floats:
        vectors = self._call(method, pictures)
        size = self._sizes.get(method)
        if size is None and isinstance(vectors, np.ndarray) and vectors.ndim == 2:
            size = self._sizes[method] = vectors.shape[1]
        shape = (len(pictures), size or 0)
        right = bool(size) and _is_array(vectors, np.float32, shape)
        self._require(right, f"{method}()", vectors, f"float32 ({len(pictures)}, {size or 'D'})")
        return vectors  # type: ignore[no-any-return]


class CheckedRobot(CheckedComponent):
    """A robot. Whether its model has what its spec names is seen when the scene is composed."""

    spec: RobotSpec

    def _check_attributes(self) -> None:
        self.spec = self._attribute("spec")
        self._require(isinstance(self.spec, RobotSpec), "spec", self.spec, "a RobotSpec")

    def build(self) -> Any:
        """See :class:`nil_core.interfaces.Robot`."""
        import mujoco

        model = self._call("build")
        self._require(isinstance(model, mujoco.MjSpec), "build()", model, "an uncompiled mujoco.MjSpec")
        return model


class CheckedAgent(CheckedComponent):
    """An agent.

    Args:
        component, entry: as for every component.
        spec: what it was built for.
    """

    def __init__(self, component: Any, entry: Entry, spec: AgentSpec) -> None:
        super().__init__(component, entry)
        self._action_size = spec.action_size

    def act(self, observations: Floats, explore: bool) -> Floats:
        """See :class:`nil_core.interfaces.Agent`.

        Raises:
            NumericalError: an action is not finite.
        """
        actions = self._call("act", observations, explore)
        shape = (len(observations), self._action_size)
        self._require(_is_array(actions, np.float32, shape), "act()", actions, f"float32 {shape}")
        if not np.isfinite(actions).all():
            raise NumericalError(f"the agent {self._entry.name} gave actions that are not finite")
        return actions  # type: ignore[no-any-return]

    def observe(self, transitions: Transitions) -> None:
        """See :class:`nil_core.interfaces.Agent`."""
        self._call("observe", transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """See :class:`nil_core.interfaces.Agent`."""
        losses = self._call("update", steps)
        self._require(isinstance(losses, Mapping), "update()", losses, "a mapping of names to numbers")
        return losses  # type: ignore[no-any-return]

    def save(self, folder: Path) -> None:
        """See :class:`nil_core.interfaces.Agent`."""
        self._call("save", folder)

    def load(self, folder: Path) -> None:
        """See :class:`nil_core.interfaces.Agent`."""
        self._call("load", folder)

    def network(self) -> Any:
        """See :class:`nil_core.interfaces.ExportingAgent`."""
        return self._call("network")


class CheckedReward(CheckedComponent):
    """A reward. Whether what it wrote onto ticks is finite is checked by who collects them."""

    needs: frozenset[Any]
    state_terms: tuple[Any, ...]

    def _check_attributes(self) -> None:
        needs = self._attribute("needs")
        right = isinstance(needs, Set) and needs <= PICTURES
        self._require(right, "needs", needs, f"a set of {', '.join(sorted(PICTURES))}")
        terms = self._attribute("state_terms")
        right = isinstance(terms, Sequence) and all(callable(getattr(term, "function", None)) for term in terms)
        self._require(right, "state_terms", terms, "RewardTerm objects")
        self.needs, self.state_terms = frozenset(needs), tuple(terms)

    def rows(self) -> Sequence[TermRow]:
        """See :class:`nil_core.interfaces.Reward`."""
        rows = self._call("rows")
        right = isinstance(rows, Sequence) and all(isinstance(row, TermRow) for row in rows)
        self._require(right, "rows()", rows, "TermRow objects")
        return rows  # type: ignore[no-any-return]

    def score(self, ticks: Sequence[Tick]) -> None:
        """See :class:`nil_core.interfaces.Reward`."""
        self._call("score", ticks)

    def state(self) -> Arrays:
        """See :class:`nil_core.interfaces.Reward`."""
        return self._arrays("state")

    def _arrays(self, method: str) -> Arrays:
        arrays = self._call(method)
        right = isinstance(arrays, Mapping) and all(isinstance(value, np.ndarray) for value in arrays.values())
        self._require(right, f"{method}()", arrays, "a mapping of names to arrays")
        return arrays  # type: ignore[no-any-return]

    def restore(self, state: Arrays) -> None:
        """See :class:`nil_core.interfaces.Reward`."""
        self._call("restore", state)


class CheckedLearnedReward(CheckedReward):
    """A reward that learns."""

    def learn(self, ticks: Sequence[Tick]) -> Mapping[str, float]:
        """See :class:`nil_core.interfaces.LearnedReward`."""
        metrics = self._call("learn", ticks)
        self._require(isinstance(metrics, Mapping), "learn()", metrics, "a mapping of names to numbers")
        return metrics  # type: ignore[no-any-return]

    def learned(self) -> Arrays:
        """See :class:`nil_core.interfaces.LearnedReward`."""
        return self._arrays("learned")

    def adopt(self, learned: Arrays) -> None:
        """See :class:`nil_core.interfaces.LearnedReward`."""
        self._call("adopt", learned)


CLASSES: Mapping[Kind, type[CheckedComponent]] = {
    "generator": CheckedGenerator,
    "encoder": CheckedEncoder,
    "segmenter": CheckedSegmenter,
    "robot": CheckedRobot,
    "agent": CheckedAgent,
    "reward": CheckedReward,
}


def checked(kind: Kind, component: Any, entry: Entry, *args: Any) -> Any:
    """The stand-in for a component of a kind.

    Args:
        kind: which interface it has.
        component: as it was constructed.
        entry: names it.
        args: what it was constructed with, after its options.

    Raises:
        PluginError: an attribute of its interface is not what it should be.
    """
    if kind == "agent":
        return CheckedAgent(component, entry, *args)
    if isinstance(component, LearnedReward):
        return CheckedLearnedReward(component, entry)
    return CLASSES[kind](component, entry)


class CheckedTerm:
    """A third party's term of the reward; it crosses to simulation workers, so it must be importable by name.

    Args:
        function: of measurements, or of B rows of rollout and reference.
        entry: names it.
    """

    def __init__(self, function: Callable[..., Any], entry: Entry) -> None:
        self._function = function
        self._entry = entry

    def __call__(self, first: Any, *rest: Any) -> Any:
        """Its value: one number for each of what it was given.

        Raises:
            PluginError: it raised, or gave something else.
        """
        with plugin_errors(self._entry, "it cannot be computed", _hint(self._entry)):
            value = self._function(first, *rest)
            shape = np.shape(first.tilt)[:-1] if isinstance(first, Measurements) else (len(first),)
            if np.shape(value) != shape:
                raise ValueError(f"it gave numbers of shape {np.shape(value)}, not {shape}")
        return value


def described(value: object) -> str:
    """What a value is, shortly: dtype and shape of an array, else its type and text."""
    if isinstance(value, np.ndarray):
        finite = value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
        return f"{value.dtype} {value.shape}{'' if finite else ' with NaN or infinity'}"
    return f"{type(value).__name__} {one_line(repr(value), 60)}"


def _hint(entry: Entry) -> str:
    return f"NIL_DEBUG=1 shows where; report it to the author of {entry.distribution}"


def _is_array(value: object, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == shape
