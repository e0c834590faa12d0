"""What a robot's body must do in physics: stand, fall, move as its mirror image does, be seen."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from nil_core.sim.scene import RobotScene
from nil_core.testing.physics import mirror_actions, mirror_poses, roll_out, root_upright

STANDING_SECONDS, FALLING_SECONDS = 5.0, 3.0
DRIFT = 0.015  # m, of a robot that stands
LEAN = 0.03  # rad
MIRROR_STEPS, MIRROR_ERROR, LEAST_MOTION = 30, 0.01, 0.05  # control steps; m or rad; rad
DARKEST = 60  # of 255, mean of the robot's pixels


def check_stands(scene: RobotScene) -> None:
    """Whether the robot, held by its PD gains, stands for 5 s in its standing pose and on nothing but its feet.

    Args:
        scene: of :func:`nil_core.testing.robot_scene`, PD control.
    """
    spec, model = scene.spec, scene.model
    for joint, angle in spec.standing_pose.items():
        settled = scene.standing_qpos[model.joint(joint).qposadr[0]]
        assert abs(settled - angle) < 0.01, f"{joint} settles at {settled:.3f} rad, not at its {angle:.3f}"
    poses = roll_out(scene, np.zeros((round(STANDING_SECONDS * spec.control_hz), model.nu)))
    sunk = np.abs(poses[:, 2] - spec.standing_height).max()
    assert sunk < DRIFT, f"the root is {sunk:.3f} m off its standing height"
    lean = np.arccos(min(root_upright(scene, pose) for pose in poses))
    assert lean < LEAN, f"the root leans by {lean:.3f} rad"
    assert np.abs(poses[:, :2]).max() < DRIFT, f"it wanders to {np.round(poses[-1, :2], 3)}"
    data = mujoco.MjData(model)
    data.qpos[:] = poses[-1]
    mujoco.mj_forward(model, data)
    touching = {model.geom(geom).name for contact in data.contact for geom in contact.geom}
    strange = touching - set(spec.feet) - {"floor"}
    assert not strange, f"it stands on {', '.join(sorted(strange))}"


def check_falls(scene: RobotScene) -> None:
    """Whether the robot lies on the floor after 3 s without torque.

    Args:
        scene: of :func:`nil_core.testing.robot_scene`, torque control.
    """
    poses = roll_out(scene, np.zeros((round(FALLING_SECONDS * scene.spec.control_hz), scene.model.nu)))
    assert poses[-1, 2] < scene.spec.fall.min_height, f"without torque its root is still {poses[-1, 2]:.2f} m high"


def check_mirrored(scene: RobotScene, mirror: Mapping[str, tuple[str, int]], seed: int = 0) -> None:
    """Whether the standing pose is symmetric, and mirrored actions give mirrored motion, far above the floor.

    Every joint is moved, so that a wrong sign shows.

    Args:
        scene: PD control.
        mirror: for every driven joint its counterpart, and 1 or -1 where that turns the other way.
        seed: of the actions.
    """
    stand = scene.spec.standing_pose
    for joint, (partner, sign) in mirror.items():
        assert stand.get(partner, 0.0) == sign * stand.get(joint, 0.0), f"{joint} and {partner} stand unlike"
    random = np.random.default_rng(seed)
    size = scene.model.nu
    actions = np.tile(random.choice([-1, 1], size) * random.uniform(0.5, 1, size), (MIRROR_STEPS, 1))
    poses = roll_out(scene, actions, height=1.0)
    image = roll_out(scene, mirror_actions(scene, actions, mirror), height=1.0)
    for joint in mirror:
        column = scene.model.joint(joint).qposadr[0]
        assert np.ptp(poses[:, column]) > LEAST_MOTION, f"{joint} is not tested, it does not move"
    error = np.abs(mirror_poses(scene, poses, mirror) - image).max()
    assert error < MIRROR_ERROR, f"mirrored actions end {error:.3f} m or rad from the mirrored motion"


def check_seen(scene: RobotScene) -> None:
    """Whether the standing robot is in the picture from head to feet, large, and bright enough to see on black."""
    frames, masks = scene.render(scene.standing_qpos[None])
    rows, columns = np.nonzero(masks[0])
    size, edge = scene.render_size, 0.03 * scene.render_size
    inside = min(rows.min(), columns.min()) > edge and max(rows.max(), columns.max()) < size - edge
    assert inside, "the robot stands out of the picture, or at its edge"
    extent = max(np.ptp(rows), np.ptp(columns)) / size
    assert extent > 0.5, f"the robot fills {extent:.0%} of the picture"
    brightness = frames[0][masks[0]].mean()
    assert brightness > DARKEST, f"the robot's mean brightness is {brightness:.0f} of 255"
