"""Renderer: one pass gives a frame and the robot's mask, or the body and the depth of each pixel."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from nil_core.sim import gl
from nil_core.types import FIELD_OF_VIEW, Camera, Floats, Frames, Labels, Masks

FLOOR_GROUP = 1
"""The geom group that contains only the floor."""

MAX_OUTLINE_ERROR = 0.15
"""Maximum error, in pixels, of the outline of a ball, capsule or cylinder."""

LARGE = 512
"""Side of frames in pixels up to which a smaller shadow map does, which is drawn in half the time."""

MIN_SIDES, MAX_SIDES = 8, 28  # of round geoms; MuJoCo's default is 28

_CHANNEL_WEIGHTS = np.array([1, 1 << 8, 1 << 16], np.int32)  # of red, green and blue in a segment id

_EFFECTS = ("SHADOW", "REFLECTION", "SKYBOX", "FOG", "HAZE")


class Renderer:
    """Renders a model with a camera that follows a body in x and y and never turns.

    By default only the robot is rendered, on black, without floor, shadows or antialiasing, so that the robot's pixels
    are exactly those whose depth is nearer than the far plane: one pass gives a frame and its mask. The time depends on
    the geometry and hardly on the number of pixels: see :mod:`nil_core.sim.meshes`.

    All renderers of a process share one GL context and belong to one thread.

    Args:
        model: its visual settings (buffer size, clipping planes, field of view, samples) are overwritten, its physics
            is not.
        size: S, side of the square frames.
        camera: viewpoint.
        root: name of the body to follow.
        pretty: also render the floor, shadows and smooth edges, for videos; masks are then not available.

    Raises:
        MachineError: OpenGL does not work on this machine.
    """

    def __init__(self, model: mujoco.MjModel, size: int, camera: Camera, root: str, *, pretty: bool = False) -> None:
        gl.make_current()
        _set_visuals(model, size, pretty)
        self._model = model
        self._root = model.body(root).id
        self._size = size
        self._camera = _free_camera(camera)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[FLOOR_GROUP] = pretty
        if not pretty:
            _set_roundness(model, self._option.geomgroup, camera.pixel(size))
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        for effect in _EFFECTS:
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{effect}")] = pretty
        self._context: Any = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR  # pixels of the background read exactly 0
        self._rectangle = mujoco.MjrRect(0, 0, size, size)
        self._pixels = np.empty((size, size, 3), np.uint8)
        self._depth = None if pretty else np.empty((size, size), np.float32)
        self._bodies: Labels | None = None
        self.close = gl.free_with_context(self, self._context.free)
        """Free the renderer's resources; it cannot be used afterwards. Called automatically at the end."""

    def draw(self, data: mujoco.MjData, frame_out: Frames, mask_out: Masks | None = None) -> None:
        """Render the state whose positions are in ``data`` (after ``mj_kinematics``, ``mj_forward`` or ``mj_step``).

        Args:
            data: of the renderer's model, or of an equal one.
            frame_out: uint8 (S, S, 3) to write to, RGB, the top row first.
            mask_out: bool (S, S) to write to, true where the robot is; None (always if ``pretty``): no mask.

        Raises:
            ValueError: a mask is requested from a ``pretty`` renderer.
        """
        if mask_out is not None and self._depth is None:
            raise ValueError("a pretty renderer draws no masks")
        self._render(data, segmented=False)
        frame_out[:] = self._pixels[::-1]  # OpenGL's first row is the bottom one
        if mask_out is not None and self._depth is not None:
            np.greater(self._depth[::-1], 0, out=mask_out)

    def draw_labels(self, data: mujoco.MjData, labels_out: Labels, depth_out: Floats) -> None:
        """Render the body and the depth of each pixel.

        Args:
            data: as for :meth:`draw`, from the same camera.
            labels_out: int16 (S, S) to write to, the top row first: ids of bodies of the model, -1 where there is none.
            depth_out: float32 (S, S) to write to: m from the camera along its optical axis, infinite where there is no
                body.

        Raises:
            ValueError: the renderer is ``pretty``.
        """
        if self._depth is None:
            raise ValueError("a pretty renderer draws no labels")
        self._render(data, segmented=True)
        # 1 + index in the list of rendered geoms; 0 for the background
        drawn = self._pixels.astype(np.int32) @ _CHANNEL_WEIGHTS
        labels_out[:] = self._rendered_bodies()[drawn[::-1]]
        near, far = self._model.vis.map.znear, self._model.vis.map.zfar
        # The depth buffer is 1 at the near plane, 0 at the far one, and linear in 1 / distance.
        depth_out[:] = near / (near / far + self._depth[::-1] * (1 - near / far))
        depth_out[labels_out < 0] = np.inf

    def _render(self, data: mujoco.MjData, segmented: bool) -> None:
        """Render to the pixels and depth of this renderer, the bottom row first."""
        gl.make_current()
        position = data.xpos[self._root, :2]
        self._camera.lookat[:2] = position
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._camera, everything, self._scene)
        for light in self._scene.lights[: self._scene.nlight]:
            if light.type == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL:
                light.pos[:2] += position  # its direction is the same everywhere, but its shadows end a few meters away
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = segmented
        self._scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = segmented
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, self._depth, self._rectangle, self._context)

    def _rendered_bodies(self) -> Labels:
        """The body of each entry of the scene's geom list, after a first entry of -1 for the background.

        Which geoms are rendered depends on the model and the options alone, so the list is computed once.
        """
        if self._bodies is None or len(self._bodies) != self._scene.ngeom + 1:
            self._bodies = np.full(self._scene.ngeom + 1, -1, np.int16)
            for geom in self._scene.geoms[: self._scene.ngeom]:
                if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.segid >= 0:
                    self._bodies[geom.segid + 1] = self._model.geom_bodyid[geom.objid]
        return self._bodies


