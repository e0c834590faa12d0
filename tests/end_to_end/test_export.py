"""``nil export``: the file acts as the agent does, says what a program must know, and is refused where it would lie."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.config import Component, resolve
from nil_core.experiment import export
from nil_core.experiment.export import environment_of
from nil_core.experiment.open_run import load_policy, open_experiment
from nil_core.experiment.run import run as make_run
from nil_core.reporting import Silent
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage import digests
from nil_core.storage.run_folder import open_run


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best policy is another than its newest, by what they do."""
    config = resolve("smoke", sets=["simulation.workers=0", "agent.batch_size=16"]).config
    folder = make_run(config, tmp_path_factory.mktemp("runs") / "walk", reporter=Silent()).folder
    shutil.copytree(folder / "checkpoints" / "step-000000080" / "agent", folder / "first")
    shutil.rmtree(folder / "checkpoints" / "best" / "agent")
    best = folder / "checkpoints" / "best"
    (folder / "first").rename(best / "agent")
    digests.record(best, [file.relative_to(best).as_posix() for file in best.glob("agent/*")])
    return folder


@pytest.fixture
def run(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "walk"))


def acted(folder: Path, which: str, observations: Any) -> Any:
    """What the agent itself does."""
    opened, config = open_run(folder)
    experiment = open_experiment(opened, config, encoder=False)
    with VectorEnv(experiment.env_spec, 1, 0, 0, render=False) as simulation:
        return load_policy(opened, experiment, simulation, which).act(observations, explore=False)


def some_observations(folder: Path) -> Any:
    size = environment_of(folder).task_.observer.size
    return np.random.default_rng(5).normal(size=(64, size)).astype(np.float32)


def test_onnx(run: Path, nil: Callable[..., Any]) -> None:
    outcome = nil("export", run)
    assert outcome.code == 0, outcome.err
    assert "it acts as the agent does, but for " in outcome.out and f"policy: {run / 'policy.onnx'}" in outcome.out
    session = onnxruntime.InferenceSession(str(run / "policy.onnx"))
    rows = some_observations(run)
    for some in (rows, rows[:1]):
        actions = session.run(["action"], {"observation": some})[0]
        assert actions.dtype == np.float32 and np.abs(actions - acted(run, "newest", some)).max() < 1e-5
    facts = json.loads(session.get_modelmeta().custom_metadata_map["nil"])
    check_facts(facts, run)
    assert (facts["run"], facts["checkpoint"]) == ("walk", "newest")


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        (("--opset", "12", "--ir-version", "6"), (12, 6)),
        (("--opset", "7"), (7, 3)),
        (("--ir-version", "8"), (18, 8)),
    ],
)
def test_versions_for_an_old_runtime(
    asked: tuple[str, ...], versions: tuple[int, int], run: Path, nil: Callable[..., Any]
) -> None:
    outcome = nil("export", run, *asked)
    assert outcome.code == 0, outcome.err
    assert f"opset {versions[0]}, IR version {versions[1]}: " in outcome.out
    model = onnx.load(run / "policy.onnx")
    assert [(known.domain, known.version) for known in model.opset_import] == [("", versions[0])]
    assert model.ir_version == versions[1]
    assert not any(node.metadata_props for node in model.graph.node), "which only IR version 10 has"
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(str(run / "policy.onnx"))
    rows = some_observations(run)
    for some in (rows, rows[:1]):
        assert np.abs(session.run(["action"], {"observation": some})[0] - acted(run, "newest", some)).max() < 1e-5
    check_facts(json.loads(session.get_modelmeta().custom_metadata_map["nil"]), run)


