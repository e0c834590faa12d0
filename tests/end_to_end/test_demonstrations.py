"""Demonstrations by command and call, and a run whose reward learns from them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core import evaluate, make_demonstrations, record, registry, resume, run
from nil_core.components import follow_components
from nil_core.config import RunConfig, resolve
from nil_core.demonstrations.files import read_demonstrations, write_demonstrations
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.errors import ConfigError, DataError
from nil_core.experiment.live_episodes import LiveEpisodes
from nil_core.experiment.open_run import OpenRun
from nil_core.hooks import Hooks
from nil_core.reporting import Silent
from nil_core.storage.atomic import read_arrays
from nil_core.study.grid import Row, StudySpec
from nil_core.testing import toy_demonstrations, toy_scene
from nil_core.video.files import read_video

pytestmark = pytest.mark.skipif("amp" not in registry.names("reward"), reason="the reward amp is not installed")

FAST = ("simulation.workers=0", "agent=zero", "evaluation.video_metrics=false", "training.log_every=10")


def config(*sets: str, steps: int = 80) -> RunConfig:
    found = resolve("smoke", sets=[*FAST, "training.eval_every=40", "training.checkpoint_every=20", *sets])
    return found.config.model_copy(update={"steps": steps})


def learning(file: Path) -> tuple[str, ...]:
    options = {"hidden": "[16, 8]", "batch_size": 8, "update_every": 6, "learning_rate": 0.001}
    return ("reward=amp", f"reward.demonstrations={file}", *(f"reward.{key}={v}" for key, v in options.items()))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy stands still."""
    folder = tmp_path_factory.mktemp("standing") / "run"
    settings = config("motion.source=none", "reward=environment", "training.eval_every=0", steps=20)
    return run(settings, folder, reporter=Silent(), hooks=Hooks()).folder


