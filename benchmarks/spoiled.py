"""Motion recovery and training on videos with typical defects of video models, added to the generator's walk.

    python benchmarks/spoiled.py [--robots a1 h1] [--kinds camera_drift ...] [--strengths .25 .5 1]
                                 [--segmenter chroma] [--learn STEPS] [--learn-seeds N] [--out FOLDER]

The walk is rendered on the plain background of first frames for video models, degraded (nil_core.testing.spoiler), and
segmented by a segmenter instead of the simulator. Prints a Markdown row for each robot, kind and strength: rms error of
the recovered leg joints, error of the mean forward speed, IoU of the re-rendered masks, IoU of the segmenter's masks
with the true ones, and the reasons why the motion is untrusted. ``--learn`` also trains on each video, and prints a
second table. Results are stored in FOLDER/results.jsonl, and training is a study in FOLDER/study: an interrupted
benchmark can be continued, and stored results are printed without a new measurement.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import DataError
from nil_core.experiment.experiment import build_scene
from nil_core.reference.first_frame import draw_first_frame
from nil_core.reference.generation import compose_request
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import recover
from nil_core.reference.recovery.silhouette import overlap_of
from nil_core.sim.scene import RobotScene
from nil_core.study import Row, StudySpec, run_study
from nil_core.testing.bodies_spoiled import REDRAWN
from nil_core.testing.spoiler import KINDS, spoil
from nil_core.types import Video, no_progress
from nil_core.video.files import write_png

Case = dict[str, Any]
NO_DEFECT = "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="+", default=["a1", "h1"])
    parser.add_argument("--kinds", nargs="+", choices=[NO_DEFECT, *KINDS], default=[NO_DEFECT, *KINDS])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--segmenter", default="chroma")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--learn", type=int, metavar="STEPS", help="also train on each video, for STEPS steps")
    parser.add_argument("--learn-seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/spoiled"))
    chosen = parser.parse_args()
    makers = {robot: VideoMaker(robot, chosen.segmenter, chosen.seed) for robot in chosen.robots}
    common = {"seed": chosen.seed, "segmenter": chosen.segmenter}
    cases = [
        {"robot": robot, "kind": kind, "strength": strength, **common}
        for robot in chosen.robots
        for kind in chosen.kinds
        for strength in (chosen.strengths if kind != NO_DEFECT else [0.0])
    ]
    results = Results(chosen.out / "results.jsonl")
    print_row("robot", "kind", "strength", "legs rad", "speed error", "IoU", "mask IoU", "CPU s", "trusted")
    print_row(*["---"] * 9)
    for case in cases:
        found = results.get(case, partial(measure, makers[case["robot"]], case, chosen.workers))
        print_row(case["robot"], case["kind"], f"{case['strength']:g}", *recovery_cells(found))
    if chosen.learn:
        print_row("video", "runs", "return", "speed m/s", "of reference", "falls")
        print_row(*["---"] * 6)
        for cells in learn(makers, cases, chosen.learn, chosen.learn_seeds, chosen.out):
            print_row(*cells)


def print_row(*cells: str) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


class Results:
    """Results in a JSON Lines file, keyed by case."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Case] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._rows[json.dumps(row["case"], sort_keys=True)] = row["result"]

    def get(self, case: Case, measure: Callable[[], Case]) -> Case:
        """The result of a case, measured if it is not stored yet."""
        key = json.dumps(case, sort_keys=True)
        if key not in self._rows:
            self._rows[key] = measure()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps({"case": case, "result": self._rows[key]}) + "\n")
        return self._rows[key]


class VideoMaker:
    """Degraded videos of a robot's walk, which is rendered on first use."""

    def __init__(self, robot: str, segmenter: str, seed: int) -> None:
        self.config = RunConfig(robot={"name": robot}, segmenter={"name": segmenter})
        self._components = choose(self.config)
        self._seed = seed
        self._made: tuple[RobotScene, Video] | None = None

    @property
    def scene(self) -> RobotScene:
        return self._walk()[0]

    def spoiled(self, kind: str, strength: float) -> Video:
        """A degraded video on a plain background, with the true masks and trajectory."""
        scene, video = self._walk()
        strengths = {} if kind == NO_DEFECT else {kind: strength}
        if kind in REDRAWN:
            video = spoil(video, strengths, self._seed, scene)
        _, _, background = draw_first_frame(scene, self.config.video)
        video = replace(video, frames=np.where(video.masks[..., None], video.frames, np.array(background, np.uint8)))
        return video if kind in REDRAWN else spoil(video, strengths, self._seed, scene)

    def masks(self, video: Video) -> np.ndarray:
        """Masks of the segmenter (``sim_mask``: the true ones)."""
        scene = self.scene
        _, standing_masks = scene.render(scene.standing_qpos[None])
        return self._components["segmenter"].build().segment(video, standing_masks[0], no_progress)

    def _walk(self) -> tuple[RobotScene, Video]:
        if self._made is None:
            scene = build_scene(self.config, self._components)
            request = compose_request(self.config, self._components["generator"], scene)
            self._made = scene, self._components["generator"].build().generate(request, no_progress)
        return self._made


