"""Checks that a robot equals its source file, and that missing or damaged files give good errors."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import mujoco
import numpy as np

from nil_core.errors import DataError
from nil_core.interfaces import Robot
from nil_core.sim import packaged_robot
from nil_core.sim.packaged_robot import PackagedRobot
from nil_core.sim.scene import compose
from nil_core.testing.physics import TIMESTEP


@dataclass(frozen=True)
class Source:
    """Reference values from a robot's own file.

    Attributes:
        mass: kg, of all links.
        ranges: joint to its minimum and maximum angle, rad.
        torques: joint to its torque limit, N m; without joints that have none.
    """

    mass: float
    ranges: Mapping[str, tuple[float, float]]
    torques: Mapping[str, float]


def mjcf_source(path: Path) -> Source:
    """From an MJCF file; the torque limit is that of the joint, else that of its motor's control range."""
    model = mujoco.MjModel.from_xml_path(str(path))
    hinges = [j for j in range(model.njnt) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE]
    torques = {}
    for actuator in range(model.nu):
        torques[int(model.actuator_trnid[actuator, 0])] = float(
            model.actuator_gear[actuator, 0] * model.actuator_ctrlrange[actuator, 1]
        )
    torques |= {j: float(model.jnt_actfrcrange[j, 1]) for j in hinges if model.jnt_actfrclimited[j]}
    return Source(
        mass=float(model.body_mass.sum()),
        ranges={model.joint(j).name: tuple(model.jnt_range[j].tolist()) for j in hinges},
        torques={model.joint(j).name: torque for j, torque in torques.items()},
    )


def urdf_source(path: Path) -> Source:
    """From a URDF, read as XML."""
    robot = ET.parse(path).getroot()
    limits = {
        str(joint.get("name")): limit for joint in robot.iter("joint") if (limit := joint.find("limit")) is not None
    }
    return Source(
        mass=sum(float(mass.get("value", 0)) for mass in robot.iter("mass")),
        ranges={name: (float(limit.get("lower", 0)), float(limit.get("upper", 0))) for name, limit in limits.items()},
        torques={name: float(limit.get("effort", 0)) for name, limit in limits.items()},
    )


def check_source(robot: Robot, source: Source) -> None:
    """Check that total mass, joint ranges and torque limits equal the source, and that all hinges have an actuator."""
    spec, model = robot.spec, robot.build().compile()
    mass = model.body_mass.sum()
    assert abs(mass - source.mass) < 1e-6, f"the robot has {mass:.4f} kg, its source {source.mass:.4f} kg"
    hinges = {model.joint(j).name for j in range(model.njnt) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE}
    actuated = {actuator.joint for actuator in spec.actuators}
    assert hinges == actuated, f"hinges without actuator, or actuators without hinge: {sorted(hinges ^ actuated)}"
    for actuator in spec.actuators:
        name = actuator.joint
        ours, theirs = model.joint(name).range, source.ranges[name]
        assert np.allclose(ours, theirs, atol=1e-9), f"{name} has range {ours}, in the source {theirs}"
        torque = source.torques[name]
        assert actuator.torque_limit == torque, f"{name} has {actuator.torque_limit} N m, in the source {torque}"


def check_missing_package(robot: Robot, install: str) -> None:
    """Check that a robot without its data package names the command that installs it."""
    with patch.object(importlib.metadata, "distribution", side_effect=importlib.metadata.PackageNotFoundError("gone")):
        error = _data_error(robot, "a missing package")
    assert error.hint == install, f"the hint is {error.hint!r}, not {install!r}"


def check_damaged_files(robot: PackagedRobot, mesh: str, scratch: Path) -> None:
    """Check that a missing or broken folder, mesh or model file gives an error of one line.

    Args:
        robot: with a model file in an installed package.
        mesh: one of its mesh files, relative to the folder of the model file.
        scratch: an empty folder.
    """
    path, _ = robot.data.file.locate()
    whole = Path(os.path.commonpath([path.parent, os.path.normpath(path.parent / mesh)]))  # the folder of all files
    for number, damage in enumerate(("no folder", "no mesh", "broken mesh", "broken model")):
        copy = scratch.joinpath(str(number), *whole.parts[-3:])
        folder = copy / path.parent.relative_to(whole)
        if damage != "no folder":
            shutil.copytree(whole, copy, copy_function=os.symlink)
        if damage.endswith("mesh"):
            (folder / mesh).unlink()
        if damage == "broken mesh":
            (folder / mesh).write_text("<COLLADA")
        if damage == "broken model":
            (folder / path.name).unlink()
            (folder / path.name).write_text("<mujoco>")
        with patch.object(packaged_robot, "packaged_folder", lambda *_, folder=folder: folder):
            error = _data_error(robot, damage)
        assert "install" in error.hint, f"{damage}: the hint {error.hint!r} installs nothing"


def _data_error(robot: Robot, what: str) -> DataError:
    try:
        compose(robot, "pd", TIMESTEP, render_size=64, simplify=False)
    except DataError as error:
        assert "\n" not in error.message, f"{what}: more than one line, {error.message!r}"
        return error
    raise AssertionError(f"{what} raises DataError")


def check_menagerie(robot: Robot, name: str, model: Path, scratch: Path) -> None:
    """Check that the option ``menagerie`` uses files that ``mujoco-menagerie`` downloaded, and never downloads.

    Args:
        robot: with the option.
        name: of the model in MuJoCo Menagerie.
        model: folder of such a model, which stands in the cache of the package as if it had been downloaded.
        scratch: an empty folder.
    """
    with patch.dict(sys.modules, {"mujoco_menagerie": None}):
        error = _data_error(robot, "a missing package")
        assert f"mujoco-menagerie prefetch {name}" in error.hint, f"the hint {error.hint!r} fetches nothing"
    menagerie = import_module("mujoco_menagerie")
    unreachable = {"MENAGERIE_BASE_URL": "http://127.0.0.1:9", "MENAGERIE_ROOT": ""}
    with patch.dict(os.environ, {"MENAGERIE_CACHE_DIR": str(scratch), **unreachable}):
        error = _data_error(robot, "a model that is not downloaded")
        assert error.hint == f"mujoco-menagerie prefetch {name}", f"the hint {error.hint!r} fetches nothing"
        downloaded = menagerie.Cache().model_path(menagerie.get(name))
        shutil.copytree(model, downloaded, copy_function=os.symlink)
        (downloaded / ".complete").write_text("{}")
        draft = robot.build()
    folder = Path(draft.modelfiledir)
    assert folder == downloaded, f"the model comes from {folder}, not from {downloaded}"
