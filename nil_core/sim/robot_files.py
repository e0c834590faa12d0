"""Where robots' models lie on this machine, and what every one of them goes through."""

from __future__ import annotations

import importlib.metadata
from importlib import import_module
from pathlib import Path

import mujoco

from nil_core.errors import DataError
from nil_core.sim.urdf import COLLIDER_GROUP


def packaged_folder(distribution: str, folder: str, install: str) -> Path:
    """A folder of an installed distribution.

    Args:
        distribution: name on the package index.
        folder: relative to where packages are installed.
        install: the line that installs it.

    Raises:
        DataError: the distribution is not installed; the hint is ``install``.
    """
    try:
        return Path(str(importlib.metadata.distribution(distribution).locate_file(folder)))
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError(f"the robot's model needs the package {distribution}", install) from error


def menagerie_folder(robot: str) -> Path:
    """The folder of a model of MuJoCo Menagerie, as the package ``mujoco-menagerie`` downloaded it. Downloads nothing.

    Raises:
        DataError: the package is missing, does not know the robot, or has not downloaded it; the hint is the line that
            mends it.
    """
    try:
        menagerie = import_module("mujoco_menagerie")
    except ImportError as error:
        message = "MuJoCo Menagerie's models need the package mujoco-menagerie"
        raise DataError(message, f"pip install mujoco-menagerie && mujoco-menagerie prefetch {robot}") from error
    try:
        cache, entry = menagerie.Cache(), menagerie.get(robot)
        if cache.root is None and not cache.is_cached(entry):
            message = f"MuJoCo Menagerie's {robot} is not downloaded yet"
            raise DataError(message, f"mujoco-menagerie prefetch {robot}")
        return Path(cache.resolve(entry))
    except menagerie.MenagerieError as error:
        raise DataError(f"MuJoCo Menagerie's {robot} cannot be used: {error}", "check MENAGERIE_ROOT") from error


def read_mjcf(path: Path, install: str) -> mujoco.MjSpec:
    """A robot from an MJCF file, without what the core adds itself: no actuators, sensors, keyframes or lights.

    Args:
        path: of the XML file.
        install: the line that installs the files, for the hint.

    Raises:
        DataError: a file is missing, or the XML cannot be read.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise DataError(f"the robot model {path} cannot be read: {str(error).splitlines()[0]}", install) from error
    for mesh in spec.meshes:
        file = path.parent / spec.meshdir / mesh.file
        if mesh.file and not file.is_file():
            raise DataError(f"the robot model {path} lacks its mesh {file.name}", install)
    for part in (*spec.actuators, *spec.sensors, *spec.keys, *spec.lights):
        spec.delete(part)
    return spec


def touch_floor_only(spec: mujoco.MjSpec) -> None:
    """Colliders (group 3) meet the floor, and no longer each other."""
    for geom in spec.geoms:
        if geom.group == COLLIDER_GROUP:
            geom.contype, geom.conaffinity = 0, 1
