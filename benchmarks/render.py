"""Time to render a frame and its mask: one pass of nil, compared with two calls of dm_control's ``physics.render``.

    python benchmarks/render.py --robot a1 --size 224

dm_control renders the robot with full meshes on a floor in MuJoCo's default quality, as RGB and then as a
segmentation, from the same camera. Both use one thread. Prints a row of a Markdown table: milliseconds per frame and
mask (minimum over the poses and repeats, CPU time and wall time), speedup, and the IoU of the masks of simplified
and full meshes over a cycle of walking poses.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from nil_core import registry
from nil_core.sim import gl

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.renderer import Renderer  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402

NUM_POSES = 20
OPPOSITE_PHASE_LEGS = ("FL", "RR", "left", "_l")  # substrings of joints that swing half a cycle later
KNEES = ("calf", "knee", "_4_")  # substrings of joints that lead by a quarter of the cycle

Cost = tuple[float, float]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--robot", default="a1")
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--repeats", type=int, default=5)
    chosen = arguments.parse_args()
    # In a separate process: dm_control's OpenGL context and nil's cannot be used in the same one.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        theirs = pool.submit(dm_control_cost, chosen.robot, chosen.size, chosen.repeats).result()
    full, simplified = (scene(chosen.robot, chosen.size, simplify=simplify) for simplify in (False, True))
    full_cost, full_masks = our_cost(full, chosen.repeats)
    cost, masks = our_cost(simplified, chosen.repeats)
    overlap = (masks & full_masks).sum((1, 2)) / (masks | full_masks).sum((1, 2))
    print(
        "| robot | size | triangles | physics.render twice, ms CPU / wall | one pass, all triangles "
        "| one pass, simplified | speedup, CPU / wall | mask IoU, mean / min |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {chosen.robot} | {chosen.size} | {triangles(full)} to {triangles(simplified)} | {formatted(theirs)} "
        f"| {formatted(full_cost)} | {formatted(cost)} | {theirs[0] / cost[0]:.0f} x / {theirs[1] / cost[1]:.0f} x "
        f"| {overlap.mean():.4f} / {overlap.min():.4f} |"
    )


def scene(robot: str, size: int, simplify: bool) -> RobotScene:
    return compose(registry.build("robot", robot, {}), "pd", 0.004, size, simplify=simplify)


def walking_poses(scene: RobotScene) -> np.ndarray:
    """A cycle in which every joint swings by its action range, left and right in opposite phase: float64 (T, nq)."""
    poses = np.tile(scene.standing_qpos, (NUM_POSES, 1))
    cycle = np.arange(NUM_POSES) / NUM_POSES
    for actuator in scene.spec.actuators:
        phase = cycle + 0.5 * any(part in actuator.joint for part in OPPOSITE_PHASE_LEGS)
        phase += 0.25 * any(part in actuator.joint for part in KNEES)
        address = scene.model.joint(actuator.joint).qposadr[0]
        poses[:, address] += actuator.action_range * np.sin(2 * np.pi * phase)
    return poses


def our_cost(scene: RobotScene, repeats: int) -> tuple[Cost, np.ndarray]:
    """Milliseconds per frame and mask, and the masks, bool (T, S, S)."""
    size = scene.render_size
    data, renderer = mujoco.MjData(scene.model), Renderer(scene.model, size, scene.spec.camera, scene.spec.root)
    frame, masks = np.empty((size, size, 3), np.uint8), np.empty((NUM_POSES, size, size), np.bool_)
    costs = []
    for pose, mask in repeats * list(zip(walking_poses(scene), masks, strict=True)):
        data.qpos[:] = pose
        mujoco.mj_forward(scene.model, data)
        costs.append(milliseconds(lambda mask=mask: renderer.draw(data, frame, mask)))
    renderer.close()
    return minimum(costs), masks


def dm_control_cost(robot: str, size: int, repeats: int) -> Cost:
    """Milliseconds for an RGB image and a segmentation of the whole scene."""
    from dm_control.mujoco import Physics
    from dm_control.mujoco.wrapper import MjModel

    full = scene(robot, size, simplify=False)
    camera, default = full.spec.camera, mujoco.MjModel.from_xml_string("<mujoco/>").vis
    # dm_control's free camera is 1.5 extents away from the model's center.
    full.model.stat.extent, full.model.stat.center[:] = camera.distance / 1.5, (0, 0, camera.height)
    full.model.vis.global_.azimuth, full.model.vis.global_.elevation = camera.azimuth, camera.elevation
    full.model.vis.quality.offsamples = default.quality.offsamples
    physics = Physics.from_model(MjModel(full.model))

    def draw() -> None:
        physics.render(size, size)
        physics.render(size, size, segmentation=True)

    costs = []
    for pose in repeats * list(walking_poses(full)):
        physics.data.qpos[:] = pose
        physics.forward()
        costs.append(milliseconds(draw))
    return minimum(costs)


def milliseconds(call: Callable[[], None]) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def minimum(costs: list[Cost]) -> Cost:
    return min(cpu for cpu, _ in costs), min(wall for _, wall in costs)


def formatted(cost: Cost) -> str:
    return f"{cost[0]:.2f} / {cost[1]:.2f}"


def triangles(scene: RobotScene) -> int:
    """Number of rendered triangles: those of all mesh geoms in the visual group."""
    model = scene.model
    drawn = (model.geom_group == 2) & (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH)
    return int(model.mesh_facenum[model.geom_dataid[drawn]].sum())


if __name__ == "__main__":
    main()
