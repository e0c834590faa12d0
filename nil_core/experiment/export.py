"""``nil export``: a run's policy as one file for other programs, with all that they must know to act by it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import numpy as np

from nil_core.card import Capability
from nil_core.errors import ConfigError, NumericalError, PluginError
from nil_core.evaluation.rollout import rollout
from nil_core.experiment.evaluator import EVALUATION_SEED, deterministic_policy
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.open_run import OpenRun
from nil_core.interfaces import Agent
from nil_core.reporting import Reporter
from nil_core.reward.cards import EnvironmentOptions
from nil_core.reward.environment import EnvironmentReward
from nil_core.sim.environment import ImitationEnvironment
from nil_core.sim.observation import Observer
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage.atomic import writing
from nil_core.types import Floats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

TOLERANCE = 1e-5
"""By how much an exported action, which lies in [-1, 1], may differ from the agent's: float32 in another order."""

RANDOM_OBSERVATIONS = 256
FACTS = "nil"  # the name of the metadata in the file
Act = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Format:
    """A kind of file: its suffix, the modules it needs, how it is written and how it is read back."""

    suffix: str
    needs: tuple[str, ...]
    write: Callable[[nn.Module, int, str, Path], None]
    read: Callable[[Path], Act]


def export(folder: Path, form: str, out: Path | None, which: str, reporter: Reporter) -> Path:
    """Write the mode of a run's policy, checked against the agent on random observations and on those of an episode.

    The file maps ``observation``, float32 (B, obs) as the environment gives it, to ``action``, float32 (B, act) in
    [-1, 1]; whatever the agent scales is inside. Its metadata ``nil`` is what :func:`facts` gives, as JSON.

    Args:
        folder: of the run.
        form: a key of :data:`FORMATS`.
        out: file to write; default ``policy.onnx`` or ``policy.pt`` in the run.
        which: ``newest`` or ``best`` checkpoint.
        reporter: who to tell.

    Returns:
        the file's path.

    Raises:
        RunError: no run, or none that this installation can open.
        ConfigError: an unknown format, or an agent that has no network to give.
        PluginError: a module is not installed.
        NumericalError: the file acts otherwise than the agent; nothing is written.
    """
    if form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}", f"formats: {', '.join(FORMATS)}")
    chosen_format = FORMATS[form]
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
    with VectorEnv(experiment.env_spec, 1, 0, EVALUATION_SEED, render=False) as env:
        agent: Any = run.policy(env, which)
        met = _observations(env, agent, experiment.env_spec.control_steps)
    size = env.observation_size
    random = np.random.default_rng(0).normal(size=(RANDOM_OBSERVATIONS, size)).astype(np.float32)
    path = out or run.folder.path / f"policy{chosen_format.suffix}"
    with writing(path) as temporary:
        described = json.dumps(facts(experiment) | {"run": run.folder.path.resolve().name, "checkpoint": which})
        with _quiet():
            chosen_format.write(deepcopy(agent.network()).cpu().eval(), size, described, temporary)
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
    observer = Observer(scene, settings.observation, spec.ticks, spec.control_steps, spec.preview)
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


def _write_onnx(network: nn.Module, size: int, described: str, path: Path) -> None:
    import torch

    program = torch.onnx.export(
        network,
        (torch.zeros(2, size),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["observation"],
        output_names=["action"],
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props[FACTS] = described
    program.save(path)


def _read_onnx(path: Path) -> Act:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def act(observations: Floats) -> Floats:
        actions: Floats = session.run(["action"], {"observation": observations})[0]
        return actions

    return act


def _write_torchscript(network: nn.Module, size: int, described: str, path: Path) -> None:
    import torch

    traced = torch.jit.trace(network, torch.zeros(2, size), check_trace=False)  # type: ignore[no-untyped-call]
    traced.save(str(path), _extra_files={f"{FACTS}.json": described})


def _read_torchscript(path: Path) -> Act:
    import torch

    policy = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def act(observations: Floats) -> Floats:
        with torch.inference_mode():
            actions: Floats = policy(torch.from_numpy(observations)).numpy()
        return actions

    return act


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter warns of details of its own."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMATS: Mapping[str, Format] = {
    "onnx": Format(".onnx", ("torch", "onnxruntime", "onnxscript"), _write_onnx, _read_onnx),
    "torchscript": Format(".pt", ("torch",), _write_torchscript, _read_torchscript),
}
