"""What a run builds on the motion of its reference, and that it builds nothing where that is off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.config import resolve
from nil_core.errors import ConfigError
from nil_core.experiment import export
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.open_run import open_experiment
from nil_core.experiment.resume import resume
from nil_core.experiment.run import run
from nil_core.hooks import Hooks
from nil_core.reporting import Silent
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage.atomic import read_arrays
from nil_core.storage.run_folder import open_run
from nil_core.types import Motion
from nil_core.video.files import write_video

STEPS, STOP = 160, 80
LEARNING = [
    *("simulation.num_envs=4", "simulation.workers=2", "training.log_every=16", "training.eval_every=0"),
    *(
        "training.checkpoint_every=80",
        "agent.learning_starts=40",
        "agent.batch_size=16",
        "agent.initial_std=1",
        "evaluation.episodes=2",
    ),
]
LAST = f"step-{STEPS:09d}"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the generator's own motion, with everything that may be built on it."""
    sets = [*LEARNING, "motion.source=generator", "motion.max_deviation=0.3"]
    config = resolve("smoke", options={"steps": STEPS}, sets=sets).config
    return run(config, tmp_path_factory.mktemp("motion") / "run", reporter=Silent(), hooks=Hooks()).folder


@pytest.fixture
def experiment(learned: Path) -> Experiment:
    return open_experiment(*open_run(learned), encoder=False)