def measure(maker: VideoMaker, case: Case, workers: int) -> Case:
    """Recover the motion of a degraded video."""
    video = maker.spoiled(case["kind"], case["strength"])
    try:
        masks = maker.masks(video)
    except DataError as error:
        return {"error": str(error)}
    frames = np.where(masks[..., None], video.frames, np.uint8(0))
    began, cpu_began = time.perf_counter(), cpu_seconds()
    found = recover(maker.scene, frames, masks, video.fps, workers)
    space = PoseSpace(maker.scene)
    return {
        **truth_errors(found.qpos, video.trajectory, space, video.fps),
        "overlap_mean": found.report["overlap_mean"],
        "masks": float(np.mean([overlap_of(a, b) for a, b in zip(masks, video.masks, strict=True)])),
        "camera": found.report["camera"] is not None,
        "reasons": found.report["reasons"],
        "wall_seconds": time.perf_counter() - began,
        "cpu_seconds": cpu_seconds() - cpu_began,
    }


def learn(
    makers: Mapping[str, VideoMaker], cases: Sequence[Case], steps: int, seeds: int, out: Path
) -> Iterator[list[str]]:
    """Train on degraded videos, given as image files; yields the cells of a row for each."""
    rows = []
    for case in cases:
        name, maker = f"{case['robot']}-{case['kind']}-{case['strength']:g}", makers[case["robot"]]
        images = out / "videos" / f"{name}-{case['seed']}"
        video = maker.spoiled(case["kind"], case["strength"])
        write_images(images, video)
        generator = {"generator.name": "file", "generator.path": str(images.absolute()), "generator.fps": video.fps}
        rows.append(Row(name, {"robot": case["robot"], **generator}))
    base = {"segmenter": cases[0]["segmenter"], "steps": steps}
    result = run_study(StudySpec("spoiled", tuple(rows), tuple(range(seeds)), base), out / "study")
    for row in rows:
        runs = [run for run in result.runs if run.entry.row == row.name]
        files = [result.folder / run.entry.run / "summary.json" for run in runs if run.state == "finished"]
        yield learned_cells(row.name, [json.loads(file.read_text()) for file in files], len(runs))


def learned_cells(name: str, summaries: Sequence[Case], runs: int) -> list[str]:
    """Means over the finished runs."""
    cells = [name, f"{len(summaries)} of {runs}"]
    if not summaries:
        return [*cells, "-", "-", "-", "-"]
    trained = [summary["policies"]["trained"] for summary in summaries]
    pairs = [(row["speed"], summary.get("reference_speed")) for row, summary in zip(trained, summaries, strict=True)]
    shares = [speed / reference for speed, reference in pairs if reference]  # none where the motion is not trusted
    cells += [f"{np.mean([row[key] for row in trained]):.2f}" for key in ("return", "speed")]
    falls = sum(row["falls"] for row in trained), sum(row["episodes"] for row in trained)
    return [*cells, f"{np.mean(shares):.0%}" if shares else "-", f"{falls[0]:.0f}/{falls[1]}"]


def write_images(folder: Path, video: Video) -> None:
    """Write the frames of a video, unless they are there."""
    if folder.exists() and len(list(folder.iterdir())) == len(video.frames):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(video.frames):
        write_png(folder / f"{number:04d}.png", frame)


def recovery_cells(row: Case) -> list[str]:
    if "error" in row:
        return ["-"] * 5 + [f"no masks: {row['error'].splitlines()[0]}"]
    return [
        f"{row['leg_error_rad']:.3f}",
        f"{row['speed_error']:.1%}" if "speed_error" in row else "-",
        f"{row['overlap_mean']:.3f}",
        f"{row['masks']:.3f}",
        f"{row['cpu_seconds']:.0f}",
        "; ".join(reason.split(":")[0] for reason in row["reasons"]) or "yes",
    ]


def cpu_seconds() -> float:
    """CPU seconds of this process and of its finished child processes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
