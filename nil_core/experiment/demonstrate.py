"""Demonstrations as files: from recordings, from a run's policy, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import numpy as np

from nil_core import registry
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.demonstrations.files import check_demonstrations, check_output, read_demonstrations, write_demonstrations
from nil_core.demonstrations.motions import READER
from nil_core.demonstrations.recordings import HZ, SECONDS, from_generator, from_recordings
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.errors import ConfigError
from nil_core.evaluation.locomujoco import FULL_STEPS, QUADRUPED_SPEEDS, SPEEDS, is_quadruped, rewards
from nil_core.experiment.evaluator import EVALUATION_SEED
from nil_core.experiment.experiment import Experiment, build_scene
from nil_core.experiment.open_run import OpenRun
from nil_core.experiment.play import draw
from nil_core.interfaces import Agent
from nil_core.reporting import Lines, Reporter
from nil_core.sim.scene import RobotScene
from nil_core.sim.vector_env import VectorEnv
from nil_core.types import Doubles, Floats
from nil_core.video.files import write_video

VIDEO_HZ = 25.0
VIDEO_SIZE = 320  # pixels; a software renderer needs 0.1 s a frame and more
VIDEO_SECONDS = 10.0  # of all trajectories together
SHOWN_JOINTS = 6  # by name, in a line that a terminal can show


def make_demonstrations(
    recordings: Sequence[Path],
    out: Path,
    config: RunConfig | None = None,
    seconds: float | None = None,
    hz: float = HZ,
    reporter: Reporter | None = None,
) -> Demonstrations:
    """Write a file of demonstrations from recordings of a robot, and from other such files, which are joined.

    Args:
        recordings: files of any layout that the generator ``mocap`` reads; none: the motion that the config's
            generator draws, of the config's skill.
        out: npz to write.
        config: gives the robot and, where its generator is ``mocap``, how the recordings are read.
        seconds: of each trajectory; default ``video.seconds`` of the config, else 10.
        hz: rows per second.
        reporter: who to tell.

    Raises:
        ConfigError: ``out`` is one of the recordings, or there are none and the generator makes videos only.
        DataError: a file that cannot be read, or is of another robot; nothing is written.
    """
    config, reporter = config or RunConfig(), reporter or Lines()
    if out.resolve() in [path.resolve() for path in recordings]:
        raise ConfigError(f"{out} would be written over a file that it is made from", "choose another --out")
    check_output(out)
    options = config.generator.options if config.generator.name == READER else {}
    scene = build_scene(config, choose(config))
    seconds = seconds or config.video.seconds or SECONDS
    if recordings:
        made = from_recordings(recordings, scene, options, seconds, hz)
    else:
        generator = config.generator
        made = from_generator(generator.name, scene, generator.options, config.skill, seconds, hz)
    write_demonstrations(out, made)
    reporter.say(f"{_in_words(made)}: {out}")
    return made


def record(
    folder: Path,
    out: Path,
    episodes: int = 10,
    seed: int = 0,
    which: str = "newest",
    explore: bool = False,
    reporter: Reporter | None = None,
) -> Demonstrations:
    """Write a file of demonstrations of a run's policy, with observations and actions, at the control rate.

    Args:
        folder: of the run.
        out: npz to write.
        episodes: trajectories; as evaluations they start at rest.
        seed: of the start states.
        which: ``newest`` or ``best`` checkpoint.
        explore: act as in training, not deterministically.
        reporter: who to tell.

    Raises:
        ConfigError: ``out`` is a folder, or a file that holds no demonstrations.
        RunError: no run, or none that this installation can open.
    """
    reporter = reporter or Lines()
    check_output(out)
    run = OpenRun.open(folder, encoder=False)
    experiment = run.experiment
    with VectorEnv(experiment.env_spec, episodes, 0, EVALUATION_SEED + seed, render=False) as env:
        agent = run.policy(env, which)
        trajectories = _roll_out(env, agent, experiment.env_spec.control_steps, explore, reporter)
        layout = env.layout
    columns = [np.concatenate(column) for column in zip(*trajectories, strict=True)]
    made = Demonstrations(
        robot=experiment.scene.spec.name,
        joints=tuple(actuator.joint for actuator in experiment.scene.spec.actuators),
        hz=experiment.config.environment.control_hz,
        lengths=np.array([len(trajectory[0]) for trajectory in trajectories], np.int64),
        qpos=columns[0],
        qvel=columns[1],
        actions=columns[2],
        observations=columns[3],
        layout=layout,
        provenance=_provenance(run, which, explore),
    )
    write_demonstrations(out, made)
    if experiment.has_base:
        reporter.warn("actions are corrections to the motion of the run's reference: only states serve other runs")
    reporter.say(f"{_in_words(made)}: {out}")
    return made


def _provenance(run: OpenRun, which: str, explore: bool) -> dict[str, Any]:
    experiment: Experiment = run.experiment
    return {
        "kind": "policy",
        "run": run.folder.path.resolve().name,
        "checkpoint": which,
        "explore": explore,
        "agent": experiment.choice["agent"].described(),
        "actions_about": "motion" if experiment.has_base else "standing pose",
        "control": experiment.config.environment.control,
    }


def _roll_out(
    env: VectorEnv, agent: Agent, horizon: int, explore: bool, reporter: Reporter
) -> list[tuple[Any, Any, Floats, Floats]]:
    """qpos, qvel, actions and observations of one episode in each environment; a row for each control step, and one."""
    buffers = env.reset()
    rows: list[list[tuple[Any, ...]]] = [[] for _ in range(env.num_envs)]
    running = np.ones(env.num_envs, np.bool_)
    states = [(buffers.start_qpos[i].copy(), buffers.start_qvel[i].copy()) for i in range(env.num_envs)]
    observations = buffers.observations.copy()
    for step in range(horizon):
        actions = agent.act(observations, explore=explore)
        buffers = env.step(actions)
        for i in np.flatnonzero(running):
            rows[i].append((*states[i], actions[i].copy(), observations[i].copy()))
            states[i] = buffers.qpos[i].copy(), buffers.qvel[i].copy()
            if buffers.ended[i] or step == horizon - 1:
                rows[i].append((*states[i], np.zeros_like(actions[i]), buffers.final_observations[i].copy()))
                running[i] = False
        observations = buffers.observations.copy()
        reporter.progress(step + 1, horizon, "control steps recorded")
        if not running.any():
            break
    return [tuple(np.stack(column) for column in zip(*each, strict=True)) for each in rows]  # type: ignore[misc]


def show_demonstrations(
    file: Path,
    video: Path | None = None,
    config: RunConfig | None = None,
    size: int = VIDEO_SIZE,
    seconds: float | None = VIDEO_SECONDS,
    reporter: Reporter | None = None,
) -> Demonstrations:
    """Report what a file of demonstrations holds, and draw it.

    Args:
        file: of :func:`make_demonstrations` or :func:`record`.
        video: mp4 to write, trajectories one after another; None: none.
        config: gives the robot of the video; default: that of the file, by name.
        size: side of the video in pixels.
        seconds: length of the video: of each trajectory an equal part, from its start; None: all of them.
        reporter: who to tell.

    Raises:
        DataError: the file cannot be read, or is of another robot.
        PluginError: the robot is not installed.
    """
    reporter = reporter or Lines()
    found = read_demonstrations(file)
    facts = _facts(found)
    scene = None
    if config or video or found.robot in registry.names("robot"):
        config = config or RunConfig.model_validate({"robot": found.robot})
        scene = build_scene(config, choose(config), size=size if video else None)
        check_demonstrations(found, scene.spec, scene.model, str(file))
        facts["LocoMuJoCo's reward of 400"] = _rewards(found, scene)
    reporter.facts(str(file), facts)
    if video is not None and scene is not None:
        stride = max(1, round(found.hz / VIDEO_HZ))
        poses = _shown_poses(found, stride, seconds)
        write_video(video, draw(scene, poses, reporter.progress), found.hz / stride)
        shown = (len(poses) - len(found)) * stride / found.hz
        is_cut = shown < found.seconds - len(found) * stride / found.hz
        reporter.say(f"video: {video}" + (f", {shown:.3g} of {found.seconds:.3g} s (--seconds)" if is_cut else ""))
    return found


def _shown_poses(found: Demonstrations, stride: int, seconds: float | None) -> Doubles:
    """Poses (T, nq) of the start of each trajectory, every ``stride``-th row; together as long as asked for."""
    rows = None if seconds is None else max(2, round(seconds * found.hz / len(found)) + 1)
    return np.concatenate([found.trajectory(number).qpos[:rows:stride] for number in range(len(found))])


def _facts(found: Demonstrations) -> dict[str, str]:
    joints = ", ".join(found.joints[:SHOWN_JOINTS])
    more = len(found.joints) - SHOWN_JOINTS
    seconds = (found.lengths - 1) / found.hz
    each = f", {seconds.min():.3g} to {seconds.max():.3g} s each" if len(found) > 1 else ""
    facts = {
        "robot": found.robot,
        "trajectories": f"{len(found)}{each}",
        "seconds": f"{found.seconds:.3g} at {found.hz:g} Hz, {found.rows} rows",
        "speed": f"{found.speed:.2f} m/s forward on average",
        "joints": f"{len(found.joints)}: {joints}" + (f" and {more} more" if more > 0 else ""),
        "actions": "no" if found.actions is None else "yes",
        "observations": "no" if found.observations is None else f"yes, of {found.observations.shape[1]} numbers",
    }
    parts = found.provenance.get("parts", [found.provenance])
    return facts | {f"source{f' {n}' if len(parts) > 1 else ''}": _source(part) for n, part in enumerate(parts)}


def _rewards(found: Demonstrations, scene: RobotScene) -> str:
    """What an expert gets that moves as the demonstrations do."""
    quadruped = is_quadruped(scene)
    speeds = [*SPEEDS.values(), *(QUADRUPED_SPEEDS.values() if quadruped else ()), found.speed]
    sums = [FULL_STEPS * float(rewards(found.qvel[:, :2], speed, quadruped).mean()) for speed in speeds]
    return ", ".join(f"{value:.1f} at {speed:.4g} m/s" for value, speed in zip(sums, speeds, strict=True))


def _source(provenance: dict[str, Any]) -> str:
    """Where a part comes from, in words."""
    if provenance.get("kind") == "policy":
        explored = ", exploring" if provenance.get("explore") else ""
        return f"policy of run {provenance.get('run')}, {provenance.get('checkpoint')} checkpoint{explored}"
    if provenance.get("kind") == "recording":
        repeated = "; continued by its gait cycle" if "period" in provenance else ""
        return f"recording {provenance.get('source')}{repeated}"
    if provenance.get("kind") == "generator":
        return f"{provenance.get('skill', 'motion')} of the generator {provenance.get('generator')}"
    return str(provenance.get("kind", "unknown"))


def _in_words(made: Demonstrations) -> str:
    count = f"{len(made)} trajector{'y' if len(made) == 1 else 'ies'}"
    return f"{count} of {made.robot}, {made.seconds:.3g} s, {made.speed:.2f} m/s"
