"""Demonstrations as files: npz without pickle, one array for each part and a header of JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.demonstrations.trajectories import Demonstrations, make_command
from nil_core.errors import ConfigError, DataError, MachineError
from nil_core.storage.atomic import check_names, read_arrays, write_arrays
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.types import RobotSpec

FORMAT = 1
HEADER = "header"
REQUIRED = (HEADER, "lengths", "qpos", "qvel")
OPTIONAL = ("actions", "observations")


def write_demonstrations(path: Path, demonstrations: Demonstrations) -> None:
    """Write a file, whole or not at all.

    Raises:
        MachineError: the disk is full or not writable.
    """
    header = {
        "format": FORMAT,
        "robot": demonstrations.robot,
        "joints": demonstrations.joints,
        "hz": demonstrations.hz,
        "layout": {name: [rows.start, rows.stop] for name, rows in demonstrations.layout.items()},
        "provenance": demonstrations.provenance,
    }
    arrays: dict[str, npt.NDArray[Any]] = {HEADER: np.array(json.dumps(header))}
    for name in (*REQUIRED[1:], *OPTIONAL):
        if (array := getattr(demonstrations, name)) is not None:
            arrays[name] = array
    write_arrays(path, arrays)


def check_output(path: Path) -> None:
    """Refuse to write demonstrations over something else.

    Raises:
        ConfigError: the path is a folder, or a file that holds no demonstrations.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", f"name a file in it: --out {shlex.quote(str(path / 'walk.npz'))}")
    if exists(path) and not is_demonstrations(path):
        raise ConfigError(f"{path} exists, and holds no demonstrations", "choose another --out")


def is_demonstrations(path: Path) -> bool:
    """Whether a file is one of :func:`write_demonstrations`, by the names in it; False if damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return HEADER in archive.files and "lengths" in archive.files
    except Exception:  # a bad byte in a zip file is an error of as many types as there are bytes
        return False


def read_demonstrations(path: Path) -> Demonstrations:
    """Read a file of :func:`write_demonstrations`, and check it.

    Raises:
        DataError: missing, damaged, of another format, not finite, or with a trajectory of one frame; one line that
            names the file.
        MachineError: it may not be read.
    """
    make = make_command("h1", path.name or "walk.npz")
    with explain_os_errors(path, "read"):
        if path.is_dir():
            raise DataError(f"{path} is a folder, not a file of demonstrations", f"name the file, or make one: {make}")
        if not path.exists():
            raise DataError(f"there is no file of demonstrations {path}", f"check the path, or make one: {make}")
        path.open("rb").close()
    try:
        return _parsed(path)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint or f"make it anew: {make}") from None
    except MachineError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise DataError(f"{path} holds no demonstrations, or is damaged ({reason})", f"make some: {make}") from None


def _parsed(path: Path) -> Demonstrations:
    arrays = read_arrays(path)
    check_names(path, arrays, REQUIRED, OPTIONAL)
    header = json.loads(str(arrays.pop(HEADER)))
    if header["format"] != FORMAT:
        raise DataError(f"it has format {header['format']}, and this nil reads {FORMAT}")
    robot, joints = header["robot"], tuple(header["joints"])
    if not all(isinstance(name, str) for name in (robot, *joints)):
        raise DataError("its header names no robot and joints")
    return Demonstrations(
        robot=robot,
        joints=joints,
        hz=float(header["hz"]),
        layout={name: slice(*bounds) for name, bounds in header["layout"].items()},
        provenance=header["provenance"],
        **arrays,
    )


def check_demonstrations(demonstrations: Demonstrations, spec: RobotSpec, model: Any, where: str) -> None:
    """Refuse demonstrations of another robot.

    Args:
        demonstrations: of any robot.
        spec: of the robot that they are used for.
        model: its ``mujoco.MjModel``.
        where: the file, for the message.

    Raises:
        DataError: another robot, other joints, or states of other sizes.
    """
    make = f"make some for {spec.name}: {make_command(spec.name, 'other.npz')}"
    joints = tuple(actuator.joint for actuator in spec.actuators)
    if demonstrations.joints != joints:
        strange = sorted(set(demonstrations.joints) ^ set(joints))
        why = f"joints differ: {', '.join(strange[:4])}" if strange else "the joints have another order"
        raise DataError(f"{where} is of the robot {demonstrations.robot}, not of {spec.name} ({why})", make)
    sizes = demonstrations.qpos.shape[1], demonstrations.qvel.shape[1]
    if sizes != (model.nq, model.nv):
        raise DataError(
            f"{where} has states of {sizes[0]} + {sizes[1]} numbers, and {spec.name} has {model.nq} + {model.nv}", make
        )
    rotation = int(model.jnt_qposadr[model.body(spec.root).jntadr[0]]) + 3
    lengths = np.linalg.norm(demonstrations.qpos[:, rotation : rotation + 4], axis=1)
    if (wrong := np.abs(lengths - 1) > 0.1).any():
        row = int(wrong.argmax())
        raise DataError(f"{where}: the quaternion of row {row} has length {lengths[row]:.3g}, not 1", make)
