"""The contract of a reward, and of a single term."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from nil_core.interfaces import LearnedReward, Reward, TermRow
from nil_core.measurements import Measurements
from nil_core.reward.terms import Need, RewardTerm
from nil_core.testing.clips import moving_blob
from nil_core.testing.quadruped import toy_scene
from nil_core.tick import Tick
from nil_core.types import Floats, Frames, Reference, RewardSpec, Scene
from nil_core.video.clips import ClipEmbedder

ENVIRONMENTS, SIZE, TICKS = 2, 16, 9
LEARNING_EPISODES = 3


def check_reward(make: Callable[[RewardSpec], Reward]) -> None:
    """Whether a reward scores every finished tick, however ticks are batched, and goes on exactly where it was saved.

    One that learns must do so exactly, too. Its options should let it learn every few ticks, in small batches. The
    robot of the ticks is a :class:`~nil_core.testing.ToyQuadruped`.

    Args:
        make: constructs the reward.

    Raises:
        AssertionError: says what is broken.
    """
    scene = toy_scene(size=SIZE)
    embedder = ClipEmbedder(_Pixels(), True, "pixels")
    spec = RewardSpec(_reference(), ENVIRONMENTS, "whole", lambda: embedder, scene=scene)
    reward = make(spec)
    assert isinstance(reward, Reward), "a reward has needs, state_terms, rows, score, state and restore"
    assert set(reward.needs) <= {"frames", "masks", "embeddings"}, f"needs names no such thing: {set(reward.needs)}"
    assert all(term.needs == "state" for term in reward.state_terms), "state_terms are of needs 'state'"
    rows = reward.rows()
    assert rows and all(isinstance(row, TermRow) for row in rows), "rows() gives TermRow objects, one at least"
    terms = len(reward.state_terms)
    together, one_by_one = _ticks(scene, terms), _ticks(scene, terms)
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
    if isinstance(reward, LearnedReward):
        _check_learning(lambda: make(spec), scene, terms)


def _check_learning(make: Callable[[], Any], scene: Scene, terms: int) -> None:
    """Whether a reward that learns changes, goes on exactly where it was saved, and lends what it learned."""
    unbroken, fresh = make(), make()
    logged: dict[str, float] = {}
    for episode in range(LEARNING_EPISODES):
        logged |= _learned_from(unbroken, _ticks(scene, terms, episode))[1]
    assert logged, f"it learns within {LEARNING_EPISODES * ENVIRONMENTS * TICKS} ticks, and logs something"
    assert all(np.isfinite(value) for value in logged.values()), f"what it logs is finite: {logged}"
    resumed, same, borrowed = make(), make(), make()
    state, learned = unbroken.state(), unbroken.learned()
    for restored in (resumed, same):
        restored.restore({name: value.copy() for name, value in state.items()})
    borrowed.adopt({name: value.copy() for name, value in learned.items()})
    rewards = []
    for reward in (same, borrowed, fresh):
        batch = _ticks(scene, terms, LEARNING_EPISODES)
        reward.score(batch)
        rewards.append(_rewards(batch))
    assert np.array_equal(rewards[0], rewards[1]), "adopt() lends everything that score() depends on"
    assert not np.array_equal(rewards[0], rewards[2]), "what it learned changes its rewards"
    for episode in range(LEARNING_EPISODES):
        one = _learned_from(unbroken, _ticks(scene, terms, episode))
        other = _learned_from(resumed, _ticks(scene, terms, episode))
        assert np.array_equal(one[0], other[0]) and one[1] == other[1], "a restored reward goes on to the bit"
    before, after = unbroken.state(), resumed.state()
    different = [name for name in before if not np.array_equal(before[name], after[name])]
    assert not different, f"a restored reward learns the same: {different} differ"


def _learned_from(reward: Any, ticks: list[Tick]) -> tuple[Floats, dict[str, float]]:
    """Rewards of ticks, tick by tick of all environments, and what learning from them logged."""
    logged: dict[str, float] = {}
    for first in range(0, len(ticks), ENVIRONMENTS):
        batch = ticks[first : first + ENVIRONMENTS]
        reward.score(batch)
        logged |= reward.learn(batch)
    return _rewards(ticks), logged


def _rewards(ticks: list[Tick]) -> Floats:
    return np.array([tick.reward for tick in ticks if not tick.begins], np.float32)


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


def _ticks(scene: Scene, terms: int, episode: int = 0) -> list[Tick]:
    """Episodes of two environments that show the reference the wrong way round, tick by tick."""
    reference, rng = _reference(), np.random.default_rng(episode)
    model = scene.model
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
                    qpos=scene.standing_qpos + np.append(np.zeros(7), rng.uniform(-0.3, 0.3, model.nq - 7)),
                    qvel=rng.uniform(-1, 1, model.nv),
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
