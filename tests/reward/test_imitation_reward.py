"""R = alpha * S_v + beta * S_M + gamma * P over running episodes, on frames whose scores are known."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from nil_core.config import RewardSettings
from nil_core.errors import DataError
from nil_core.reward.imitation import ImitationReward, TickRewards
from nil_core.reward.similarity import SIMILARITIES, iou
from nil_core.sim.environment import Measurements
from nil_core.sim.vector_env import StepBuffers
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.types import Reference
from nil_core.video.box_framing import box_framed, box_lags
from nil_core.video.clips import ClipEmbedder

SIZE, TICKS, JOINTS, FEET = 8, 12, 2, 1
QUIET = {"torque": 0.0, "action": 0.0, "velocity": 0.0, "feet": 0.0, "stability": 0.0}


class Pixels:
    """A frame-wise encoder whose features are the pixels."""

    clip_length, frame_size = 8, SIZE

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        return frames.reshape(len(frames), -1).astype(np.float32)

    def encode(self, clips: np.ndarray) -> np.ndarray:
        return clips.reshape(len(clips), -1).astype(np.float32)


EMBEDDER = ClipEmbedder(Pixels(), frame_wise=True)


def film(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random frames of a robot that fills about half of the picture, and its masks."""
    rng = np.random.default_rng(seed)
    masks = rng.random((TICKS + 1, SIZE, SIZE)) < 0.5
    return np.where(masks[..., None], rng.integers(1, 256, (*masks.shape, 3), np.uint8), np.uint8(0)), masks


def still() -> tuple[np.ndarray, np.ndarray]:
    frames, masks = film()
    return frames[[0] * len(frames)], masks[[0] * len(masks)]


def reference(frames: np.ndarray, masks: np.ndarray) -> Reference:
    return Reference(frames, masks, *EMBEDDER.embed_video(frames), tick_hz=25.0)


def buffers(environments: int = 1, **given: object) -> StepBuffers:
    """A step that ended no tick, but for what is given."""
    blank = {field.name: np.zeros(environments) for field in fields(StepBuffers)}
    blank |= {name: np.zeros(environments, bool) for name in ("terminated", "truncated", "ticked")}
    blank["measurements"] = np.zeros((environments, Measurements.size(JOINTS, FEET)), np.float32)
    return StepBuffers(**(blank | given))


def torques(*values: float) -> np.ndarray:
    """Measurements (N, M) where every joint gives one share of its limit."""
    rows = np.zeros((len(values), Measurements.size(JOINTS, FEET)), np.float32)
    rows[:, :JOINTS] = np.array(values)[:, None]
    return rows


def source(environments: int = 1, embedder: ClipEmbedder | None = EMBEDDER, **settings: object) -> ImitationReward:
    return ImitationReward(
        reference(*film()), RewardSettings(**(QUIET | settings)), embedder, environments, JOINTS, FEET
    )


def live(reward: ImitationReward, frames: np.ndarray, masks: np.ndarray, each: int = 1) -> TickRewards:
    """One environment shows a film from beginning to end; rewards are asked for after every ``each`` ticks."""
    reward.reset(buffers(start_frames=frames[:1], start_masks=masks[:1]))
    scored = []
    for t in range(1, len(frames)):
        last = t == len(frames) - 1
        reward.observe(
            buffers(
                ticked=np.array([True]), tick=np.array([t]), truncated=np.array([last]),
                frames=frames[t : t + 1], masks=masks[t : t + 1],
                start_frames=frames[:1], start_masks=masks[:1],
            )
        )  # fmt: skip
        if t % each == 0 or last:
            assert reward.waiting == (t - 1) % each + 1
            scored.append(reward.rewards())
            assert reward.waiting == 0
    names = scored[0].parts
    parts = {name: np.concatenate([s.parts[name] for s in scored]) for name in names}
    return TickRewards(np.concatenate([s.total for s in scored]), parts)


