"""Accuracy and time of motion recovery from the pixels of the generator's walk.

    python benchmarks/recovery.py [--robots a1 h1 g1 talos] [--skill walking] [--masks-only] [--workers 2]
                                  [--disturbance RAD --seeds 1 2 3]

``--masks-only`` replaces the simulator's colors by noise, so that only masks are informative. ``--disturbance`` adds a
sine of this amplitude and of a random frequency, 0.5 to 2.5 Hz, to every joint: one walk for each seed, all a little
different, to see whether the recovery depends on such differences. Prints one row of a Markdown table per walk: rms
error of leg joints and of all joints against the generator's trajectory, error of the mean forward speed, IoU of the
re-rendered masks (mean, minimum), wall seconds, and CPU seconds of all processes.
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
from nil_core.types import Doubles, Video, no_progress

MIN_HZ, MAX_HZ = 0.5, 2.5  # of a disturbance
RAMP_SECONDS = 0.3  # until it has its amplitude: the first frame shows the standing pose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="+", default=["a1", "h1", "g1", "talos"])
    parser.add_argument("--skill", default="walking")
    parser.add_argument("--masks-only", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--disturbance", type=float, default=0.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    chosen = parser.parse_args()
    print("| robot | seed | frames | legs rad | all joints rad | speed error | IoU, mean / min | wall s | CPU s |")
    print("| --- |" + " --- |" * 8)
    for robot in chosen.robots:
        config = RunConfig(robot={"name": robot}, skill=chosen.skill)
        components = choose(config)
        scene = build_scene(config, components)
        request = compose_request(config, components["generator"], scene)
        video = components["generator"].build().generate(request, no_progress)
        for seed in chosen.seeds:
            walk = disturbed(video, chosen.disturbance, seed)
            frames, masks = scene.render(walk) if chosen.disturbance else (video.frames, video.masks)
            if chosen.masks_only:
                noise = np.random.default_rng(0).integers(0, 255, frames.shape, np.uint8)
                frames = np.where(masks[..., None], noise, np.uint8(0))
            began, cpu_began = time.perf_counter(), cpu_seconds()
            found = recover(scene, frames, masks, video.fps, chosen.workers)
            wall, cpu = time.perf_counter() - began, cpu_seconds() - cpu_began
            errors = truth_errors(found.qpos, walk, PoseSpace(scene), video.fps)
            speed_error = f"{errors['speed_error']:.1%}" if "speed_error" in errors else "-"
            print(
                f"| {robot} | {seed} | {len(frames)} | {errors['leg_error_rad']:.3f} | {errors['joint_error_rad']:.3f} "
                f"| {speed_error} | {found.report['overlap_mean']:.3f} / {found.report['overlap_least']:.3f} "
                f"| {wall:.0f} | {cpu:.0f} |",
                flush=True,
            )


def disturbed(video: Video, amplitude: float, seed: int) -> Doubles:
    """The video's trajectory (T, nq) with a sine of the amplitude (rad) and a random frequency added to every joint."""
    assert video.trajectory is not None
    qpos = video.trajectory.copy()
    random, joints = np.random.default_rng(seed), qpos.shape[1] - 7
    times = np.arange(len(qpos))[:, None] / video.fps
    phases = 2 * np.pi * random.uniform(MIN_HZ, MAX_HZ, joints) * times + random.uniform(0, 2 * np.pi, joints)
    qpos[:, 7:] += amplitude * np.minimum(times / RAMP_SECONDS, 1) * np.sin(phases)
    return qpos


def cpu_seconds() -> float:
    """CPU seconds of this process and of its finished child processes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
