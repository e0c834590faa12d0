"""The contract of a reward, and of a single term."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import get_args

import numpy as np
import numpy.typing as npt

from nil_core.interfaces import Reward, TermRow
from nil_core.measurements import Measurements
from nil_core.reward.terms import Need, RewardTerm
from nil_core.testing.clips import moving_blob
from nil_core.tick import Tick
from nil_core.types import Floats, Frames, Reference, RewardSpec
from nil_core.video.clips import ClipEmbedder

ENVIRONMENTS, SIZE, TICKS = 2, 16, 9


def check_reward(make: Callable[[RewardSpec], Reward]) -> None:
    """Whether a reward scores every finished tick, however ticks are batched, and goes on exactly where it was saved.

    Args:
        make: constructs the reward.

    Raises:
        AssertionError: says what is broken.
    """
    spec = RewardSpec(_reference(), ENVIRONMENTS, "whole", lambda: ClipEmbedder(_Pixels(), True, "pixels"))
    reward = make(spec)
    assert isinstance(reward, Reward), "a reward has needs, state_terms, rows, score, state and restore"
    assert set(reward.needs) <= {"frames", "masks", "embeddings"}, f"needs names no such thing: {set(reward.needs)}"
    assert all(term.needs == "state" for term in reward.state_terms), "state_terms are of needs 'state'"
    rows = reward.rows()
    assert rows and all(isinstance(row, TermRow) for row in rows), "rows() gives TermRow objects, one at least"
    terms = len(reward.state_terms)
    together, one_by_one = _ticks(terms), _ticks(terms)
    reward.score([])
    reward.score(together)
    assert all(np.isnan(tick.reward) for tick in together if tick.begins), "the beginning of an episode has no reward"
    scored = [tick.reward for tick in together if not tick.begins]
    assert np.isfinite(scored).all(), f"every finished tick gets a finite reward: {scored}"
    other, resumed = make(spec), make(spec)
    half = len(one_by_one) // 2
    for tick in one_by_one[:half]:
        other.score([tick])
    state = other.state()
    assert all(isinstance(value, np.ndarray) for value in state.values()), "state() is a mapping of names to arrays"
    resumed.restore({name: value.copy() for name, value in state.items()})
    for tick in one_by_one[half:]:
        resumed.score([tick])
    again = [tick.reward for tick in one_by_one if not tick.begins]
    close = np.allclose(again, scored, rtol=1e-4, atol=1e-6)
    assert close, (
        f"ticks scored one by one, saved and restored between, have the rewards of one batch: {again}, {scored}"
    )


def check_reward_term(term: RewardTerm) -> None:
    """Whether a term is a number for each of what it is given, and can be sent to simulation workers.

    Raises:
        AssertionError: says what is broken.
    """
    assert isinstance(term, RewardTerm), f"a term is a RewardTerm, not {type(term).__name__}"
    assert term.name, "a term has a name"
    assert term.needs in get_args(Need), f"needs is one of {', '.join(get_args(Need))}, not {term.needs!r}"
    if term.needs == "state":
        assert pickle.loads(pickle.dumps(term.function)) is not None, "its function can be imported by name"
        shape: tuple[int, ...] = ()
        value = term.function(_measurements())
    else:
        reference = _reference()
        rows = getattr(reference, term.needs)
        value, shape = term.function(rows[::-1], rows), (len(rows),)
    assert np.shape(value) == shape, f"it gives numbers of shape {shape}, not {np.shape(value)}"
    assert np.isfinite(np.asarray(value, np.float64)).all(), f"its numbers are finite: {value}"


class _Pixels:
    """A frame-wise encoder whose features are the pixels."""

    clip_length, frame_size = 8, SIZE

    def encode(self, clips: Frames) -> Floats:
        return clips.reshape(len(clips), -1).astype(np.float32)

    def encode_frames(self, frames: Frames) -> Floats:
        return self.encode(frames)


def _reference() -> Reference:
    video = moving_blob(frames=TICKS + 1, height=SIZE, width=SIZE)
    assert video.masks is not None
    embeddings, features = ClipEmbedder(_Pixels(), True).embed_video(video.frames)
    return Reference(video.frames, video.masks, embeddings, features, tick_hz=25.0)


def _ticks(terms: int) -> list[Tick]:
    """Episodes of two environments that show the reference the wrong way round, tick by tick."""
    reference, rng = _reference(), np.random.default_rng(0)
    ticks = []
    for index in range(TICKS + 1):
        steps = min(index, 1)

        def row(size: int, steps: int = steps) -> npt.NDArray[np.float32]:
            return rng.uniform(-1, 0, (steps, size)).astype(np.float32)

        for env in range(ENVIRONMENTS):
            ticks.append(
                Tick(
                    env=env,
                    index=index,
                    observations=row(3),
                    actions=row(2),
                    next_observations=row(3),
                    terminated=np.zeros(steps, np.bool_),
                    truncated=np.zeros(steps, np.bool_),
                    state_terms=row(terms),
                    speed=row(1)[:, 0],
                    environment_reward=row(1)[:, 0],
                    qpos=np.zeros(7),
                    frame=reference.frames[TICKS - index],
                    mask=reference.masks[TICKS - index],
                )
            )
    return ticks


def _measurements() -> Measurements:
    """A robot of two joints and two feet that moves a little; it has no model."""
    rng = np.random.default_rng(0)
    sizes = {"foot_speed": 2, "air_time": 2, "tilt": 1, "root_position": 3, "root_velocity": 3}
    sizes |= {"root_angular_velocity": 3} | dict.fromkeys(("torque", "action", "last_action"), 2)
    sizes |= dict.fromkeys(("joint_velocity", "joint_position"), 2)
    numbers = {name: rng.uniform(0, 1, size) for name, size in sizes.items()}
    return Measurements(joint_names=("hip", "knee"), contacts=np.array([True, False]), **numbers)