@pytest.mark.parametrize(("similarity", "best"), [("cosine", 1.0), ("l2", 0.0)])
def test_a_perfect_imitation_scores_the_two_weights(similarity: str, best: float) -> None:
    scored = live(source(video=2.0, iou=0.5, similarity=similarity), *film())
    assert scored.total.shape == (TICKS,) and scored.total.dtype == np.float32
    assert np.allclose(scored.total, 2.5, atol=1e-4)
    assert np.allclose(scored.parts["similarity"], best, atol=1e-5)
    assert np.allclose(scored.parts["iou"], 1.0)
    assert set(scored.parts) == {"similarity", "iou"}


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_scale_is_what_standing_still_scores(similarity: str) -> None:
    reward = source(similarity=similarity)
    scored = live(reward, *still())
    assert reward.video_scale.stand == pytest.approx(scored.parts["similarity"].mean(), rel=1e-5)
    assert reward.iou_scale.stand == pytest.approx(scored.parts["iou"].mean(), rel=1e-5)
    assert float(reward.video_scale(scored.parts["similarity"].mean())) == pytest.approx(1 / np.e, rel=1e-4)


def test_any_film_scores_what_the_formula_says() -> None:
    (frames, masks), wanted = film(seed=5), reference(*film())
    scored = live(source(video=2.0, iou=3.0, similarity="l2", scale="raw"), frames, masks)
    similarity = -np.linalg.norm(EMBEDDER.embed_video(frames)[0] - wanted.embeddings, axis=1)[1:]
    overlap = iou(masks, wanted.masks)[1:]
    assert np.allclose(scored.parts["similarity"], similarity) and np.allclose(scored.parts["iou"], overlap)
    assert np.allclose(scored.total, 2 * similarity + 3 * overlap, rtol=1e-5)


@pytest.mark.parametrize("each", [2, 5, 100])
def test_rewards_may_be_asked_for_late(each: int) -> None:
    at_once, late = live(source(), *film(1)), live(source(), *film(1), each=each)
    assert np.array_equal(at_once.total, late.total)


def test_a_tick_pays_the_mean_of_its_steps_and_a_fall_ends_it_early() -> None:
    reward = source(2, embedder=None, video=0, iou=0, torque=0.5, regularization=2)
    reward.reset(buffers(2))
    steps = [  # torques of two environments, ticked, terminated: the second falls in the middle of a tick
        ((1.0, 0.5), (False, True), (False, True)),
        ((0.0, 0.3), (True, False), (False, False)),
        ((0.2, 0.1), (False, True), (False, False)),
    ]
    for torque, ticked, terminated in steps:
        reward.observe(
            buffers(
                2, measurements=torques(*torque), ticked=np.array(ticked), terminated=np.array(terminated),
                tick=np.array([1, 1]),
            )
        )  # fmt: skip
    scored = reward.rewards()
    assert np.allclose(scored.total, [-0.25, -(1.0 + 0.0) / 2, -(0.09 + 0.01) / 2])
    assert np.array_equal(scored.parts["torque"], scored.total)
    assert list(scored.parts) == ["torque"]


def test_the_next_episode_starts_from_its_own_start_frame() -> None:
    reward, (frames, masks), (others, _) = source(), film(), film(3)
    live(reward, *film(3))  # its last step shows the next episode's start: the first frame of this film again
    for t in range(1, TICKS + 1):
        reward.observe(
            buffers(ticked=np.array([True]), tick=np.array([t]), frames=frames[t : t + 1], masks=masks[t : t + 1])
        )
    seen = EMBEDDER.embed_video(np.concatenate([others[:1], frames[1:]]))[0]
    wanted = SIMILARITIES["cosine"][0](seen, reference(*film()).embeddings)[1:]
    assert wanted.min() < 0.99
    assert np.allclose(reward.rewards().parts["similarity"], wanted, atol=1e-6)


