"""Observation terms. Built-in terms are switches of ``environment.observation``; third-party terms are named in
``environment.observation.terms``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from nil_core import entry_points
from nil_core.config import ObservationSettings
from nil_core.entry_points import Entry, broken, plugin_errors
from nil_core.errors import ConfigError
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Floats

VELOCITY_SCALE = 0.1  # scales joint velocities (rad/s) of walking robots to about 1
HEIGHT_SCALE = 10.0  # likewise for height differences of centimeters
TURN_SCALE = 0.25  # likewise for the angular velocity of the root, which turns slower than joints


@dataclass
class ObservationContext:
    """What a term may read in addition to the simulator's state. Terms must not write to it.

    Attributes:
        scene: the robot in its scene.
        root, torso: body ids.
        qpos_addresses, qvel_addresses: int (nu,), of the actuated joints, in the order of actions.
        home: float64 (nu,), rad, joint positions of the standing pose.
        control_steps: in a full episode.
        control_step: since the start of the reference.
        last_action: float64 (nu,), in [-1, 1]; zeros at the start of an episode.
        coming: float64 (P times the ticks shown,), the preview of the reference at this control step.
    """

    scene: RobotScene
    root: int
    torso: int
    qpos_addresses: Any
    qvel_addresses: Any
    home: Doubles
    control_steps: int
    control_step: int = 0
    last_action: Doubles = field(default_factory=lambda: np.zeros(0))
    coming: Doubles = field(default_factory=lambda: np.zeros(0))


Function = Callable[[mujoco.MjData, ObservationContext], Any]


@dataclass(frozen=True)
class ObservationTerm:
    """One term of the observation.

    Attributes:
        name: in the layout of observations, and in the metadata of exported policies.
        meaning: unit, scale and frame, for other programs that run an exported policy.
        function: ``function(data, context)`` returns finite numbers (n,), n always the same. ``data`` is the
            ``mujoco.MjData`` with up-to-date positions and velocities, ``context`` an :class:`ObservationContext`;
            both are read-only. It must depend on nothing else, so that a resumed run gets the same values.
        switch: the key of ``environment.observation`` that enables a built-in term; empty for third-party terms.
        of_state: whether it depends on positions and velocities alone, and on nothing of the context that changes.
    """

    name: str
    meaning: str
    function: Function
    switch: str = ""
    of_state: bool = False


def joint_positions(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(nu,) rad, minus the standing pose's."""
    return np.asarray(data.qpos[context.qpos_addresses] - context.home)