def test_versions_that_cannot_be_had(
    run: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class New(torch.nn.Module):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            return observations.unflatten(1, (1, -1)).squeeze(1)  # torch has no opset for it before 13

    nil("export", run, "--opset", "6").complains("there is no opset 6 to write: onnxruntime reads 7", "--opset 7")
    nil("export", run, "--opset", "900").complains("there is no opset 900 to write", "--opset")
    nil("export", run, "--ir-version", "2").complains("there is no IR version 2 to write", "--ir-version 3")
    nil("export", run, "--opset", "18", "--ir-version", "3").complains("opset 18 with IR version 3", "docs/export.md")
    nil("export", run, "--opset", "12", "--format", "torchscript").complains("versions of ONNX", "--format onnx")
    monkeypatch.setattr(SoftActorCritic, "network", lambda self: New())
    outcome = nil("export", run, "--opset", "12")
    outcome.complains("cannot be had in opset 12 with IR version 7: ", "--opset 18")
    assert "unflatten" in outcome.err
    assert "Torch IR graph" not in outcome.out + capfd.readouterr().out
    assert not list(run.glob("policy*"))


def test_torchscript_of_the_best_policy(run: Path, nil: Callable[..., Any]) -> None:
    outcome = nil("export", run, "--format", "torchscript", "--checkpoint", "best", "--out", "new/best.pt")
    assert outcome.code == 0, outcome.err
    extra = {"nil.json": ""}
    policy = torch.jit.load("new/best.pt", _extra_files=extra)
    rows = some_observations(run)
    actions = policy(torch.from_numpy(rows)).detach().numpy()
    assert np.abs(actions - acted(run, "best", rows)).max() < 1e-5
    assert np.abs(actions - acted(run, "newest", rows)).max() > 1e-4, "the newest is another"
    facts = json.loads(extra["nil.json"])
    check_facts(facts, run)
    assert facts["checkpoint"] == "best"


def test_a_checkpoint_that_the_learning_process_removes_meanwhile(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some_observations(run)
    expected = acted(run, "newest", rows)
    (newest,) = (run / "checkpoints").glob("step-*160")
    load, loaded = SoftActorCritic.load, []

    def late(agent: SoftActorCritic, folder: Path) -> None:
        if not loaded:
            newest.rename(newest.with_name("step-000000320"))
        loaded.append(folder.parent.name)
        load(agent, folder)

    monkeypatch.setattr(SoftActorCritic, "load", late)
    np.testing.assert_array_equal(acted(run, "newest", rows), expected)
    assert loaded == ["step-000000160", "step-000000320"]


def check_facts(facts: dict[str, Any], folder: Path) -> None:
    """What the file says is enough to act as the environment does."""
    environment = environment_of(folder)
    scene = environment.env_spec.scene
    assert (facts["robot"], facts["skill"], facts["agent"]["name"]) == ("a1", "walking", "sac")
    assert (facts["control"], facts["control_hz"], facts["timestep"]) == ("pd", 25.0, 0.004)
    names = [joint["name"] for joint in facts["joints"]]
    assert names == [scene.model.actuator(i).name for i in range(scene.model.nu)]
    step = environment.reset()
    observation, action = environment.observe(step), np.linspace(-1, 1, 12).astype(np.float32)
    parts = {part["name"]: observation[part["start"] : part["stop"]] for part in facts["observation"]}
    assert sum(map(len, parts.values())) == len(observation)
    homes = np.array([joint["home"] for joint in facts["joints"]])
    addresses = [scene.model.joint(name).qposadr[0] for name in names]
    assert parts["joint_positions"] == pytest.approx(environment.data.qpos[addresses] - homes, abs=1e-6)
    assert parts["preview"] == pytest.approx(facts["preview"][0], abs=1e-5)
    environment.step(action)
    added = np.array([joint["scale"] for joint in facts["joints"]]) * action
    assert environment.data.ctrl == pytest.approx(facts["base"][0] + added, abs=1e-6)
    assert len(facts["preview"]) == facts["control_steps"] + 1 == 11
    for joint in facts["joints"]:
        model = scene.model.actuator(joint["name"])
        assert model.forcerange.tolist() == [-joint["torque_limit"], joint["torque_limit"]]
        assert (model.gainprm[0], -model.biasprm[2]) == (joint["kp"], joint["kd"])


def test_a_file_that_would_act_otherwise_is_not_left(
    run: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nil_agent_sac.soft_actor_critic import SoftActorCritic

    right = SoftActorCritic.network

    def wrong(self: SoftActorCritic) -> torch.nn.Module:
        network = deepcopy(right(self))
        network.actor.layers[-1].bias.data[0] += 1e-3
        return network

    monkeypatch.setattr(SoftActorCritic, "network", wrong)
    before = sorted(path.name for path in run.iterdir())
    outcome = nil("export", run)
    outcome.complains("the exported policy differs from the agent's by up to", "report it", code=1)
    assert sorted(path.name for path in run.iterdir()) == before


def test_what_cannot_be_exported(run: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nil("export", ".").complains("is no run folder", "nil runs list")
    assert nil("export", run, "--format", "pickle").code == 2
    monkeypatch.setattr(export, "find_spec", lambda module: None if module == "onnxscript" else True)
    nil("export", run).complains("--format onnx needs onnxscript", 'pip install "nil-core[export]"')
    opened, config = open_run(run)
    opened.write_config(config.model_copy(update={"agent": Component(name="zero")}))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["versions"]["nil-core"] = manifest["versions"].pop("nil-agent-sac")
    (run / "manifest.json").write_text(json.dumps(manifest))
    nil("export", run).complains("the agent zero has no network to export", "nil plugins show")
    assert not (run / "policy.onnx").exists()