def test_parts_of_weight_zero_are_not_computed() -> None:
    frames, masks = film()
    nothing = np.empty((0, SIZE, SIZE))
    only_iou = live_without(source(embedder=None, video=0.0, iou=1.0), frames=nothing, masks=masks)
    assert list(only_iou.parts) == ["iou"] and np.allclose(only_iou.total, 1.0)
    only_video = live_without(source(video=1.0, iou=0.0), frames=frames, masks=nothing)
    assert list(only_video.parts) == ["similarity"] and np.allclose(only_video.total, 1.0, atol=1e-4)
    neither = live_without(source(embedder=None, video=0.0, iou=0.0), frames=nothing, masks=nothing)
    assert neither.parts == {} and np.array_equal(neither.total, [0.0, 0.0])


def live_without(reward: ImitationReward, frames: np.ndarray, masks: np.ndarray) -> TickRewards:
    """Two ticks; whoever looks at an empty film gets an IndexError."""
    reward.reset(buffers(start_frames=frames[:1], start_masks=masks[:1]))
    for t in (1, 2):
        reward.observe(
            buffers(
                ticked=np.array([True]), tick=np.array([t]), frames=frames[t : t + 1], masks=masks[t : t + 1],
                measurements=np.empty((1, 0)),
            )
        )  # fmt: skip
    return reward.rewards()


def test_a_motionless_reference_is_refused() -> None:
    for settings in ({"iou": 0.0}, {"video": 0.0}):
        with pytest.raises(DataError, match="never leaves the standing pose"):
            ImitationReward(reference(*still()), RewardSettings(**settings), EMBEDDER, 1, JOINTS, FEET)
    ImitationReward(reference(*still()), RewardSettings(scale="raw"), EMBEDDER, 1, JOINTS, FEET)