def joint_velocities(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(nu,) rad/s, scaled."""
    return np.asarray(data.qvel[context.qvel_addresses] * VELOCITY_SCALE)


def gravity(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(3,) unit vector in the torso's frame."""
    return np.asarray(-data.xmat[context.torso].reshape(3, 3)[2])


def angular_velocity(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(3,) rad/s in the root's frame, scaled."""
    return np.asarray(data.qvel[3:6] * TURN_SCALE)


def linear_velocity(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(3,) m/s in the root's frame."""
    return np.asarray(data.xmat[context.root].reshape(3, 3).T @ data.qvel[:3])


def height(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(1,) m above the standing pose, scaled."""
    return np.asarray((data.qpos[2:3] - context.scene.standing_qpos[2]) * HEIGHT_SCALE)


def heading(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(3,) sine and cosine of the yaw, sideways drift in m."""
    rotation = data.xmat[context.root].reshape(3, 3)
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.array([np.sin(yaw), np.cos(yaw), data.qpos[1]])


def last_action(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(nu,) in [-1, 1]."""
    return context.last_action


def phase(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(3,) elapsed share f of the reference, sin(pi f), cos(pi f)."""
    fraction = context.control_step / context.control_steps
    return np.array([fraction, np.sin(np.pi * fraction), np.cos(np.pi * fraction)])


def preview(data: mujoco.MjData, context: ObservationContext) -> Doubles:
    """(P times the ticks shown,)."""
    return context.coming


TERMS = (
    ObservationTerm("joint_positions", "rad, less the joint's home", joint_positions, "joints", of_state=True),
    ObservationTerm("joint_velocities", f"rad/s times {VELOCITY_SCALE:g}", joint_velocities, "joints", of_state=True),
    ObservationTerm("gravity", "the direction of gravity in the torso's frame", gravity, "gravity", of_state=True),
    ObservationTerm(
        "angular_velocity",
        f"of the root in its own frame, rad/s times {TURN_SCALE:g}",
        angular_velocity,
        "angular_velocity",
        of_state=True,
    ),
    ObservationTerm(
        "linear_velocity", "of the root in its own frame, m/s", linear_velocity, "linear_velocity", of_state=True
    ),
    ObservationTerm(
        "height", f"of the root above its stand, m times {HEIGHT_SCALE:g}", height, "height", of_state=True
    ),
    ObservationTerm(
        "heading", "sine and cosine of the root's yaw, and its sideways drift in m", heading, "heading", of_state=True
    ),
    ObservationTerm("last_action", "the action before, zeros at the start", last_action, "last_action"),
    ObservationTerm("phase", "f = control step / control steps, sin(pi f), cos(pi f)", phase, "phase"),
    ObservationTerm("preview", "the coming ticks of the reference, by control step", preview, "preview"),
)
"""The built-in terms, in the order of an observation; third-party terms follow."""


def third_party_term(name: str) -> ObservationTerm:
    """Load the term of an entry point; its values are checked at every call.

    Raises:
        ConfigError: there is none of that name.
        PluginError: it cannot be imported, or is no :class:`ObservationTerm`, or has the name of a built-in one.
    """
    entry = entry_points.find_observation_term(name)
    term = entry_points.load(entry)
    report = f"report it to the author of {entry.distribution}"
    if not isinstance(term, ObservationTerm):
        raise broken(entry, f"{entry.value} is no ObservationTerm but of type {type(term).__name__}", report)
    if term.name in {built_in.name for built_in in TERMS}:
        raise broken(entry, f"nil has a built-in term {term.name!r}", report)
    return ObservationTerm(term.name, term.meaning, _CheckedFunction(entry, term.function), of_state=term.of_state)


@dataclass
class _CheckedFunction:
    """Wrapper of a third-party function that checks that it returns finite numbers (n,) with constant n."""

    entry: Entry
    function: Function
    size: int = 0

    def __call__(self, data: mujoco.MjData, context: ObservationContext) -> Doubles:
        with plugin_errors(self.entry, "it failed"):
            value = np.asarray(self.function(data, context), np.float64)
        self.size = self.size or value.size
        if value.shape != (self.size,) or not value.size or not np.isfinite(value).all():
            got = f"an array {value.shape}" if np.isfinite(value).all() else f"{value}"
            why = f"it must give finite numbers ({self.size or 'n'},), and gives {got}"
            raise broken(self.entry, why, f"report it to the author of {self.entry.distribution}")
        return value


class Observer:
    """Computes observations for any number of environments of one scene.

    Args:
        scene: of the environments.
        settings: which terms are enabled.
        ticks: ticks in a full episode.
        control_steps: control steps in a full episode.
        preview: float32 (ticks + 1, P), preview of the reference at each tick; (ticks + 1, 0) for none.

    Attributes:
        size: of an observation.
        layout: term to its slice of an observation, in order.
        state_layout: the same of terms that depend on positions and velocities alone.
        meanings: term to the meaning of its numbers.

    Raises:
        ConfigError, PluginError: a third-party term is missing or fails.
    """

    def __init__(
        self, scene: RobotScene, settings: ObservationSettings, ticks: int, control_steps: int, preview: Floats
    ) -> None:
        model, spec = scene.model, scene.spec
        joints = DrivenJoints.of(model, spec)
        self.qpos_addresses, self.qvel_addresses = joints.qpos, joints.qvel
        self.root, self.torso = model.body(spec.root).id, model.body(spec.torso).id
        self._coming = _coming_rows(preview, settings.preview, ticks)
        self._ticks, self._control_steps = ticks, control_steps
        self._context = ObservationContext(
            scene=scene,
            root=self.root,
            torso=self.torso,
            qpos_addresses=self.qpos_addresses,
            qvel_addresses=self.qvel_addresses,
            home=scene.standing_qpos[self.qpos_addresses],
            control_steps=control_steps,
        )
        self._terms = [term for term in TERMS if getattr(settings, term.switch)]
        self._terms += [third_party_term(name) for name in settings.terms]
        first = self._values(_at_rest(scene), np.zeros(model.nu), 0)
        sizes = {term.name: len(value) for term, value in zip(self._terms, first, strict=True)}
        if len(sizes) < len(first):
            names = [term.name for term in self._terms]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(
                f"two observation terms are called {twice!r}", "leave one out of environment.observation.terms"
            )
        ends = np.cumsum(list(sizes.values()))
        spans = {name: slice(int(end) - sizes[name], int(end)) for name, end in zip(sizes, ends, strict=True)}
        self.layout = {name: span for name, span in spans.items() if sizes[name]}  # a preview may be empty
        self.state_layout = {term.name: spans[term.name] for term in self._terms if term.of_state}
        self.meanings = {term.name: term.meaning for term in self._terms}
        self.size = int(ends[-1])

    def observe(self, data: mujoco.MjData, last_action: Doubles, control_step: int) -> Floats:
        """One observation, float32 (size,).

        Args:
            data: with up-to-date positions and velocities.
            last_action: (nu,), zeros at the start of an episode.
            control_step: control steps since the start of the episode.
        """
        return np.concatenate(self._values(data, last_action, control_step)).astype(np.float32)

    def coming(self, control_step: int) -> Doubles:
        """Values of the term ``preview`` at a control step, (P times the ticks shown,)."""
        row: Doubles = self._coming[control_step * self._ticks // self._control_steps]
        return row

    def _values(self, data: mujoco.MjData, last_action: Doubles, control_step: int) -> list[Doubles]:
        """Values of the enabled terms, in order."""
        context = self._context
        context.last_action, context.control_step = last_action, control_step
        context.coming = self.coming(control_step)
        return [term.function(data, context) for term in self._terms]


class ObservedStates:
    """See :class:`nil_core.types.StateObserver`.

    Args:
        scene, observer: of the environments.
    """

    def __init__(self, scene: RobotScene, observer: Observer) -> None:
        self._scene, self._observer = scene, observer
        entries = [np.arange(span.start, span.stop) for span in observer.state_layout.values()]
        self.columns: npt.NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *entries])

    def __call__(self, qpos: Doubles, qvel: Doubles) -> Floats:
        """See :class:`nil_core.types.StateObserver`."""
        model = self._scene.model
        data, action = mujoco.MjData(model), np.zeros(model.nu)
        rows = np.zeros((len(qpos), len(self.columns)), np.float32)
        for row, positions, velocities in zip(rows, qpos, qvel, strict=True):
            data.qpos[:], data.qvel[:] = positions, velocities
            mujoco.mj_step1(model, data)  # what is known in an environment after a control step, see environment.py
            row[:] = self._observer.observe(data, action, 0)[self.columns]
        return rows


def _coming_rows(preview: Floats, ahead: int, ticks: int) -> Doubles:
    """Row t: the preview's rows t + 1 ... t + ahead side by side; the last row is repeated at the end."""
    if not ahead:
        return np.zeros((ticks + 1, 0))
    rows = np.minimum(np.arange(ticks + 1)[:, None] + 1 + np.arange(ahead), ticks)
    coming: Doubles = preview[rows].reshape(ticks + 1, -1).astype(np.float64)
    return coming


def _at_rest(scene: RobotScene) -> mujoco.MjData:
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_forward(scene.model, data)
    return data
