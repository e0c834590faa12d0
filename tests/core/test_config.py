"""The config: layers and their origins, refusals that name the key, and TOML that gives the same run again."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.card import KINDS
from nil_core.config import RunConfig, flatten, resolve, validate
from nil_core.errors import ConfigError
from nil_core.presets import PRESETS


def toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_the_defaults_are_the_quickstart() -> None:
    assert resolve().config == RunConfig()
    assert {kind: getattr(RunConfig(), kind).name for kind in KINDS} == {
        "generator": "gait", "encoder": "hog", "segmenter": "auto", "robot": "a1", "agent": "sac",
        "reward": "imitation",
    }  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_says_so(preset: str) -> None:
    resolved = resolve(preset)
    flat = flatten(resolved.config.tree())
    for key, value in flatten(PRESETS[preset]).items():
        assert flat[key] == value
        assert resolved.origin(key) == f"preset {preset}"


def test_presets_from_python() -> None:
    from nil_core import api

    assert api.preset_names()[0] == "quickstart" and "paper" in api.preset_names()
    config = api.load_preset("paper", {"robot": "g1", "agent.replay_ratio": 2})
    assert (config.robot.name, config.agent.name, config.agent.options) == ("g1", "bro", {"replay_ratio": 2})
    assert config.environment.control == "torque"
    with pytest.raises(ConfigError, match="no preset 'papper'"):
        api.load_preset("papper")
    with pytest.raises(ConfigError, match="stepps"):
        api.load_preset("smoke", {"stepps": 1})


def test_layers_lie_over_each_other_in_the_documented_order(tmp_path: Path) -> None:
    file = toml(tmp_path, "steps = 2\nseed = 2\nskill = 'trotting'\n[reward]\niou = 2.0\nvideo = 2.0\n")
    resolved = resolve("smoke", file, {"seed": 3, "skill": None, "reward.video": 3.0}, ["reward.video=4"])
    config = resolved.config
    assert (config.training.log_every, config.steps, config.seed, config.skill) == (40, 2, 3, "trotting")
    assert config.reward.options == {"iou": 2.0, "video": 4.0}
    origins = {
        "training.keep": "default",
        "training.log_every": "preset smoke",
        "steps": str(file),
        "skill": str(file),
        "reward.iou": str(file),
        "seed": "option",
        "reward.video": "--set",
    }
    assert {key: resolved.origin(key) for key in origins} == origins


def test_the_last_set_wins_and_presets_stay_as_they_are() -> None:
    before = copy.deepcopy(PRESETS)
    assert resolve("smoke", sets=["video.seconds=1.5", "video.seconds = 2.0"]).config.video.seconds == 2.0
    assert before == PRESETS


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("reward.iou=0", "reward.iou", 0.0),
        (" reward.similarity = l2 ", "reward.similarity", "l2"),
        ('skill="walking backwards"', "skill", "walking backwards"),
        ("skill=walking backwards", "skill", "walking backwards"),
        ("prompt=a = b", "prompt", "a = b"),
        ("environment.observation.phase=false", "environment.observation.phase", False),
        ("agent.hidden=[64, 32]", "agent.hidden", [64, 32]),
        ("robot=g1", "robot.name", "g1"),
    ],
)
def test_set_reads_toml_and_else_plain_words(text: str, key: str, value: object) -> None:
    resolved = resolve(sets=[text])
    assert flatten(resolved.config.tree())[key] == value
    assert resolved.origin(key) == "--set"


@pytest.mark.parametrize("text", ["reward.iou", "=1", "reward..iou=1", ".iou=1", ""])
def test_set_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not of the form a\.b=c") as caught:
        resolve(sets=[text])
    assert "--set reward.iou=0" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("training.kep=1", "did you mean training.keep?"),
        ("step=1", "did you mean steps?"),
        ("environment.observation.previw=1", "did you mean environment.observation.preview?"),
        ("simulation.zzz=1", "keys: num_envs, workers"),
    ],
)
def test_an_unknown_key_is_named_and_the_nearest_offered(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(sets=[text])
    assert repr(text.partition("=")[0]) in caught.value.message
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("motion.start_noise=abc", "valid number"),
        ("motion.start_noise=nan", "finite number"),
        ("environment.reset_noise=inf", "finite number"),
        ("environment.reset_noise=-0.1", "greater than or equal to 0"),
        ("steps=0", "greater than 0"),
        ("steps=1.5", "integer"),
        ("video.framing=dot", "'whole' or 'box'"),
        ("reward=3", "valid dictionary"),
        ("robot=3", "valid dictionary"),
        ("environment.tick_hz=10", "control_hz must be a multiple of tick_hz, and the ratio is 2.5"),
        ("environment.tick_hz=50", "control_hz must be a multiple of tick_hz, and the ratio is 0.5"),
        ("environment.timestep=0.003", "whole number of timesteps"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(sets=[text])
    message = caught.value.message
    assert complaint in message and "\n" not in message
    assert message.startswith(text.partition("=")[0]) or message.startswith("environment: ")


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'quick'") as caught:
        resolve("quick")
    assert "quickstart, smoke" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot read"), ("a = = 1", "is not TOML"), (b"\xff", "TOML")]
)
def test_a_file_that_cannot_serve_is_named(tmp_path: Path, content: str | bytes | None, complaint: str) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=complaint) as caught:
        resolve(file=path)
    assert str(path) in caught.value.message and caught.value.hint


def test_options_of_a_component_lie_over_each_other(tmp_path: Path) -> None:
    file = toml(tmp_path, "[agent]\ngamma = 0.9\nbatch_size = 64\n")
    resolved = resolve(file=file, options={"agent": "sac"}, sets=["agent.batch_size=32"])
    assert resolved.config.agent.name == "sac"
    assert resolved.config.agent.options == {"gamma": 0.9, "batch_size": 32}
    assert (resolved.origin("agent.gamma"), resolved.origin("agent.batch_size")) == (str(file), "--set")


def test_choosing_another_component_drops_options_given_for_the_former(tmp_path: Path) -> None:
    file = toml(tmp_path, "[agent]\nname = 'sac'\ngamma = 0.9\n[robot]\nself_collision = true\n")
    resolved = resolve(file=file, options={"agent": "zero"}, sets=["agent.width=3"])
    assert resolved.config.agent.name == "zero"
    assert resolved.config.agent.options == {"width": 3}
    assert "agent.gamma" not in resolved.origins
    assert resolved.config.robot.options == {"self_collision": True}
    assert resolve(options={"agent": "zero"}, sets=["agent.width=3", "agent=sac"]).config.agent.options == {}


def test_a_name_and_options_may_come_in_one_layer() -> None:
    for options in ({"agent": "zero", "agent.width": 3}, {"agent.width": 3, "agent": "zero"}):
        agent = resolve(options=options).config.agent
        assert (agent.name, agent.options) == ("zero", {"width": 3})


def test_python_takes_a_name_or_a_table() -> None:
    config = RunConfig(robot="h1", agent={"name": "sac", "gamma": 0.95})
    assert (config.robot.name, config.robot.options) == ("h1", {})
    assert (config.agent.name, config.agent.options) == ("sac", {"gamma": 0.95})


@pytest.mark.parametrize(
    ("control_hz", "tick_hz", "timestep", "k", "substeps"), [(25, 25, 0.004, 1, 10), (100, 25, 0.002, 4, 5)]
)
def test_rates_give_control_steps_and_substeps(
    control_hz: float, tick_hz: float, timestep: float, k: int, substeps: int
) -> None:
    config = validate({"environment": {"control_hz": control_hz, "tick_hz": tick_hz, "timestep": timestep}})
    assert (config.environment.control_steps_per_tick, config.environment.substeps) == (k, substeps)


words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
weights = st.floats(0, 1e6, allow_subnormal=False)
plain = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | words
trees = st.fixed_dictionaries(
    {},
    optional={
        "skill": words,
        "prompt": words,
        "seed": st.integers(0, 2**40),
        "steps": st.integers(1, 10**9),
        "robot": st.fixed_dictionaries({"name": words}) | words,
        "agent": st.dictionaries(words, plain | st.lists(plain, max_size=3), max_size=3).map(
            lambda options: {**options, "name": "sac"}
        ),
        "reward": st.fixed_dictionaries({}, optional={"iou": weights, "video": weights, "torque": weights}),
        "evaluation": st.fixed_dictionaries({}, optional={"target_speed": st.none() | st.floats(-5, 5)}),
        "environment": st.fixed_dictionaries(
            {}, optional={"observation": st.fixed_dictionaries({"phase": st.booleans()})}
        ),
    },
)


@settings(deadline=None)
@given(trees)
def test_a_config_survives_its_own_toml(tree: dict) -> None:
    config = validate(tree)
    assert validate(tomllib.loads(config.to_toml())) == config


def test_paths_and_tuples_given_from_python_survive_toml() -> None:
    config = RunConfig(generator={"name": "file", "path": Path("a/b.mp4"), "crop": (0, 0, 8, 8)})
    again = validate(tomllib.loads(config.to_toml()))
    assert again.generator.options == {"path": "a/b.mp4", "crop": [0, 0, 8, 8]}
