"""Playback of a policy: one episode as a video with floor, shadows and light, or in MuJoCo's viewer."""

from __future__ import annotations

import time
from pathlib import Path

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import mujoco
import numpy as np

from nil_core.experiment.evaluator import Evaluator, deterministic_policy
from nil_core.experiment.experiment import Experiment, build_scene
from nil_core.experiment.open_run import OpenRun
from nil_core.reporting import Reporter
from nil_core.sim.gl_trouble import has_display
from nil_core.sim.renderer import Renderer
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Progress
from nil_core.video.files import write_video


def play(folder: Path, out: Path | None, seed: int, size: int, which: str, viewer: bool, reporter: Reporter) -> Path:
    """Roll out one episode of a run's policy and show it.

    Args:
        folder: the run folder.
        out: mp4 to write; default ``videos/play.mp4`` in the run.
        seed: of the start state.
        size: side of the video in pixels.
        which: ``newest`` or ``best`` checkpoint.
        viewer: also open MuJoCo's viewer if there is a display.
        reporter: receives messages and progress.

    Returns:
        the video's path.
    """
    run = OpenRun.open(folder)
    experiment = run.experiment
    evaluator = Evaluator(experiment, 1, seed)
    try:
        agent = run.policy(evaluator.env, which, evaluator.reward)
        episode = evaluator.episodes(deterministic_policy(agent))[0]
    finally:
        evaluator.close()
    path = out or run.folder.videos / "play.mp4"
    scene = build_scene(experiment.config, experiment.choice, size=size)
    write_video(path, draw(scene, episode.qpos, reporter.progress), experiment.reference.tick_hz)
    reporter.say(f"video: {path}")
    if viewer and has_display():
        show(experiment, episode.qpos)
    return path


def draw(scene: RobotScene, qpos: Doubles, progress: Progress) -> Frames:
    """Render poses (T, nq) with floor and shadows: uint8 (T, S, S, 3), S the scene's render size."""
    data, size = mujoco.MjData(scene.model), scene.render_size
    frames = np.empty((len(qpos), size, size, 3), np.uint8)
    renderer = Renderer(scene.model, size, scene.spec.camera, scene.spec.root, pretty=True)
    try:
        for i, pose in enumerate(qpos):
            data.qpos[:] = pose
            mujoco.mj_kinematics(scene.model, data)
            mujoco.mj_camlight(scene.model, data)
            renderer.draw(data, frames[i])
            progress(i + 1, len(qpos), "frames drawn")
    finally:
        renderer.close()
    return frames


def show(experiment: Experiment, qpos: Doubles) -> None:
    """Play poses in MuJoCo's viewer in a loop, until its window is closed."""
    import mujoco.viewer

    model = build_scene(experiment.config, experiment.choice, detailed=True).model
    data = mujoco.MjData(model)
    with mujoco.viewer.launch_passive(model, data) as window:
        while window.is_running():
            for pose in qpos:
                data.qpos[:] = pose
                mujoco.mj_forward(model, data)
                window.sync()
                time.sleep(1 / experiment.reference.tick_hz)
