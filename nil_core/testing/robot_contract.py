"""The contract of robots with a model file in an installed package: one test for all of them.

A robot's test says what is particular to it, and runs every check::

    BENCH = RobotBench(CARD, sideways="yaw|roll|torso", mesh="assets/torso_link.stl")

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(BENCH, tmp_path)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import mujoco

from nil_core.card import ComponentCard, MenagerieOptions
from nil_core.sim.packaged_robot import PackagedRobot
from nil_core.sim.scene import RobotScene
from nil_core.testing.bodies import check_falls, check_mirrored, check_seen, check_stands
from nil_core.testing.cards import check_card, check_light
from nil_core.testing.physics import robot_scene
from nil_core.testing.robots import check_robot
from nil_core.testing.sources import (
    check_damaged_files,
    check_menagerie,
    check_missing_package,
    check_source,
    mjcf_source,
    urdf_source,
)

VISUAL_GROUP, COLLIDER_GROUP = 2, 3
DARKEST_COLOR = 0.3  # of 1, in the brightest channel; less is nearly invisible on black
SEEDS = 3  # of random actions


@dataclass(frozen=True)
class RobotBench:
    """A robot, and what its tests must know of it.

    Attributes:
        card: of the robot; its target is a :class:`nil_core.api.PackagedRobot`.
        sideways: regular expression that finds joints which turn the other way in the mirror image.
        mesh: one of its mesh files, relative to the folder of its model file.
        sides: what is replaced by each other in joint names to get the mirror image.
    """

    card: ComponentCard
    sideways: str
    mesh: str
    sides: Mapping[str, str]

    def make(self, **options: Any) -> PackagedRobot:
        """The robot with some options."""
        module, name = self.card.target.split(":")
        made = getattr(import_module(module), name)(self.card.config(**options))
        assert isinstance(made, PackagedRobot), f"{self.card.target} is a PackagedRobot"
        return made

    @cached_property
    def robot(self) -> PackagedRobot:
        """The robot with default options."""
        return self.make()

    @cached_property
    def model(self) -> mujoco.MjModel:
        """Its compiled model."""
        return self.robot.build().compile()

    @cached_property
    def scene(self) -> RobotScene:
        """It stands, under PD control."""
        return robot_scene(self.robot, "pd")

    @cached_property
    def joints(self) -> list[str]:
        """The driven joints."""
        return [actuator.joint for actuator in self.robot.spec.actuators]

    def mirror(self, joint: str) -> tuple[str, int]:
        """The joint of the mirror image, and -1 where its positive sense is the other way."""
        swap = dict(self.sides) | {other: side for side, other in self.sides.items()}
        image = re.sub("|".join(swap), lambda side: swap[side.group()], joint)
        return image, -1 if re.search(self.sideways, joint) else 1


def check_contract(bench: RobotBench, scratch: Path) -> None:
    """The card is light, and the robot is what the core expects."""
    check_card(bench.card)
    check_light(bench.card.target.split(".")[0])
    check_robot(bench.robot)


def check_is_its_source(bench: RobotBench, scratch: Path) -> None:
    """Mass, joint ranges and torque limits are those of the model file."""
    path, _ = bench.robot.data.file.locate()
    check_source(bench.robot, urdf_source(path) if path.suffix == ".urdf" else mjcf_source(path))


def check_stands_on_its_feet(bench: RobotBench, scratch: Path) -> None:
    """It stands for five seconds."""
    check_stands(bench.scene)


def check_falls_without_torque(bench: RobotBench, scratch: Path) -> None:
    """Nothing but its motors holds it up."""
    check_falls(robot_scene(bench.robot, "torque"))


def check_mirrored_motion(bench: RobotBench, scratch: Path) -> None:
    """Mirrored actions give mirrored motion."""
    for seed in range(SEEDS):
        check_mirrored(bench.scene, {joint: bench.mirror(joint) for joint in bench.joints}, seed)


def check_seen_whole_and_bright(bench: RobotBench, scratch: Path) -> None:
    """The robot is in the picture, and no part of it is nearly black."""
    check_seen(bench.scene)
    model = bench.model
    visual = [geom for geom in range(model.ngeom) if model.geom_group[geom] == VISUAL_GROUP]
    for geom in visual:
        material = model.geom_matid[geom]
        color = model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
        body = model.body(model.geom_bodyid[geom]).name
        assert color[:3].max() > DARKEST_COLOR, f"a visual geom of {body} is too dark: {color[:3]}"


def check_self_collision(bench: RobotBench, scratch: Path) -> None:
    """With self-collision, nothing touches in the standing pose."""
    model = bench.make(self_collision=True).build().compile()
    assert (model.geom_contype[model.geom_group == COLLIDER_GROUP] == 1).all(), "every collider can touch every other"
    data = mujoco.MjData(model)
    data.qpos[:] = bench.scene.standing_qpos
    mujoco.mj_forward(model, data)
    touching = {model.geom(geom).name or str(geom) for contact in data.contact for geom in contact.geom}
    assert not touching, f"in the standing pose these touch: {sorted(touching)}"


def check_missing_and_damaged_files(bench: RobotBench, scratch: Path) -> None:
    """Files that are missing or damaged are one line, and the command that installs them."""
    check_missing_package(bench.robot, bench.robot.data.file.install)
    check_damaged_files(bench.robot, bench.mesh, scratch)


def check_menagerie_option(bench: RobotBench, scratch: Path) -> None:
    """The option ``menagerie``, where there is one, uses what is downloaded and downloads nothing."""
    if issubclass(bench.card.config, MenagerieOptions):
        file = bench.robot.data.file
        check_menagerie(bench.make(menagerie=True), file.menagerie, file.locate()[0].parent, scratch)


def check_camera_options(bench: RobotBench, scratch: Path) -> None:
    """What the options say of the camera holds, and nothing else changes."""
    spec = bench.make(camera_azimuth=90.0, camera_distance=5.0).spec
    assert spec == replace(bench.robot.spec, camera=replace(bench.robot.spec.camera, azimuth=90.0, distance=5.0))


CHECKS: tuple[Callable[[RobotBench, Path], None], ...] = (
    check_contract,
    check_is_its_source,
    check_stands_on_its_feet,
    check_falls_without_torque,
    check_mirrored_motion,
    check_seen_whole_and_bright,
    check_self_collision,
    check_missing_and_damaged_files,
    check_menagerie_option,
    check_camera_options,
)