def _free_camera(camera: Camera) -> mujoco.MjvCamera:
    free = mujoco.MjvCamera()
    free.type = mujoco.mjtCamera.mjCAMERA_FREE
    free.distance, free.azimuth, free.elevation = camera.distance, camera.azimuth, camera.elevation
    free.lookat[2] = camera.height
    return free


def _set_roundness(model: mujoco.MjModel, drawn: npt.NDArray[np.uint8], pixel: float) -> None:
    """Set the number of sides of balls, capsules and cylinders as required by their size in pixels.

    The maximum error of a polygon of n sides in a circle of r pixels is r (1 - cos(pi / n)).
    """
    kinds = mujoco.mjtGeom
    is_round = np.isin(model.geom_type, [kinds.mjGEOM_SPHERE, kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER])
    is_round &= drawn[model.geom_group] > 0
    widest = float(model.geom_size[is_round, 0].max(initial=0.0)) / pixel
    sides = np.pi / np.arccos(1 - MAX_OUTLINE_ERROR / widest) if widest > MAX_OUTLINE_ERROR else 0
    if (model.geom_type == kinds.mjGEOM_ELLIPSOID).any():
        sides = MAX_SIDES
    quality = model.vis.quality
    quality.numslices = int(np.clip(np.ceil(sides), MIN_SIDES, MAX_SIDES))
    quality.numstacks = quality.numslices // 2
    quality.numquads = 1


def _set_visuals(model: mujoco.MjModel, size: int, pretty: bool) -> None:
    visual = model.vis
    visual.global_.offwidth = visual.global_.offheight = size
    visual.global_.fovy = FIELD_OF_VIEW
    # The clipping planes are in units of the extent, which a large floor makes so large that the near plane would cut
    # the robot.
    model.stat.extent = 1
    visual.map.znear, visual.map.zfar = 0.05, 50
    visual.quality.offsamples = 4 if pretty else 0
    visual.quality.shadowsize = (4096 if size > LARGE else 2048) if pretty else 0
    visual.map.shadowclip = 3
    visual.quality.numslices, visual.quality.numstacks, visual.quality.numquads = MAX_SIDES, 16, 4  # MuJoCo's defaults
