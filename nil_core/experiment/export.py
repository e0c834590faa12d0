"""``nil export``: a run's policy as one file for other programs, with all that they must know to act by it."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import numpy as np

from nil_core.card import Capability
from nil_core.errors import ConfigError, NumericalError, PluginError
from nil_core.evaluation.rollout import rollout
from nil_core.experiment.evaluator import EVALUATION_SEED, deterministic_policy
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.open_run import OpenRun
from nil_core.experiment.policy_files import FORMATS, Act, onnx_versions, quiet_exporter
from nil_core.interfaces import Agent
from nil_core.reporting import Reporter
from nil_core.reward.cards import EnvironmentOptions
from nil_core.reward.environment import EnvironmentReward
from nil_core.sim.environment import ImitationEnvironment
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage.atomic import writing
from nil_core.types import Floats

TOLERANCE = 1e-5
"""By how much an exported action, which lies in [-1, 1], may differ from the agent's: float32 in another order."""

RANDOM_OBSERVATIONS = 256


def export(
    folder: Path,
    form: str,
    out: Path | None,
    which: str,
    reporter: Reporter,
    opset: int | None = None,
    ir_version: int | None = None,
) -> Path:
    """Write the mode of a run's policy, checked against the agent on random observations and on those of an episode.

    The file maps ``observation``, float32 (B, obs) as the environment gives it, to ``action``, float32 (B, act) in
    [-1, 1]; whatever the agent scales is inside. Its metadata ``nil`` is what :func:`facts` gives, as JSON.

    Args:
        folder: of the run.
        form: a key of :data:`FORMATS`.
        out: file to write; default ``policy.onnx`` or ``policy.pt`` in the run.
        which: ``newest`` or ``best`` checkpoint.
        reporter: who to tell.
        opset: of ONNX, for an old runtime; default what torch writes.
        ir_version: of the ONNX file, likewise; one of the two settles the other.

    Returns:
        the file's path.

    Raises:
        RunError: no run, or none that this installation can open.
        ConfigError: an unknown format, an agent that has no network to give, or versions that cannot be had.
        PluginError: a module is not installed.
        NumericalError: the file acts otherwise than the agent; nothing is written.
    """
    if form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}", f"formats: {', '.join(FORMATS)}")
    chosen_format = FORMATS[form]
    if form != "onnx" and (opset, ir_version) != (None, None):
        raise ConfigError(
            f"--opset and --ir-version are versions of ONNX, and --format {form} has none",
            "leave them out, or write ONNX: --format onnx",
        )
    run = OpenRun.open(folder, encoder=False)
    experiment = run.experiment
    chosen = experiment.choice["agent"]
    if not chosen.can(Capability.EXPORTS):
        raise ConfigError(
            f"the agent {chosen.name} has no network to export",
            "`nil plugins show NAME` names `exports` among the capabilities of an agent that has one",
        )
    if missing := [module for module in chosen_format.needs if find_spec(module) is None]:
        raise PluginError(f"--format {form} needs {', '.join(missing)}", 'pip install "nil-core[export]"')
    versions = onnx_versions(opset, ir_version)
    with VectorEnv(experiment.env_spec, 1, 0, EVALUATION_SEED, render=False) as env:
        agent: Any = run.policy(env, which)
        met = _observations(env, agent, experiment.env_spec.control_steps)
    size = env.observation_size
    random = np.random.default_rng(0).normal(size=(RANDOM_OBSERVATIONS, size)).astype(np.float32)
    path = out or run.folder.path / f"policy{chosen_format.suffix}"
    with writing(path) as temporary:
        described = json.dumps(facts(experiment) | {"run": run.folder.path.resolve().name, "checkpoint": which})
        with quiet_exporter():
            chosen_format.write(deepcopy(agent.network()).cpu().eval(), size, described, temporary, versions)
        act = chosen_format.read(temporary)
        differences = {
            "episode": _difference(act, agent, met),
            "random": _difference(act, agent, random),
            "single": _difference(act, agent, met[:1]),
        }
        if not max(differences.values()) <= TOLERANCE:
            raise NumericalError(
                f"the exported policy differs from the agent's by up to {max(differences.values()):.1e}",
                f"more than {TOLERANCE:g} is no rounding: please report it, with the versions that `nil doctor` prints",
            )
    reporter.say(
        f"it acts as the agent does, but for {differences['episode']:.1e} on {len(met)} observations of an episode and "
        f"{differences['random']:.1e} on {len(random)} random ones"
    )
    if versions:
        reporter.say(f"opset {versions.opset}, IR version {versions.ir}: ONNX's checker and onnxruntime accept it")
    reporter.say(f"policy: {path}")
    return path


def facts(experiment: Experiment) -> dict[str, Any]:
    """What a program must know to act by a policy, JSON values only.

    Angles are rad, times s, torques N m. An action a in [-1, 1] becomes the control ``stand + scale * a`` of each
    joint, in the order of ``joints``: a PD target with gains ``kp`` and ``kd``, or a torque. Where ``base`` is not
    None, the control at control step k is ``base[k] + scale * a`` instead. ``preview`` has a row for each control step:
    what the part ``preview`` of the observation then holds.
    """
    scene, settings, spec = experiment.scene, experiment.config.environment, experiment.env_spec
    observer = spec.observer()
    home = scene.standing_qpos[observer.qpos_addresses]
    joints = [
        {
            "name": actuator.joint,
            "home": float(home[i]),
            "stand": float(scene.standing_ctrl[i]),
            "scale": float(scene.action_scale[i]),
            "kp": actuator.kp,
            "kd": actuator.kd,
            "torque_limit": actuator.torque_limit,
        }
        for i, actuator in enumerate(scene.spec.actuators)
    ]
    return {
        "nil_version": version("nil-core"),
        "robot": scene.spec.name,
        "skill": experiment.config.skill,
        "agent": experiment.choice["agent"].described(),
        "control": settings.control,
        "control_hz": settings.control_hz,
        "timestep": settings.timestep,
        "control_steps": spec.control_steps,
        "standing_height": float(scene.standing_qpos[2]),
        "joints": joints,
        "base": None if spec.base is None else spec.base.tolist(),
        "observation": [
            {"name": name, "start": where.start, "stop": where.stop, "meaning": observer.meanings[name]}
            for name, where in observer.layout.items()
        ],
        "preview": [[float(f"{x:.6g}") for x in observer.coming(step)] for step in range(spec.control_steps + 1)],
    }


def environment_of(folder: Path, seed: int = 0) -> ImitationEnvironment:
    """The environment of a run, without pictures: a ``dm_env.Environment`` to try an exported policy in.

    Raises:
        RunError: no run, or none that this installation can open.
    """
    return ImitationEnvironment(OpenRun.open(folder, encoder=False).experiment.env_spec, seed)


def _observations(env: VectorEnv, agent: Agent, steps: int) -> Floats:
    """The observations (steps, obs) that the agent meets in an episode."""
    reward = EnvironmentReward(EnvironmentOptions())
    return rollout(env, env.state(), reward, deterministic_policy(agent), steps)[0].observations


def _difference(act: Act, agent: Agent, observations: Floats) -> float:
    """The largest in any action; NaN where one is NaN."""
    return float(np.abs(act(observations) - agent.act(observations, explore=False)).max())
