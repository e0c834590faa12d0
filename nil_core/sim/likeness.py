"""Whether a robot whose visual meshes were simplified still looks as its file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from scipy import ndimage

from nil_core.sim.renderer import Renderer
from nil_core.sim.settle import set_standing_pose
from nil_core.storage.cache import Arrays, cached, fingerprint
from nil_core.types import Frames, Masks, RobotSpec

OUTLINE = 0.03  # of the pixels that show the robot may be elsewhere, by more than one pixel
COLOR = 0.06  # of full brightness: how far its mean color may be off

_AROUND = np.ones((3, 3), np.bool_)
_RECIPE = "1"  # part of the cache's key: raise it when the code changes


@dataclass(frozen=True)
class Difference:
    """How far two pictures of a robot differ.

    Attributes:
        outline: share of its pixels that are more than one pixel away from where the other picture shows it.
        color: largest difference of the mean red, green or blue where both show it, 0 ... 1.
    """

    outline: float
    color: float

    @property
    def seen(self) -> bool:
        """Whether somebody who compares them sees it."""
        return self.outline > OUTLINE or self.color > COLOR


def simplification_error(
    light: mujoco.MjModel, original: Callable[[], mujoco.MjModel], spec: RobotSpec, size: int
) -> Difference:
    """How far a simplified model is from the robot's own where it stands, from the camera and from behind. Cached.

    Args:
        light: the simplified model, of the robot alone.
        original: gives the model with all triangles; called where nothing is cached.
        spec: of the robot.
        size: side of frames in pixels.

    Raises:
        MachineError: OpenGL does not work on this machine.
    """

    def make() -> Arrays:
        found = difference(_pictures(original(), spec, size), _pictures(light, spec, size))
        return {"difference": np.array([found.outline, found.color])}

    content = np.empty(mujoco.mj_sizeModel(light), np.uint8)
    mujoco.mj_saveModel(light, None, content)
    key = fingerprint(_RECIPE, content, repr(spec), size)
    found, _ = cached("likeness", key, make, ("difference",))
    return Difference(*found["difference"].tolist())


def difference(one: tuple[Frames, Masks], other: tuple[Frames, Masks]) -> Difference:
    """How far two sequences of frames (T, S, S, 3) and masks (T, S, S) differ."""
    alone = sum(int(_alone(a, b).sum() + _alone(b, a).sum()) for a, b in zip(one[1], other[1], strict=True))
    both = one[1] & other[1]
    colors = [frames[both].mean(axis=0) if both.any() else np.zeros(3) for frames, _ in (one, other)]
    return Difference(alone / max(int(one[1].sum()), 1), float(np.abs(colors[0] - colors[1]).max()) / 255)


def _alone(mask: Masks, other: Masks) -> Masks:
    """Pixels that the other mask does not show, nor any pixel next to them."""
    result: Masks = mask & ~ndimage.binary_dilation(other, _AROUND)
    return result


def _pictures(model: mujoco.MjModel, spec: RobotSpec, size: int) -> tuple[Frames, Masks]:
    data = mujoco.MjData(model)
    set_standing_pose(data, spec)
    mujoco.mj_forward(model, data)
    frames, masks = np.empty((2, size, size, 3), np.uint8), np.empty((2, size, size), np.bool_)
    for turn, frame, mask in zip((0, 180), frames, masks, strict=True):
        renderer = Renderer(model, size, replace(spec.camera, azimuth=spec.camera.azimuth + turn), spec.root)
        renderer.draw(data, frame, mask)
        renderer.close()
    return frames, masks