def summary(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return read


def with_motion(experiment: Experiment, **settings: Any) -> Experiment:
    motion = experiment.config.motion.model_copy(update=settings)
    return replace(experiment, config=experiment.config.model_copy(update={"motion": motion}))


def test_resumed_at_a_checkpoint_it_is_the_same_to_the_bit(learned: Path, tmp_path: Path) -> None:
    states = read_arrays(learned / "checkpoints" / LAST / "loop.npz")["environments"]
    assert states["failures"].shape == (4, 8) and states["failures"].any(), "some episode failed"
    folder = Path(shutil.copytree(learned, tmp_path / "resumed", ignore=shutil.ignore_patterns(LAST)))
    opened, config = open_run(folder)
    opened.write_config(config.model_copy(update={"simulation": config.simulation.model_copy(update={"workers": 0})}))
    opened.write_status("learning", STOP)
    opened.summary.unlink()
    assert resume(folder, reporter=Silent(), hooks=Hooks()).finished
    assert (folder / "metrics.jsonl").read_bytes() == (learned / "metrics.jsonl").read_bytes()
    for name in ("state.safetensors", "state.json", "replay.safetensors"):
        mine, theirs = (each / "checkpoints" / LAST / "agent" / name for each in (folder, learned))
        assert mine.read_bytes() == theirs.read_bytes(), name
    one, other = (read_arrays(each / "checkpoints" / LAST / "loop.npz") for each in (folder, learned))
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    assert summary(folder)["policies"] == summary(learned)["policies"]


def test_standing_still_is_what_it_is_without_a_motion(learned: Path, tmp_path: Path) -> None:
    """The baselines of a run with actions about its motion, beside those of one without."""
    config = open_run(learned)[1]
    plain = config.model_copy(update={"motion": config.motion.model_copy(update={"source": "none"}), "steps": 16})
    without = summary(run(plain, tmp_path / "plain", reporter=Silent(), hooks=Hooks()).folder)
    found = summary(learned)
    assert list(found["policies"]) == ["trained", "standing", "base", "random"]
    assert list(without["policies"]) == ["trained", "standing", "random"]
    assert found["policies"]["standing"] == without["policies"]["standing"]
    assert found["policies"]["base"]["return"] > found["policies"]["standing"]["return"]
    trained, standing = (found["policies"][name]["return"] for name in ("trained", "standing"))
    assert found["return_over_zero"] == pytest.approx(trained / standing - 1)
    assert found["motion"] == {
        "source": "generator",
        "trusted": True,
        "base": True,
        "start_share": 0.8,
        "max_deviation": 0.3,
    }
    assert without["motion"] is None and without["reference_speed"] == found["reference_speed"] > 0


def test_policies_are_tried_from_rest(experiment: Experiment) -> None:
    assert experiment.training_env_spec.starts is not None and experiment.training_env_spec.deviation is not None
    assert experiment.env_spec.starts is None and experiment.env_spec.deviation is None
    assert (
        experiment.env_spec.base is not None and (experiment.env_spec.base == experiment.training_env_spec.base).all()
    )
    with (
        VectorEnv(experiment.training_env_spec, 2, 0, 0, render=False) as training,
        VectorEnv(experiment.env_spec, 2, 0, 0, render=False) as trying,
    ):
        assert "failures" in training.state().dtype.names and "failures" not in trying.state().dtype.names
        started = {tick for _ in range(8) for tick in training.reset().start_tick.tolist()}
        assert len(started) > 3
        for _ in range(8):
            assert not trying.reset().start_tick.any()
            rest = trying.buffers.qpos - experiment.scene.standing_qpos
            assert np.abs(rest).max() <= experiment.config.environment.reset_noise


def test_each_part_is_a_switch(experiment: Experiment) -> None:
    assert with_motion(experiment, base=False).env_spec.base is None
    assert with_motion(experiment, start_share=0.0).training_env_spec.starts is None
    assert with_motion(experiment, max_deviation=None).training_env_spec.deviation is None
    uniform = with_motion(experiment, start_adaptive=False).training_env_spec.starts
    assert uniform is not None and not uniform.adaptive
    off = with_motion(experiment, source="none")
    for plan in (off.env_spec, off.training_env_spec):
        assert (plan.base, plan.starts, plan.deviation) == (None, None, None)
    torque = experiment.config.environment.model_copy(update={"control": "torque"})
    assert (
        replace(experiment, config=experiment.config.model_copy(update={"environment": torque})).env_spec.base is None
    )


@pytest.mark.parametrize("preset", ["paper", "paper-v1"])
def test_the_papers_presets_build_nothing_on_a_motion(experiment: Experiment, preset: str) -> None:
    assert resolve(preset).config.motion.source == "none"
    off = replace(experiment, config=experiment.config.model_copy(update={"motion": resolve(preset).config.motion}))
    assert off.motion is None and not off.has_base
    for plan in (off.env_spec, off.training_env_spec):
        assert (plan.base, plan.starts, plan.deviation) == (None, None, None)


def test_a_motion_that_is_not_trusted_is_ignored_unless_asked_for(experiment: Experiment) -> None:
    assert experiment.reference.motion is not None
    doubtful = Motion(experiment.reference.motion.qpos, "video", trusted=False)
    ignoring = replace(
        experiment, reference=replace(experiment.reference, motion=doubtful, trajectory=None, target_speed=None)
    )
    assert ignoring.motion is None and ignoring.training_env_spec.starts is None and not ignoring.has_base
    assert ignoring.target_speed is None and ignoring.reference_speed is None
    using = with_motion(ignoring, untrusted="use")
    assert using.motion is doubtful and using.has_base
    qpos, hz = doubtful.qpos, using.reference.tick_hz
    assert using.reference_speed == pytest.approx((qpos[-1, 0] - qpos[0, 0]) / (len(qpos) - 1) * hz)
    assert using.target_speed is not None and using.target_speed > using.reference_speed, "it starts from rest"


def test_the_speed_that_somebody_knows_comes_first(experiment: Experiment) -> None:
    assert experiment.target_speed == experiment.reference.target_speed is not None
    evaluation = experiment.config.evaluation.model_copy(update={"target_speed": 0.3})
    assert (
        replace(experiment, config=experiment.config.model_copy(update={"evaluation": evaluation})).target_speed == 0.3
    )


def test_an_exported_policy_says_what_it_acts_about(experiment: Experiment, learned: Path) -> None:
    facts = json.loads(json.dumps(export.facts(experiment)))
    environment = export.environment_of(learned)
    assert len(facts["base"]) == facts["control_steps"] == environment.env_spec.control_steps
    environment.reset()
    scales = np.array([joint["scale"] for joint in facts["joints"]])
    for step, action in enumerate(np.random.default_rng(0).uniform(-0.1, 0.1, (3, 12)).astype(np.float32)):
        environment.step(action)
        assert environment.data.ctrl == pytest.approx(facts["base"][step] + scales * action, abs=1e-9)
    assert export.facts(with_motion(experiment, base=False))["base"] is None


def test_played(learned: Path, nil: Callable[..., Any], tmp_path: Path) -> None:
    outcome = nil("play", learned, "--no-viewer", "--size", "64", "--out", tmp_path / "play.mp4")
    assert outcome.code == 0 and (tmp_path / "play.mp4").exists(), outcome.err


def test_a_film_has_no_motion_of_its_generators(nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path) -> None:
    frames = np.full((20, 64, 64, 3), 255, np.uint8)
    frames[:, 20:50, 10:50] = 90
    frames[10:, 20:50, 10:30] = 200
    write_video(tmp_path / "film.mp4", frames, 25.0)
    options = ["--generator", "file", "--set", "generator.path=film.mp4", "--segmenter", "chroma"]
    outcome = nil("run", *fast, *options, "--set", "motion.source=generator", "--out", "run")
    outcome.complains("motion.source=generator needs a video whose generator knows the motion", "motion.source=none")
    assert not (tmp_path / "run").exists()


def test_torque_control_has_no_base(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"motion\.base needs PD control"):
        resolve(sets=["environment.control=torque", "motion.base=true"])
    with pytest.raises(ConfigError, match=r"motion\.base needs PD control"):
        resolve("paper", options={"motion.base": True})
    assert resolve(sets=["environment.control=torque"]).config.motion.base, "not applied, and no error"
    (tmp_path / "config.toml").write_text(resolve("paper").config.to_toml())
    resolve(file=tmp_path / "config.toml")
