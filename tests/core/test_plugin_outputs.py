"""What plugins return is checked where it enters, and what they raise is one line that names them."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nil_core.card import KINDS
from nil_core.entry_points import Entry
from nil_core.errors import ConfigError, MachineError, NilError, NumericalError, PluginError
from nil_core.interfaces import ExportingAgent, FrameWiseEncoder, PaidGenerator, Reward, Robot, Segmenter
from nil_core.measurements import Measurements
from nil_core.payment import Estimate
from nil_core.plugin_outputs import CLASSES, CheckedTerm, checked
from nil_core.storage.atomic import writing
from nil_core.testing import ToyQuadruped, moving_blob
from nil_core.types import AgentSpec, Video

SPEC = AgentSpec(observation_size=4, action_size=2, num_envs=3, horizon=5, total_steps=10, seed=0)
FRAMES = np.zeros((3, 8, 8, 3), np.uint8)
CLIPS = np.zeros((3, 2, 8, 8, 3), np.uint8)


def answer(value: Any) -> Any:
    """A method that gives a value, or raises it."""

    def method(*arguments: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return method


LEARNING = {"learn", "learned", "adopt"}
"""Methods of a reward that learns, beside those of every reward."""


def component(kind: Any, **members: Any) -> Any:
    """A component of a kind whose methods give, or raise, what is named."""
    attributes = {
        "encoder": {"clip_length": 2, "frame_size": 8},
        "robot": {"spec": ToyQuadruped().spec},
        "reward": {"needs": frozenset({"masks"}), "state_terms": ()},
    }.get(kind, {})
    if members.keys() & LEARNING:
        members = dict.fromkeys(("rows", "score", "state", "restore", *LEARNING)) | members
    methods = {name: answer(value) for name, value in members.items() if name not in attributes}
    entry = Entry(f"nil.{kind}s", "odd", "odd:CARD", "nil-odd", "1.2")
    made = SimpleNamespace(**(attributes | members | methods))
    return checked(kind, made, entry, *([SPEC] if kind == "agent" else []))


CALLS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "generate": ("generator", "generate", (None, None)),
    "estimate": ("generator", "estimate", (None,)),
    "segment": ("segmenter", "segment", (moving_blob(), None, None)),
    "encode": ("encoder", "encode", (CLIPS,)),
    "encode_frames": ("encoder", "encode_frames", (FRAMES,)),
    "build": ("robot", "build", ()),
    "act": ("agent", "act", (np.zeros((3, 4), np.float32), True)),
    "observe": ("agent", "observe", (None,)),
    "update": ("agent", "update", (3,)),
    "save": ("agent", "save", (Path(),)),
    "load": ("agent", "load", (Path(),)),
    "network": ("agent", "network", ()),
    "rows": ("reward", "rows", ()),
    "score": ("reward", "score", ([],)),
    "state": ("reward", "state", ()),
    "restore": ("reward", "restore", ({},)),
    "learn": ("reward", "learn", ([],)),
    "learned": ("reward", "learned", ()),
    "adopt": ("reward", "adopt", ({},)),
}


def call(method: str, value: Any) -> Any:
    kind, name, arguments = CALLS[method]
    return getattr(component(kind, **{name: value}), name)(*arguments)


BLOB = moving_blob()
SOUND = {
    "generate": BLOB,
    "estimate": Estimate(0.0, "free"),
    "segment": BLOB.masks,
    "encode": np.zeros((3, 5), np.float32),
    "encode_frames": np.zeros((3, 5), np.float32),
    "build": ToyQuadruped().build(),
    "act": np.zeros((3, 2), np.float32),
    "update": {"loss": 0.5},
    "rows": [],
    "state": {"clip": np.zeros(3)},
    "learn": {"loss": 0.5},
    "learned": {"weight": np.zeros(3)},
}


def test_every_kind_has_its_checks() -> None:
    assert tuple(sorted(CLASSES)) == tuple(sorted(KINDS))


@pytest.mark.parametrize("method", CALLS)
def test_what_is_sound_passes(method: str) -> None:
    assert call(method, SOUND.get(method)) is SOUND.get(method)


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        ("generate", FRAMES, "generator odd gave uint8 (3, 8, 8, 3), not a Video"),
        ("generate", Video(FRAMES, 5.0, trajectory=np.full((3, 2), np.nan)), "float64 (3, 2) with NaN or infinity"),
        ("estimate", 3.0, "generator odd gave float 3.0, not an Estimate"),
        ("segment", np.zeros((3, 8, 8), bool), "segmenter odd gave bool (3, 8, 8), not bool"),
        ("segment", BLOB.masks.astype(np.uint8), "segmenter odd gave uint8"),
        ("segment", None, "segmenter odd gave NoneType None"),
        ("encode", np.zeros((3, 5)), "encoder odd gave float64 (3, 5), not float32 (3, 5)"),
        ("encode", np.zeros((2, 5), np.float32), "encoder odd gave float32 (2, 5), not float32 (3, 5)"),
        ("encode", np.zeros(3, np.float32), "encoder odd gave float32 (3,), not float32 (3, D)"),
        ("encode_frames", [[1.0]] * 3, "encoder odd gave list [[1.0], [1.0], [1.0]], not float32"),
        ("build", ToyQuadruped().build().compile(), "not an uncompiled mujoco.MjSpec"),
        ("act", np.zeros((3, 3), np.float32), "agent odd gave float32 (3, 3), not float32 (3, 2)"),
        ("act", np.zeros((3, 2)), "agent odd gave float64 (3, 2), not float32 (3, 2)"),
        ("update", None, "agent odd gave NoneType None, not a mapping"),
        ("rows", ["S_v"], "reward odd gave list ['S_v'], not TermRow objects"),
        ("state", {"clip": [1]}, "not a mapping of names to arrays"),
        ("learn", [0.5], "reward odd gave list [0.5], not a mapping"),
        ("learned", {"weight": 1.0}, "not a mapping of names to arrays"),
    ],
)
def test_what_is_not_is_named(method: str, value: Any, says: str) -> None:
    with pytest.raises(PluginError) as caught:
        call(method, value)
    assert says in caught.value.message and "of nil-odd 1.2)" in caught.value.message
    assert caught.value.hint == "report it to the author of nil-odd"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("error", [ValueError("bad\nnumber"), SystemExit(3), MemoryError()])
def test_what_a_method_raises_is_one_line(method: str, error: BaseException) -> None:
    kind = CALLS[method][0]
    with pytest.raises(PluginError) as caught:
        call(method, error)
    assert caught.value.message.startswith(f"{kind} 'odd' (nil-odd 1.2): {CALLS[method][1]}() failed: ")
    assert type(error).__name__ in caught.value.message and "\n" not in caught.value.message
    assert "NIL_DEBUG=1" in caught.value.hint
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConfigError("no key"), NumericalError("the loss is NaN")])
def test_what_speaks_to_a_person_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        call("update", error)
    assert caught.value is error


@pytest.mark.parametrize(
    ("kind", "members", "says"),
    [
        ("encoder", {"clip_length": 0}, "encoder odd gave int 0, not a positive whole number (clip_length of"),
        ("encoder", {"frame_size": "64"}, "(frame_size of"),
        ("robot", {"spec": {}}, "robot odd gave dict {}, not a RobotSpec"),
        ("reward", {"needs": frozenset({"sound"})}, "not a set of embeddings, frames, masks"),
        ("reward", {"state_terms": ("torque",)}, "not RewardTerm objects"),
    ],
)
def test_attributes_are_checked_at_once(kind: str, members: dict[str, Any], says: str) -> None:
    with pytest.raises(PluginError) as caught:
        component(kind, **members)
    assert says in caught.value.message


def test_an_embedding_keeps_its_size() -> None:
    sizes = iter((5, 6))
    encoder = component("encoder")
    encoder._component.encode = lambda clips: np.zeros((len(clips), next(sizes)), np.float32)
    encoder.encode(CLIPS)
    with pytest.raises(PluginError, match=r"gave float32 \(3, 6\), not float32 \(3, 5\)"):
        encoder.encode(CLIPS)


def test_actions_that_are_not_finite_are_a_numerical_error() -> None:
    with pytest.raises(NumericalError, match="the agent odd gave actions that are not finite"):
        call("act", np.full((3, 2), np.nan, np.float32))


def test_a_full_disk_is_no_fault_of_the_agent(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="the disk is full"), writing(tmp_path / "agent"):
        call("save", OSError(28, "No space left on device"))


def test_a_stand_in_has_the_interface_and_what_else_the_component_has() -> None:
    agent = component("agent", explored_steps=7)
    assert agent.explored_steps() == 7
    with pytest.raises(AttributeError):
        agent.no_such_thing  # noqa: B018
    for kind, protocol in {
        "agent": ExportingAgent,
        "encoder": FrameWiseEncoder,
        "generator": PaidGenerator,
        "reward": Reward,
        "robot": Robot,
        "segmenter": Segmenter,
    }.items():
        assert isinstance(component(kind), protocol)


def height(m: Measurements) -> Any:
    return m.tilt[..., 0]


def wrong_shape(m: Measurements) -> Any:
    return m.tilt


def raising(m: Measurements) -> Any:
    raise KeyError("hip")


TERM = Entry("nil.reward_terms", "height", "odd:TERM", "nil-odd", "1.2")


def measured(*batch: int) -> Measurements:
    return Measurements(**{name: np.zeros((*batch, 1)) for name in Measurements.__dataclass_fields__})


def test_terms_of_third_parties_are_checked_and_cross_to_workers() -> None:
    term = pickle.loads(pickle.dumps(CheckedTerm(height, TERM)))
    assert term(measured()) == 0 and term(measured(4)).shape == (4,)
    for function, says in ((wrong_shape, r"shape \(1,\), not \(\)"), (raising, "KeyError: 'hip'")):
        with pytest.raises(NilError, match=rf"reward term 'height' \(nil-odd 1.2\): it cannot be computed.*{says}"):
            CheckedTerm(function, TERM)(measured())


def test_a_term_of_pictures_gives_a_number_a_row() -> None:
    assert CheckedTerm(lambda a, b: np.ones(len(a)), TERM)(FRAMES, FRAMES).shape == (3,)
    with pytest.raises(PluginError, match="shape"):
        CheckedTerm(lambda a, b: 1.0, TERM)(FRAMES, FRAMES)
