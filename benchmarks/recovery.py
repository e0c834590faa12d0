"""Accuracy and time of motion recovery from the pixels of the generator's walk.

    python benchmarks/recovery.py [--robots a1 h1 g1 talos] [--skill walking] [--masks-only] [--workers 2]

``--masks-only`` replaces the simulator's colors by noise, so that only masks are informative. Prints one row of
a Markdown table per robot: rms error of leg joints and of all joints against the generator's trajectory, error of the
mean forward speed, IoU of the re-rendered masks (mean, minimum), wall seconds, and CPU seconds of all processes.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.experiment.experiment import build_scene
from nil_core.reference.generation import compose_request
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import recover
from nil_core.types import no_progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="+", default=["a1", "h1", "g1", "talos"])
    parser.add_argument("--skill", default="walking")
    parser.add_argument("--masks-only", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    print("| robot | frames | legs rad | all joints rad | speed error | IoU, mean / min | wall s | CPU s |")
    print("| --- |" + " --- |" * 7)
    for robot in chosen.robots:
        config = RunConfig(robot={"name": robot}, skill=chosen.skill)
        components = choose(config)
        scene = build_scene(config, components)
        request = compose_request(config, components["generator"], scene)
        video = components["generator"].build().generate(request, no_progress)
        frames = video.frames
        if chosen.masks_only:
            noise = np.random.default_rng(0).integers(0, 255, frames.shape, np.uint8)
            frames = np.where(video.masks[..., None], noise, np.uint8(0))
        began, cpu_began = time.perf_counter(), cpu_seconds()
        found = recover(scene, frames, video.masks, video.fps, chosen.workers)
        wall, cpu = time.perf_counter() - began, cpu_seconds() - cpu_began
        errors = truth_errors(found.qpos, video.trajectory, PoseSpace(scene), video.fps)
        speed_error = f"{errors['speed_error']:.1%}" if "speed_error" in errors else "-"
        print(
            f"| {robot} | {len(frames)} | {errors['leg_error_rad']:.3f} | {errors['joint_error_rad']:.3f} "
            f"| {speed_error} | {found.report['overlap_mean']:.3f} / {found.report['overlap_least']:.3f} "
            f"| {wall:.0f} | {cpu:.0f} |",
            flush=True,
        )


def cpu_seconds() -> float:
    """CPU seconds of this process and of its finished child processes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
