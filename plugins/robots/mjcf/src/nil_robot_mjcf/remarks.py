"""Remarks for the user on a derived robot: what its file does not specify and was assumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import mujoco

from nil_robot_mjcf import MjcfOptions
from nil_robot_mjcf.model_file import is_urdf, links_without_inertia


def made_up(
    file: mujoco.MjSpec,
    model: mujoco.MjModel,
    driven: Collection[str],
    soles: Collection[str],
    armatures: Mapping[str, float],
    options: MjcfOptions,
) -> list[str]:
    """What was assumed because the file does not specify it, in words."""
    remarks = []
    if links := links_without_inertia(file) if is_urdf(options.path) else []:
        remarks.append(f"the file gives no inertia of {', '.join(links)}: it is that of the shapes, as dense as water")
    if not model.nu and options.joints is None:
        remarks.append(f"the file has no actuators: all {len(driven)} hinges are driven")
    if soles:
        remarks.append(
            f"boxes of the extent of the meshes {', '.join(soles)} touch the floor, on which the robot would rock; "
            "robot.box_soles=false keeps the meshes"
        )
    if armatures:
        remarks.append(
            f"motors add up to {max(armatures.values()):.2g} kg m^2 to {len(armatures)} joints of the legs: the file "
            "does not say how much"
        )
    return remarks
