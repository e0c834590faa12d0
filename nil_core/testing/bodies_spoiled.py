"""Robots as video generators draw them: limbs that change their shape or vanish, and feet that slide."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from nil_core.errors import DataError
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Video

REDRAWN = ("feet_slide", "limb_length", "limb_thickness", "limb_vanishes")

LEVELS = np.linspace(-1, 1, 7)  # a limb's shape changes in steps: a model each
STRETCH, SWELL = 0.3, 0.6  # at strength 1
UNSEEN_GROUP = 5


def redraw(
    video: Video, scene: RobotScene, strengths: Mapping[str, float], randoms: Mapping[str, np.random.Generator]
) -> Video:
    """The video drawn anew with another body or another motion.

    ``feet_slide`` lets the joints swing about the stand by down to half of what they did, while the root travels as
    before. ``limb_length`` and ``limb_thickness`` let one limb grow and shrink (30 % and 60 %) in waves.
    ``limb_vanishes`` takes a limb, with all that hangs on it, away for up to a third of the frames, never the first.

    Args:
        video: with its trajectory.
        scene: draws it; meshes that several bodies share (not in scenes with simplified ones) change for all of them.
        strengths: of the kinds in :data:`REDRAWN`, above 0.
        randoms: source of random numbers for each of them.

    Raises:
        DataError: the robot has no limbs.
    """
    assert video.trajectory is not None
    poses, count = video.trajectory.copy(), len(video.trajectory)
    if strength := strengths.get("feet_slide"):
        joints = DrivenJoints.of(scene.model, scene.spec).qpos
        stand = scene.standing_qpos[joints]
        poses[:, joints] = stand + (1 - strength / 2) * (poses[:, joints] - stand)
    waves: dict[str, tuple[int, np.ndarray]] = {}
    for kind in ("limb_length", "limb_thickness"):
        if kind in strengths:
            body = int(randoms[kind].choice(_limbs(scene)))
            phase = randoms[kind].uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * np.arange(count) / 25 + phase) - np.sin(phase)  # the first frame is true
            waves[kind] = body, np.abs(LEVELS - np.clip(wave, -1, 1)[:, None]).argmin(1)
    hidden, gone = np.zeros(count, np.int64), -1
    if strength := strengths.get("limb_vanishes"):
        random = randoms["limb_vanishes"]
        gone, length = int(random.choice(_limbs(scene))), max(round(strength * count / 3), 1)
        first = 1 + int(random.integers(max(count - length, 1)))
        hidden[first : first + length] = 1
    states = np.stack([hidden, *(levels for _, levels in waves.values())], axis=1)
    frames, masks = np.empty_like(video.frames[:0]), None
    drawn: list[tuple[np.ndarray, Any, Any]] = []
    for state in np.unique(states, axis=0):
        model = copy.deepcopy(scene.model)
        for (kind, (body, _)), level in zip(waves.items(), state[1:], strict=True):
            _reshape(model, body, kind, LEVELS[level] * strengths[kind])
        if state[0]:
            model.geom_group[np.isin(model.geom_bodyid, _below(model, gone))] = UNSEEN_GROUP
        rows = np.flatnonzero((states == state).all(1))
        drawn.append((rows, *replace(scene, model=model).render(poses[rows])))
    size = drawn[0][1].shape[1]
    frames = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), np.bool_)
    for rows, some_frames, some_masks in drawn:
        frames[rows], masks[rows] = some_frames, some_masks
    return replace(video, frames=frames, masks=masks, trajectory=poses)


def _limbs(scene: RobotScene) -> Doubles:
    """Bodies that a driven joint moves, that are seen, and from which another body hangs at some distance."""
    model = scene.model
    trunk = {model.body(scene.spec.root).id, model.body(scene.spec.torso).id}
    limbs = [
        body
        for body in sorted({int(model.joint(a.joint).bodyid[0]) for a in scene.spec.actuators} - trunk)
        if _axis(model, body) is not None and ((model.geom_bodyid == body) & (model.geom_group == 2)).any()
    ]
    if not limbs:
        raise DataError(f"{scene.spec.name} has no limbs that could be changed")
    return np.array(limbs)


def _axis(model: mujoco.MjModel, body: int) -> Doubles | None:
    """Unit vector along a limb: towards the farthest of the bodies that hang from it, if that is beyond 5 cm."""
    children = np.flatnonzero(model.body_parentid == body)
    if not len(children):
        return None
    places = model.body_pos[children]
    lengths = np.linalg.norm(places, axis=1)
    return places[lengths.argmax()] / lengths.max() if lengths.max() > 0.05 else None


def _below(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all that hang from it; parents come before their children in a model."""
    found = [body]
    for other in range(body + 1, model.nbody):
        if model.body_parentid[other] in found:
            found.append(other)
    return found


def _reshape(model: mujoco.MjModel, body: int, kind: str, amount: float) -> None:
    """Stretch a limb along itself, and move what hangs from it, or swell it across."""
    axis = _axis(model, body)
    assert axis is not None
    along = np.outer(axis, axis)
    if kind == "limb_length":
        change = np.eye(3) + STRETCH * amount * along
        for child in np.flatnonzero(model.body_parentid == body):
            model.body_pos[child] = change @ model.body_pos[child]
    else:
        change = np.eye(3) + SWELL * amount * (np.eye(3) - along)
    for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_group == 2)):
        rotation, place = np.empty(9), model.geom_pos[geom].copy()
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        turn = rotation.reshape(3, 3)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.geom_dataid[geom]
            rows = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
            points = model.mesh_vert[rows] @ turn.T + place
            model.mesh_vert[rows] = (points @ change.T - place) @ turn
        else:
            scale = np.diag(turn.T @ change @ turn)
            if model.geom_type[geom] in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
                scale = np.array([scale[:2].mean(), scale[2], 1])  # their sizes are radius and half length, along z
            model.geom_size[geom] *= scale
            model.geom_pos[geom] = change @ place
