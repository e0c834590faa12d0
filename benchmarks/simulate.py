"""Physics and whole environment steps per second, and the time to the first frame.

    python benchmarks/simulate.py [physics] [render] [start] [--robots a1 h1 g1 talos] [--seconds 1] [--repeats 3]

Work of one environment step at the default rates (25 actions per second, physics steps of 4 ms): 10 physics steps,
one observation of about 80 numbers, and one render of 7,000 to 30,000 triangles. At 128 px (224 px) a render reads
112 KiB (343 KiB) of color and depth and writes 64 KiB (196 KiB) to shared memory; the state saved in case the process
dies adds 2 to 3 kB and 4 microseconds. Workers receive only the actions and the command "step".

physics: a plain loop of ``mj_step`` on one and two threads (it releases the GIL), compared with nil's environments
without rendering in this process and in one and two worker processes. Robots stand still, so that all do the same work.
render: complete steps of four environments, in this process and with one and two workers.
start: from ``build()`` to the first frame in a new process, with an empty mesh cache and with a full one. The time of
imports is listed separately.

Measurements alternate, ``--repeats`` times for ``--seconds`` each; the best of each is shown. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

START_TIMES = time.perf_counter(), time.process_time()

import numpy as np  # noqa: E402

from nil_core import registry  # noqa: E402
from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.sim import gl  # noqa: E402

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.environment import EnvSpec  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402

NUM_ENVS, TICKS = 4, 60
STEPS_PER_CLOCK_READ = 100  # physics steps

Speed = Callable[[float], float]  # seconds to measure -> steps per second


def main() -> None:
    """Print the selected tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["physics", "render", "start", []], default=[])
    parser.add_argument("--robots", nargs="*", default=["a1", "h1", "g1", "talos"])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--first-frame", metavar="ROBOT", help="time one start in this process and print JSON")
    chosen = parser.parse_args()
    if chosen.first_frame:
        print(json.dumps(first_frame(chosen.first_frame)))
        return
    what = chosen.what or ["physics", "render", "start"]
    if "physics" in what:
        heading("physics steps/s", "mj_step, 1 thread", "2 threads", "environments, this process", "W=1", "W=2")
        for robot in chosen.robots:
            row(robot, best(physics(robot), chosen.seconds, chosen.repeats))
    if "render" in what:
        heading("environment steps/s", "size", "W=0", "W=1", "W=2")
        for robot in chosen.robots:
            for size in (128, 224):
                row(f"{robot} | {size}", best(rendering(robot, size), chosen.seconds, chosen.repeats))
    if "start" in what:
        heading("seconds, wall / CPU", "imports", "cold: build and compose", "first frame", "warm: build and compose",
                "first frame", "warm, total")  # fmt: skip
        for robot in chosen.robots:
            print(f"| {robot} | {' | '.join(starts(robot, chosen.repeats))} |", flush=True)


def physics(robot: str) -> Iterator[tuple[Speed, ExitStack]]:
    """Compared implementations of physics steps."""
    scene = compose(registry.build("robot", robot, {}), "pd", 0.004, 64)
    for threads in (1, 2):
        yield plain_loop(scene, threads), ExitStack()
    for workers in (0, 1, 2):
        yield environment_steps(scene, workers, render=False, per_step=env_spec(scene).settings.substeps)


def rendering(robot: str, size: int) -> Iterator[tuple[Speed, ExitStack]]:
    """Compared configurations of complete environment steps."""
    scene = compose(registry.build("robot", robot, {}), "pd", 0.004, size)
    for workers in (0, 1, 2):
        yield environment_steps(scene, workers, render=True, per_step=1)


def best(candidates: Iterator[tuple[Speed, ExitStack]], seconds: float, repeats: int) -> list[float]:
    """Best steps per second of each candidate."""
    with ExitStack() as stack:
        speeds = [(speed, stack.enter_context(held))[0] for speed, held in candidates]
        measured = [
            [speed(seconds) for speed in speeds] for _ in range(repeats)
        ]  # alternating, so that other load affects all alike
    return [max(column) for column in zip(*measured, strict=True)]


def plain_loop(scene: RobotScene, threads: int) -> Speed:
    """A loop of ``mj_step`` in each of ``threads`` threads."""

    def single_thread(seconds: float) -> float:
        data = mujoco.MjData(scene.model)
        data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
        began, steps = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            for _ in range(STEPS_PER_CLOCK_READ):
                mujoco.mj_step(scene.model, data)
            steps += STEPS_PER_CLOCK_READ
        return steps / (time.perf_counter() - began)

    def measure(seconds: float) -> float:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(single_thread, [seconds] * threads))

    return measure


def environment_steps(scene: RobotScene, workers: int, render: bool, per_step: int) -> tuple[Speed, ExitStack]:
    """Steps of nil's environments; each counts as ``per_step`` steps."""
    simulation = VectorEnv(env_spec(scene), NUM_ENVS, workers, 0, render=render)
    simulation.reset()
    zero_actions = np.zeros((NUM_ENVS, scene.model.nu), np.float32)
    held = ExitStack()
    held.enter_context(simulation)

    def measure(seconds: float) -> float:
        began, steps = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            simulation.step(zero_actions)
            steps += NUM_ENVS
        return per_step * steps / (time.perf_counter() - began)

    return measure, held


def env_spec(scene: RobotScene) -> EnvSpec:
    settings = EnvironmentSettings(render_size=scene.render_size)
    return EnvSpec(scene, settings, TICKS, np.zeros((TICKS + 1, 0), np.float32), None)


def starts(robot: str, repeats: int) -> list[str]:
    """Table cells: one cold start, and the fastest of the warm ones."""
    with tempfile.TemporaryDirectory() as cache:
        cold, *warm = (start(robot, cache) for _ in range(1 + repeats))
    fastest = min(warm, key=lambda times: sum(wall for wall, _ in times.values()))
    total = sum(fastest[n][0] for n in ("compose", "frame")), sum(fastest[n][1] for n in ("compose", "frame"))
    cells = [fastest["imports"], cold["compose"], cold["frame"], fastest["compose"], fastest["frame"], total]
    return [f"{wall:.2f} / {cpu:.2f}" for wall, cpu in cells]


def start(robot: str, cache: str) -> Mapping[str, tuple[float, float]]:
    """Seconds (wall, CPU) of each part of a start in a new process."""
    command = [sys.executable, __file__, "--first-frame", robot]
    done = subprocess.run(command, env=os.environ | {"NIL_CACHE": cache}, check=True, stdout=subprocess.PIPE)
    times: Mapping[str, tuple[float, float]] = json.loads(done.stdout)
    return times


def first_frame(name: str) -> dict[str, tuple[float, float]]:
    """Seconds (wall, CPU) of imports, of building and composing, and of the first frame."""
    robot = registry.build("robot", name, {})
    moments = [START_TIMES, (time.perf_counter(), time.process_time())]
    scene = compose(robot, "pd", 0.004, 128)
    moments.append((time.perf_counter(), time.process_time()))
    scene.render(scene.standing_qpos[None])
    moments.append((time.perf_counter(), time.process_time()))
    parts = zip(("imports", "compose", "frame"), moments, moments[1:], strict=False)
    return {part: (after[0] - before[0], after[1] - before[1]) for part, before, after in parts}


def heading(*columns: str) -> None:
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")


def row(name: str, speeds: list[float]) -> None:
    print(f"| {name} | {' | '.join(f'{speed:.0f}' for speed in speeds)} |", flush=True)


if __name__ == "__main__":
    main()
