"""The contract of a robot."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.interfaces import Robot


def check_robot(robot: Robot) -> None:
    """Whether the model has what the spec names, is built as the core expects it, and stands on its feet."""
    assert isinstance(robot, Robot), "a robot has spec and build()"
    spec = robot.spec
    draft = robot.build()
    assert isinstance(draft, mujoco.MjSpec), f"build() gives an uncompiled mujoco.MjSpec, not {type(draft).__name__}"
    assert robot.build() is not draft, "build() gives a new MjSpec at every call"
    model = draft.compile()
    assert model.nu == 0, "actuators are the core's"
    assert not (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE).any(), "the floor is the core's"
    _check_joints(robot, model)
    _check_geoms(robot, model)
    _check_stand(robot, model)
    assert spec.camera.distance > 0 and spec.control_hz > 0, "distance and control rate are positive"
    assert spec.name and spec.prompt_name, "a robot has a name, and one for the prompt"


def _check_joints(robot: Robot, model: mujoco.MjModel) -> None:
    spec = robot.spec
    joints = {model.joint(i).name: model.joint(i) for i in range(model.njnt)}
    free = [joint for joint in joints.values() if joint.type[0] == mujoco.mjtJoint.mjJNT_FREE]
    assert len(free) == 1, f"one free joint, not {len(free)}"
    assert model.body(free[0].bodyid[0]).name == spec.root, f"the free joint is on the root {spec.root!r}"
    assert spec.torso in {model.body(i).name for i in range(model.nbody)}, f"no body is the torso {spec.torso!r}"
    driven = [actuator.joint for actuator in spec.actuators]
    assert driven and len(set(driven)) == len(driven), "every driven joint has one actuator"
    for actuator in spec.actuators:
        assert actuator.joint in joints, f"no joint is called {actuator.joint!r}"
        hinge = joints[actuator.joint].type[0] == mujoco.mjtJoint.mjJNT_HINGE
        assert hinge, f"the driven joint {actuator.joint!r} is a hinge"
        positive = min(actuator.torque_limit, actuator.kp, actuator.action_range) > 0 <= actuator.kd
        assert positive, f"torque limit, gains and action range of {actuator.joint!r} are positive"
    for name, angle in spec.standing_pose.items():
        assert name in joints, f"the standing pose names no joint {name!r}"
        low, high = joints[name].range
        limited = joints[name].limited[0]
        assert not limited or low <= angle <= high, f"{name!r} cannot stand at {angle}: its range is {low} to {high}"


def _check_geoms(robot: Robot, model: mujoco.MjModel) -> None:
    visual, collider = model.geom_group == 2, model.geom_group == 3
    assert visual.any(), "visual geoms are in group 2"
    assert (visual | collider).all(), "every geom is in group 2 (visual) or 3 (collider)"
    touches = (model.geom_contype | model.geom_conaffinity) != 0
    assert not touches[visual].any(), "visual geoms have contype 0 and conaffinity 0"
    assert (model.geom_conaffinity[collider] & 1).all(), "colliders meet the floor: conaffinity has bit 1"
    geoms = [model.geom(i).name for i in range(model.ngeom)]
    assert robot.spec.feet, "a robot names its foot geoms"
    for foot in robot.spec.feet:
        assert foot in geoms, f"no geom is the foot {foot!r}"
        assert collider[geoms.index(foot)], f"the foot {foot!r} is a collider"


def _check_stand(robot: Robot, model: mujoco.MjModel) -> None:
    spec = robot.spec
    assert spec.fall.min_height < spec.standing_height, "standing is higher than fallen"
    data = mujoco.MjData(model)
    for name, angle in spec.standing_pose.items():
        data.joint(name).qpos[0] = angle
    data.qpos[:7] = (0, 0, spec.standing_height, 1, 0, 0, 0)
    mujoco.mj_kinematics(model, data)
    heights = np.array([data.geom(foot).xpos[2] for foot in spec.feet])
    assert heights.max() < 0.15, f"in the standing pose a foot is {heights.max():.2f} m above the floor"
    assert heights.min() > -0.03, f"in the standing pose a foot is {-heights.min():.2f} m under the floor"
    assert model.body_subtreemass[0] > 0, "a robot has mass"
