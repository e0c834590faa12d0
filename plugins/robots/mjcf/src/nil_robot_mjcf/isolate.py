"""Removes everything from a model that is not the robot: floors, props, lights, cameras, sensors, actuators."""

from __future__ import annotations

import logging
import shlex
import warnings

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import DataError, Doubles
from nil_robot_mjcf.skins import replace_skins

# MuJoCo says so at every later compile, twice. Names stay as they are: that is the point, and nothing saves them.
EMPTY_PREFIX = "Attaching a spec with an empty prefix"
warnings.filterwarnings("ignore", message=EMPTY_PREFIX)
logging.getLogger("absl").addFilter(lambda record: EMPTY_PREFIX not in record.getMessage())

UPRIGHT = 0.1  # rad; a root this far from the vertical gets an upright frame of its own
IDENTITY = (1.0, 0.0, 0.0, 0.0)
PLANE = 2  # directions
UNSEEN_GROUP = 5


def find_root(model: mujoco.MjModel, wanted: str | None) -> str:
    """Name of the body that floats and has hinges below it; balls and boxes that float have none.

    Raises:
        DataError: there is none, or there are several and none is chosen.
    """
    hinged = set(model.body_rootid[model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE]].tolist())
    floating = model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE].tolist()
    roots = [model.body(body).name for body in floating if body in hinged]
    if not roots:
        raise _no_root(model, sorted(hinged - {0}))
    if wanted is None and len(roots) > 1:
        raise DataError(
            f"the model holds {len(roots)} robots: {', '.join(roots)}", f"choose one: --set {_root(roots[0])}"
        )
    if wanted is not None and wanted not in roots:
        raise DataError(
            f"no robot has the root {wanted!r}", f"--set {_root(roots[0])}; with a free joint: {', '.join(roots)}"
        )
    return wanted or roots[0]


def _root(name: str) -> str:
    return shlex.quote(f"robot.root={name}")


def _no_root(model: mujoco.MjModel, hinged: list[int]) -> DataError:
    """What is wrong with a model in which no body with hinges floats."""
    for body in hinged:
        first = model.body_jntadr[body]
        joints = range(first, first + model.body_jntnum[body])
        slides = sum(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE for joint in joints)
        name, names = model.body(body).name, ", ".join(model.joint(joint).name for joint in joints)
        if slides > PLANE:
            return DataError(
                f"the root {name} of the robot is on the joints {names}, not on a free joint",
                "replace them by <freejoint/> in the file",
            )
        if slides:
            return DataError(
                f"the robot moves in a plane: its root {name} is held by {names}, not by a free joint",
                "nil's robots move in all directions: take a model with a free joint, which stands by itself",
            )
    fixed = [model.body(body).name for body in hinged if not model.body_jntnum[body]]
    if fixed:
        return DataError(
            f"the robot is fixed to the world by its root {fixed[0]}", f"--set {_root(fixed[0])} lets it float"
        )
    return DataError("the model has no legged robot on a free joint", "take a model with hinges below a floating body")


def tilt(quaternion: Doubles) -> float:
    """Angle (rad) between a frame's z axis and the vertical."""
    return float(np.arccos(np.clip(Rotation.from_quat(quaternion, scalar_first=True).as_matrix()[2, 2], -1, 1)))


def face_forward(quaternion: Doubles, heading: float) -> Doubles:
    """The orientation (4,), turned about the vertical so that what faced ``heading`` (rad) faces x."""
    turned = Rotation.from_euler("z", -heading) * Rotation.from_quat(quaternion, scalar_first=True)
    result: Doubles = turned.as_quat(scalar_first=True)
    return result


def isolate(spec: mujoco.MjSpec, root: str, orientation: Doubles) -> tuple[mujoco.MjSpec, str]:
    """Keep the robot alone, its root upright in the standing pose, and its skins as rigid meshes.

    Args:
        spec: everything in the file; used up.
        root: the body with the free joint.
        orientation: (4,) quaternion of the root in the standing pose. Where it is not (1, 0, 0, 0), because the root's
            own axes do not point forwards, left and up, the root becomes the child of a massless body whose axes do.

    Returns:
        the robot, and the name of the body with its free joint.
    """
    for part in (*spec.actuators, *spec.sensors, *spec.keys, *spec.lights, *spec.cameras, *spec.pairs):
        spec.delete(part)
    for body in spec.worldbody.bodies:
        if body.name != root:
            spec.delete(body)
    for part in (*spec.worldbody.geoms, *spec.worldbody.sites):
        spec.delete(part)
    for part in (*spec.sites, *spec.tendons):
        part.group = UNSEEN_GROUP
    if tuple(orientation) != IDENTITY:
        spec, root = _add_upright_root(spec, root, orientation)
    else:
        body = spec.body(root)
        body.pos, body.quat = (0, 0, 0), IDENTITY
        body.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
    replace_skins(spec)
    _delete_unused_materials(spec)
    return spec, root


def upright_name(body: str) -> str:
    """Name of the massless body with upright axes that belongs to a body."""
    return f"{body}_upright"


def add_upright_frame(spec: mujoco.MjSpec, body: str, orientation: Doubles) -> None:
    """Fix a massless body to ``body``, whose axes are the world's where ``body`` has quaternion ``orientation``."""
    inverse = Rotation.from_quat(orientation, scalar_first=True).inv().as_quat(scalar_first=True)
    spec.body(body).add_body(name=upright_name(body), quat=inverse)


def _add_upright_root(spec: mujoco.MjSpec, root: str, orientation: Doubles) -> tuple[mujoco.MjSpec, str]:
    body = spec.body(root)
    for joint in body.joints:
        spec.delete(joint)
    body.pos, body.quat = (0, 0, 0), orientation
    body.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
    upright = mujoco.MjSpec()
    upright.compiler.degree = spec.compiler.degree
    upright.assets = spec.assets
    parent = upright.worldbody.add_body(name=upright_name(root))
    parent.add_freejoint(name="root")
    parent.add_frame().attach_body(body, "", "")
    return upright, parent.name


def _delete_unused_materials(spec: mujoco.MjSpec) -> None:
    """Delete materials and textures that nothing of the robot uses: the core's floor brings its own of such names."""
    used = {part.material for part in (*spec.geoms, *spec.tendons, *spec.sites)}
    for material in spec.materials:
        if material.name not in used:
            spec.delete(material)
    shown = {name for material in spec.materials for name in material.textures}
    for texture in spec.textures:
        if texture.name not in shown:
            spec.delete(texture)