@pytest.mark.parametrize("at", [0, 1, 3, 9, 10, 20])
def test_it_goes_on_exactly_after_a_checkpoint(tmp_path: Path, at: int) -> None:
    """Two control steps a tick; saved in the middle of ticks, with rewards waiting, and over the end of an episode."""
    frames, masks = film(7)

    def step(reward: ImitationReward, n: int) -> list[np.ndarray]:
        t = (n // 2) % TICKS + 1
        ended = n % 2 == 1 and t == TICKS
        reward.observe(
            buffers(
                ticked=np.array([n % 2 == 1]), tick=np.array([t]), truncated=np.array([ended]),
                frames=frames[t : t + 1], masks=masks[t : t + 1],
                start_frames=frames[:1], start_masks=masks[:1], measurements=torques(np.sin(n)),
            )
        )  # fmt: skip
        return [reward.rewards().total] if n % 7 == 6 else []

    unbroken, resumed = source(torque=1.0), source(torque=1.0)
    unbroken.reset(buffers(start_frames=frames[:1], start_masks=masks[:1]))
    for n in range(at):
        step(unbroken, n)
    write_arrays(tmp_path / "state.npz", unbroken.state())
    resumed.restore(read_arrays(tmp_path / "state.npz"))
    assert resumed.waiting == unbroken.waiting
    for n in range(at, 40):
        first, second = step(unbroken, n), step(resumed, n)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def small_robot(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A film of a robot that is small in the picture, and wanders."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((TICKS + 1, SIZE, SIZE), bool)
    for t, (left, top) in enumerate(rng.integers(0, 4, (TICKS + 1, 2))):
        masks[t, top : top + 4, left : left + 3] = True
    return np.where(masks[..., None], rng.integers(1, 256, (*masks.shape, 3), np.uint8), np.uint8(0)), masks


def box_source(environments: int = 1, **settings: object) -> ImitationReward:
    given = RewardSettings(**(QUIET | settings))
    framed = reference(*box_framed(*small_robot(), 25.0))
    return ImitationReward(framed, given, EMBEDDER, environments, JOINTS, FEET, "box")


@pytest.mark.parametrize("weights", [{}, {"video": 0.0}, {"iou": 0.0}])
def test_with_the_box_too_a_perfect_imitation_scores_the_weights(weights: dict[str, float]) -> None:
    """In two episodes, one after the other: the square begins anew. Whole pictures against it would not do."""
    both = box_source(**weights)
    for _ in range(2):
        scored = live(both, *small_robot())
        assert np.allclose(scored.total, 2.0 - len(weights), atol=1e-5)
    other = ImitationReward(
        reference(*box_framed(*small_robot(), 25.0)), RewardSettings(**(QUIET | weights)), EMBEDDER, 1, JOINTS, FEET
    )
    assert live(other, *small_robot()).total.mean() < 1.5 - len(weights)


def test_the_squares_are_part_of_what_is_saved(tmp_path: Path) -> None:
    frames, masks = small_robot(1)
    one, other = box_source(), box_source()
    one.reset(buffers(start_frames=frames[:1], start_masks=masks[:1]))

    def step(reward: ImitationReward, t: int) -> np.ndarray:
        reward.observe(
            buffers(
                ticked=np.array([True]), tick=np.array([t]), frames=frames[t : t + 1], masks=masks[t : t + 1],
                start_frames=frames[:1], start_masks=masks[:1],
            )
        )  # fmt: skip
        return reward.rewards().total

    for t in range(1, 6):
        step(one, t)
    write_arrays(tmp_path / "state.npz", one.state())
    other.restore(read_arrays(tmp_path / "state.npz"))
    for t in range(6, TICKS):
        assert np.array_equal(step(one, t), step(other, t))


@pytest.mark.parametrize("start", [0, 3, 7, 10])
def test_a_perfect_imitation_that_starts_later_scores_the_weights(tmp_path: Path, start: int) -> None:
    """In the first episode, in one that follows, and after a checkpoint that holds its beginning."""
    frames, masks = film()
    at = np.array([start])
    reward = source(video=2.0, iou=0.5)
    reward.reset(buffers(start_frames=frames[start : start + 1], start_masks=masks[start : start + 1], start_tick=at))
    for _ in range(2):
        other = source(video=2.0, iou=0.5)
        write_arrays(tmp_path / "state.npz", reward.state())
        other.restore(read_arrays(tmp_path / "state.npz"))
        for t in range(start + 1, TICKS + 1):
            step = buffers(
                ticked=np.array([True]), tick=np.array([t]), truncated=np.array([t == TICKS]),
                frames=frames[t : t + 1], masks=masks[t : t + 1],
                start_frames=frames[start : start + 1], start_masks=masks[start : start + 1], start_tick=at,
            )  # fmt: skip
            reward.observe(step)
            other.observe(step)
        assert reward.waiting == TICKS - start
        write_arrays(tmp_path / "late.npz", other.state())
        again = source(video=2.0, iou=0.5)
        again.restore(read_arrays(tmp_path / "late.npz"))
        totals = [each.rewards().total for each in (reward, other, again)]
        assert all(np.array_equal(totals[0], total) for total in totals)
        assert np.allclose(totals[0], 2.5, atol=1e-4)


@pytest.mark.parametrize("start", [2, 6, 10])
def test_with_the_box_too_a_perfect_imitation_may_start_later(start: int) -> None:
    frames, masks = small_robot()
    framed, lags = reference(*box_framed(frames, masks, 25.0)), box_lags(masks, 25.0)
    assert np.abs(lags[1:]).max() > 0.5 and not lags[0].any()
    scores = []
    for shown in (replace(framed, box_lags=lags), framed):
        reward = ImitationReward(shown, RewardSettings(**QUIET), EMBEDDER, 1, JOINTS, FEET, "box")
        at = {"start_frames": frames[start : start + 1], "start_masks": masks[start : start + 1]}
        reward.reset(buffers(start_tick=np.array([start]), **at))
        for t in range(start + 1, TICKS + 1):
            reward.observe(
                buffers(ticked=np.array([True]), tick=np.array([t]), frames=frames[t : t + 1], masks=masks[t : t + 1])
            )
        scores.append(reward.rewards().total.mean())
    assert scores[0] == pytest.approx(2.0, abs=1e-5) and scores[1] < 2.0 - 1e-3