@pytest.fixture(scope="module")
def recorded(standing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "still.npz"
    record(standing, path, episodes=2, reporter=Silent())
    return path


@pytest.fixture(scope="module")
def unbroken(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    return run(config(*learning(recorded)), folder, reporter=Silent(), hooks=Hooks()).folder


def test_a_policy_is_recorded_with_states_actions_and_observations(recorded: Path, standing: Path) -> None:
    found = read_demonstrations(recorded)
    assert (found.robot, found.hz, found.lengths.tolist()) == ("a1", 25.0, [11, 11])
    assert found.actions is not None and not found.actions.any() and found.actions.shape == (22, 12)
    assert found.observations is not None and found.observations.shape[1] == max(s.stop for s in found.layout.values())
    seen = found.observations[:, found.layout["joint_positions"]]
    assert np.allclose(seen - seen[0], found.qpos[:, 7:] - found.qpos[0, 7:], atol=1e-5), "of the same states"
    assert not np.array_equal(found.qpos[:11], found.qpos[11:]), "every episode has its own start"
    assert np.abs(found.qpos[:, 0]).max() < 0.05 and np.abs(found.qvel).max() < 1
    assert found.provenance["run"] == "run" and found.provenance["actions_about"] == "standing pose"


def test_what_a_file_holds_is_shown(recorded: Path, nil: Callable[..., Any], tmp_path: Path) -> None:
    shown = nil("demos", "show", recorded, "--video", "still.mp4", "--size", "64")
    assert shown.code == 0, shown.err
    said = ("a1", "2, 0.4 to 0.4 s each", "0.8 at 25 Hz, 22 rows", "12: ", "policy of run run, newest checkpoint")
    assert all(words in shown.out for words in said)
    assert re.search(r"2\.7 at 1 m/s, 32\.\d at 0\.5 m/s", shown.out), "LocoMuJoCo's reward of a robot that stands"
    assert "video: still.mp4\n" in shown.out and read_video(tmp_path / "still.mp4").frames.shape == (22, 64, 64, 3)
    cut = nil("demos", "show", recorded, "--video", "cut.mp4", "--size", "64", "--seconds", "0.4")
    assert "video: cut.mp4, 0.4 of 0.8 s (--seconds)" in cut.out, cut.out
    assert len(read_video(tmp_path / "cut.mp4").frames) == 12
    nil("record", "nowhere", "--out", ".").complains("is a folder")
    nil("demos", "show", "none.npz").complains("there is no file of demonstrations none.npz", "nil demos make")


def test_the_motion_of_a_generator_is_a_demonstration(nil: Callable[..., Any], tmp_path: Path) -> None:
    made = nil("demos", "make", "--robot", "a1", "--skill", "walking", "--seconds", "1", "--out", "walk.npz")
    assert made.code == 0 and "1 trajectory of a1, 1 s" in made.out, made.err
    found = read_demonstrations(tmp_path / "walk.npz")
    assert found.provenance["generator"] == "gait" and found.rows == 101 and found.actions is None
    nil("demos", "make", "--generator", "file", "--set", "generator.path=x.mp4", "--out", "a.npz").complains(
        "no motion"
    )
    nil("demos", "make", "walk.npz", "--generator", "gait", "--out", "a.npz").complains("read by mocap", "leave out")


def test_recordings_and_files_are_joined(recorded: Path, nil: Callable[..., Any], tmp_path: Path) -> None:
    made = nil("demos", "make", recorded, recorded, "--robot", "a1", "--out", "both.npz")
    assert made.code == 0 and "4 trajectories of a1" in made.out, made.err
    assert len(read_demonstrations(tmp_path / "both.npz")) == 4
    nil("demos", "make", "both.npz", "--out", "both.npz").complains("would be written over", "another --out")
    nil("demos", "make", "none.npz", "--out", "a.npz").complains("there is no recording none.npz", "check the path")
    (tmp_path / "own.toml").write_text("mine")
    nil("demos", "make", "both.npz", "--out", "own.toml").complains("holds no demonstrations", "another --out")
    nil("demos", "make", "both.npz", "--out", ".").complains("is a folder", "--out walk.npz")
    assert (tmp_path / "own.toml").read_text() == "mine"
    with pytest.raises(DataError, match="not of a1"):
        write_demonstrations(tmp_path / "toy.npz", toy_demonstrations(toy_scene(size=16)))
        make_demonstrations([tmp_path / "toy.npz"], tmp_path / "none.npz", reporter=Silent())
    assert not (tmp_path / "none.npz").exists()


def test_a_reward_that_learns_is_in_the_metrics_and_in_every_checkpoint(unbroken: Path) -> None:
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    scores = [row["agent_score"] for row in rows if "agent_score" in row]
    assert len(scores) == 8 and len(set(scores)) == 8
    assert {"style", "task", "discriminator_loss", "gradient_penalty"} <= rows[-2].keys()
    checkpoints = sorted(path.name for path in (unbroken / "checkpoints").iterdir())
    assert checkpoints == ["best", "step-000000060", "step-000000080"]
    learned = [read_arrays(unbroken / "checkpoints" / name / "reward.npz") for name in checkpoints]
    weight = "discriminator/last.weight"
    assert not np.array_equal(learned[1][weight], learned[2][weight])


def test_an_interrupted_run_goes_on_to_the_bit_with_its_own_copy(
    unbroken: Path, recorded: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copy(recorded, tmp_path / "moved.npz"))
    settings = config(*learning(moved), steps=60)
    folder = run(settings, tmp_path / "run", reporter=Silent(), hooks=Hooks()).folder
    moved.unlink()
    resume(folder, steps=80, reporter=Silent(), hooks=Hooks())
    assert (folder / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes()
    last = "checkpoints/step-000000080"
    for name in ("loop.npz", "reward.npz"):
        one, other = (read_arrays(each / last / name) for each in (folder, unbroken))
        assert one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_an_evaluation_scores_by_what_its_checkpoint_had_learned(unbroken: Path) -> None:
    summary = json.loads((unbroken / "summary.json").read_text())["policies"]
    before = {f: f.read_bytes() for f in unbroken.rglob("*.npz")}
    rows = evaluate(unbroken, episodes=1, reporter=Silent())
    assert rows["trained"]["return"] == summary["trained"]["return"]
    with closing(LiveEpisodes(OpenRun.open(unbroken), "newest")) as live:
        live.start(0)
        while not live.ended:
            live.step()
    assert live.reward == pytest.approx(rows["trained"]["return"], rel=1e-4)
    best = evaluate(unbroken, episodes=1, which="best", reporter=Silent())
    assert best["trained"]["return"] != rows["trained"]["return"]
    scaled = evaluate(unbroken, episodes=1, sets={"reward.task_share": 1.0}, reporter=Silent())
    assert scaled["trained"]["return"] == pytest.approx(np.exp(-1), abs=0.05)
    assert before == {f: f.read_bytes() for f in unbroken.rglob("*.npz")}, "it learns nothing"


def test_bad_demonstrations_are_refused_before_anything_is_made(
    recorded: Path, nil: Callable[..., Any], tmp_path: Path
) -> None:
    def start(*sets: str) -> Any:
        return nil("run", "--preset", "smoke", "--reward", "amp", *(word for s in sets for word in ("--set", s)))

    start().complains("the reward 'amp' needs the option 'demonstrations'", "--set reward.demonstrations=")
    start("reward.demonstrations=none.npz").complains("there is no file of demonstrations none.npz", "nil demos make")
    toy: Demonstrations = toy_demonstrations(toy_scene(size=16))
    write_demonstrations(tmp_path / "toy.npz", toy)
    start("reward.demonstrations=toy.npz").complains("toy.npz is of the robot toy, not of a1", "nil demos make")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "toy.npz").read_bytes()[:-80])
    start("reward.demonstrations=cut.npz").complains("cut.npz holds no demonstrations, or is damaged", "nil demos make")
    (tmp_path / "text.npz").write_text("no numbers\n")
    start("reward.demonstrations=text.npz").complains("text.npz", "nil demos make")
    if "bc" in registry.names("agent"):
        nil("demos", "make", "--robot", "a1", "--seconds", "1", "--out", "toy.npz")
        refused = nil("run", "--preset", "smoke", "--agent", "bc", "--set", "agent.demonstrations=toy.npz")
        refused.complains("toy.npz has no actions, which bc needs", "bco")
        torque = ("--set", "environment.control=torque", "--set", f"agent.demonstrations={recorded}")
        refused = nil("run", "--preset", "smoke", "--agent", "bc", *torque)
        refused.complains("has actions of pd control", "--set environment.control=pd")
    if "bco" in registry.names("agent"):
        nil("demos", "make", "--robot", "a1", "--seconds", "1", "--hz", "25", "--out", "toy.npz")
        faster = ("--set", "environment.control_hz=50", "--set", "agent.demonstrations=toy.npz")
        nil("run", "--preset", "smoke", "--agent", "bco", *faster).complains("no multiple of 50", "--hz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.npz", "text.npz", "toy.npz"]


def test_settings_follow_from_the_reward_unless_they_are_set(nil: Callable[..., Any]) -> None:
    reward = ("--reward", "amp", "--set", "reward.demonstrations=walk.npz")
    shown = nil("config", "show", *reward, "--set", "environment.observation.phase=true").out
    rows = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.count("│") == 4}
    assert "none" in rows["motion.source"] and "reward amp" in rows["motion.source"]
    assert "reward amp" in rows["environment.observation.preview"]
    assert "True" in rows["environment.observation.phase"] and "--set" in rows["environment.observation.phase"]
    study = StudySpec("s", (Row("nil", {}), Row("amp", {"reward": "amp", "reward.demonstrations": "walk.npz"})), (0,))
    with pytest.raises(ConfigError):
        StudySpec("s", (Row("amp", {"reward": "amp"}),), (0,)).entries()
    sources = {entry.row: entry.config.motion.source for entry in study.entries()}
    assert sources == {"nil": "video", "amp": "none"}
    own = {"name": "amp", "demonstrations": "walk.npz"}
    assert follow_components(RunConfig(reward=own))[0].motion.source == "none"
    assert follow_components(RunConfig(reward=own, motion={"source": "generator"}))[0].motion.source == "generator"


def test_episodes_may_start_in_the_demonstrations(recorded: Path, tmp_path: Path) -> None:
    settings = config(*learning(recorded), "motion.source=demonstrations", "motion.start_share=1", steps=20)
    ear = Silent()
    said: list[str] = []
    ear.say = said.append  # type: ignore[method-assign]
    result = run(settings, tmp_path / "run", reporter=ear, hooks=Hooks())
    assert result.summary["motion"]["source"] == "demonstrations" and not result.summary["motion"]["base"]
    assert any("from the demonstrations; actions are relative to the standing pose" in line for line in said)
    longer = settings.model_copy(update={"video": settings.video.model_copy(update={"seconds": 0.8})})
    with pytest.raises(DataError, match=r"lasts 0.4 s, and an episode 0.8 s"):
        run(longer, tmp_path / "longer", reporter=Silent(), hooks=Hooks())
    assert not (tmp_path / "longer").exists()
    other = config("motion.source=demonstrations", steps=20)
    with pytest.raises(ConfigError, match="needs a reward or an agent that learns from demonstrations"):
        run(other, tmp_path / "other", reporter=Silent(), hooks=Hooks())
