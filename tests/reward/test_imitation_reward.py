"""R = alpha * S_v + beta * S_M + gamma * P over running episodes, on frames with known scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from nil_core.errors import DataError
from nil_core.reward.cards import ImitationOptions
from nil_core.reward.imitation import ImitationReward
from nil_core.reward.similarity import SIMILARITIES
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.tick import Tick
from nil_core.types import Reference, RewardSpec
from nil_core.video.box_framing import box_framed
from nil_core.video.clips import ClipEmbedder
from nil_core.video.masks import iou

SIZE, TICKS = 8, 12
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


def tick(index: int, frame: Any = None, mask: Any = None, steps: int = 1, env: int = 0, **given: Any) -> Tick:
    """A tick of zeros except the given fields; without steps, it begins an episode."""
    rows = {
        "observations": np.zeros((steps, 1), np.float32),
        "actions": np.zeros((steps, 1), np.float32),
        "next_observations": np.zeros((steps, 1), np.float32),
        "terminated": np.zeros(steps, bool),
        "truncated": np.zeros(steps, bool),
        "state_terms": np.zeros((steps, 0), np.float32),
        "speed": np.zeros(steps, np.float32),
        "environment_reward": np.zeros(steps, np.float32),
        "qpos": np.zeros(7),
    }
    return Tick(env, index, frame=frame, mask=mask, **(rows | given))


def begin(frames: np.ndarray, masks: np.ndarray, start: int = 0) -> Tick:
    """An episode begins with one moment of a film."""
    return tick(start, frames[start], masks[start], steps=0)


def shown(frames: np.ndarray, masks: np.ndarray, start: int = 0) -> list[Tick]:
    """An episode that shows a film, or its end."""
    return [begin(frames, masks, start), *(tick(t, frames[t], masks[t]) for t in range(start + 1, len(frames)))]


@dataclass(frozen=True)
class Scores:
    """What was scored for ticks that do not begin an episode: (ticks,) each."""

    total: np.ndarray
    terms: dict[str, np.ndarray]


def scores(reward: ImitationReward, ticks: Sequence[Tick], each: int = 0) -> Scores:
    """Let ticks be scored, all at once or so many at a time."""
    each = each or len(ticks)
    for first in range(0, len(ticks), each):
        reward.score(ticks[first : first + each])
    ended = [one for one in ticks if not one.begins]
    assert all(np.isnan(one.reward) and not one.terms for one in ticks if one.begins), "a beginning gets no reward"
    names = ended[0].terms
    return Scores(
        np.array([one.reward for one in ended], np.float32),
        {name: np.array([one.terms[name] for one in ended], np.float32) for name in names},
    )


def no_encoder() -> NoReturn:
    raise AssertionError("the encoder was asked for")


def build(shown: Reference, num_envs: int = 1, framing: str = "whole", encoder: bool = True, **options: Any) -> Any:
    spec = RewardSpec(shown, num_envs, framing, (lambda: EMBEDDER) if encoder else no_encoder)
    return ImitationReward(ImitationOptions(**options), spec)


def source(num_envs: int = 1, encoder: bool = True, **options: Any) -> ImitationReward:
    built: ImitationReward = build(reference(*film()), num_envs, encoder=encoder, **(QUIET | options))
    return built


def live(reward: ImitationReward, frames: np.ndarray, masks: np.ndarray, each: int = 1) -> Scores:
    """One environment shows a film from beginning to end; scored after every ``each`` ticks."""
    return scores(reward, shown(frames, masks), each)


@pytest.mark.parametrize(("similarity", "best"), [("cosine", 1.0), ("l2", 0.0)])
def test_a_perfect_imitation_scores_the_two_weights(similarity: str, best: float) -> None:
    scored = live(source(video=2.0, iou=0.5, similarity=similarity), *film())
    assert scored.total.shape == (TICKS,)
    assert np.allclose(scored.total, 2.5, atol=1e-4)
    assert np.allclose(scored.terms["similarity"], best, atol=1e-5)
    assert np.allclose(scored.terms["iou"], 1.0)
    assert set(scored.terms) == {"similarity", "iou"}


def test_terms_hold_similarities_unscaled_and_regularizers_weighted() -> None:
    """And the reward is a float32 number."""
    reward = source(video=2.0, iou=3.0, torque=0.5, regularization=4.0)
    frames, masks = film(5)
    state_terms = np.array([[-0.3], [-0.1]], np.float32)
    scored = scores(reward, [begin(frames, masks), tick(1, frames[1], masks[1], 2, state_terms=state_terms)])
    assert list(scored.terms) == ["similarity", "iou", "torque"]
    assert scored.terms["torque"] == pytest.approx([-0.4])
    read = {name: reward.scales[name](scored.terms[name]) for name in ("similarity", "iou")}
    assert scored.total == pytest.approx(2 * read["similarity"] + 3 * read["iou"] + scored.terms["torque"], rel=1e-6)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_scale_is_what_standing_still_scores(similarity: str) -> None:
    reward = source(similarity=similarity)
    scored = live(reward, *still())
    assert reward.scales["similarity"].stand == pytest.approx(scored.terms["similarity"].mean(), rel=1e-5)
    assert reward.scales["iou"].stand == pytest.approx(scored.terms["iou"].mean(), rel=1e-5)
    assert float(reward.scales["similarity"](scored.terms["similarity"].mean())) == pytest.approx(1 / np.e, rel=1e-4)


def test_any_film_scores_what_the_formula_says() -> None:
    (frames, masks), wanted = film(seed=5), reference(*film())
    scored = live(source(video=2.0, iou=3.0, similarity="l2", scale="raw"), frames, masks)
    similarity = -np.linalg.norm(EMBEDDER.embed_video(frames)[0] - wanted.embeddings, axis=1)[1:]
    overlap = iou(masks, wanted.masks)[1:]
    assert np.allclose(scored.terms["similarity"], similarity) and np.allclose(scored.terms["iou"], overlap)
    assert np.allclose(scored.total, 2 * similarity + 3 * overlap, rtol=1e-5)


@pytest.mark.parametrize("each", [2, 5, 100])
def test_scoring_late_gives_what_scoring_at_once_gives(each: int) -> None:
    at_once, late = live(source(), *film(1)), live(source(), *film(1), each=each)
    assert np.array_equal(at_once.total, late.total)


def test_environments_are_scored_apart_from_each_other() -> None:
    """Three of them out of step; one begins anew."""
    lives = [shown(*film(1)), shown(*film(2))[:6] + shown(*film(3))[:4], shown(*film(4))[:8]]
    alone = [scores(source(), life).total for life in lives]
    for i, life in enumerate(lives):
        for one in life:
            one.env, one.reward, one.terms = i, float("nan"), {}
    mixed = [life[n] for n in range(TICKS + 1) for life in lives if n < len(life)]
    scores(source(3), mixed, each=5)
    for life, wanted in zip(lives, alone, strict=True):
        got = [one.reward for one in life if not one.begins]
        assert np.allclose(got, wanted, rtol=1e-6)


def test_a_tick_pays_the_mean_of_its_steps_and_a_fall_ends_it_early() -> None:
    """Of two environments, the second falls in the middle of a tick."""
    reward = source(2, encoder=False, video=0, iou=0, torque=0.5, regularization=2, terminal_value=-3.0)
    assert [term.name for term in reward.state_terms] == ["torque"]

    def squared(*torques: float) -> np.ndarray:
        return -np.square(np.array(torques, np.float32)[:, None])

    ticks = [
        tick(0, steps=0),
        tick(0, steps=0, env=1),
        tick(1, env=1, state_terms=squared(0.5), terminated=np.array([True])),
        tick(0, steps=0, env=1),
        tick(1, steps=2, state_terms=squared(1.0, 0.0)),
        tick(1, steps=2, env=1, state_terms=squared(0.3, 0.1)),
    ]
    scored = scores(reward, ticks)
    assert np.allclose(scored.total, [-0.25, -(1.0 + 0.0) / 2, -(0.09 + 0.01) / 2])
    assert np.array_equal(scored.terms["torque"], scored.total)
    assert list(scored.terms) == ["torque"]
    assert {one.terminal_value for one in ticks if not one.begins} == {-3.0}


def test_the_next_episode_starts_from_its_own_start_frame() -> None:
    reward, (frames, masks), (others, other_masks) = source(), film(), film(3)
    live(reward, *film(3))
    second = [begin(others, other_masks), *shown(frames, masks)[1:]]
    seen = EMBEDDER.embed_video(np.concatenate([others[:1], frames[1:]]))[0]
    wanted = SIMILARITIES["cosine"][0](seen, reference(*film()).embeddings)[1:]
    assert wanted.min() < 0.99
    assert np.allclose(scores(reward, second).terms["similarity"], wanted, atol=1e-6)


class Untouchable:
    """A picture that must not be read."""

    def __array__(self, *arguments: object, **named: object) -> NoReturn:
        raise AssertionError("a picture was looked at that no weight asks for")


def test_terms_of_weight_zero_are_not_computed() -> None:
    frames, masks = film()
    nothing = [Untouchable()] * len(frames)
    only_iou = source(encoder=False, video=0.0, iou=1.0)
    assert only_iou.needs == {"masks"}
    scored = scores(only_iou, shown(nothing, masks)[:3])
    assert list(scored.terms) == ["iou"] and np.allclose(scored.total, 1.0)
    only_video = source(video=1.0, iou=0.0)
    assert only_video.needs == {"embeddings"}
    scored = scores(only_video, shown(frames, nothing)[:3])
    assert list(scored.terms) == ["similarity"] and np.allclose(scored.total, 1.0, atol=1e-4)
    neither = source(encoder=False, video=0.0, iou=0.0)
    assert neither.needs == frozenset() and neither.state_terms == ()
    for pictures in ((nothing, nothing), ([None] * 3, [None] * 3)):
        scored = scores(neither, shown(*pictures)[:3])
        assert scored.terms == {} and np.array_equal(scored.total, [0.0, 0.0])


def test_without_pictures_no_reference_is_needed() -> None:
    build(None, encoder=False, video=0, iou=0)  # type: ignore[arg-type]


def test_nothing_but_beginnings_may_be_scored() -> None:
    for reward in (source(torque=1.0), source(encoder=False, video=0, iou=0, torque=1.0)):
        first = begin(*film())
        reward.score([first])
        reward.score([])
        assert np.isnan(first.reward)


def test_a_motionless_reference_is_refused() -> None:
    for options in ({"iou": 0.0}, {"video": 0.0}):
        with pytest.raises(DataError, match="never leaves the standing pose"):
            build(reference(*still()), **options)
    build(reference(*still()), scale="raw")


class Blind(Pixels):
    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        return np.ones((len(frames), 3), np.float32)


def test_an_encoder_with_constant_embeddings_is_named_in_the_error() -> None:
    embedder = ClipEmbedder(Blind(), frame_wise=True, name="blind")

    def build_blind(frames: np.ndarray, masks: np.ndarray) -> ImitationReward:
        seen = Reference(frames, masks, *embedder.embed_video(frames), tick_hz=25.0)
        return ImitationReward(ImitationOptions(), RewardSpec(seen, 1, "whole", lambda: embedder))

    frames, masks = film()
    for moving in ((frames, masks), (frames, masks[[0] * len(masks)]), (frames[[0] * len(frames)], masks)):
        with pytest.raises(DataError, match="the encoder blind gives the same embedding for all frames") as caught:
            build_blind(*moving)
        assert "nil encoders rank blind" in caught.value.hint
    with pytest.raises(DataError, match="never leaves the standing pose"):
        build_blind(*still())


def test_the_table_shows_weights_units_and_what_standing_scores() -> None:
    reward = source(video=2.0, iou=0.5, torque=0.3, stability=0.1, regularization=10.0, similarity="l2")
    rows = reward.rows()
    assert [(row.symbol, row.name, row.weight) for row in rows] == [
        ("S_v", "video similarity", 2.0),
        ("S_M", "mask similarity", 0.5),
        ("P_J", "torque", 3.0),
        ("P_S", "stability", 1.0),
    ]
    assert rows[0].unit == f"l2, calibrated; standing scores {reward.scales['similarity'].stand:.3f}"
    assert rows[1].unit.startswith("IoU, calibrated; standing scores ") and rows[3].unit == "rad^2 of torso tilt"


@pytest.mark.parametrize("at", [0, 1, 3, 9, 10, 20])
def test_it_goes_on_exactly_after_a_checkpoint(tmp_path: Path, at: int) -> None:
    """Two control steps a tick; saved with ticks waiting for their score, and over the end of an episode."""
    frames, masks = film(7)

    def score(reward: ImitationReward, n: int) -> list[float]:
        """Tick n and the beginning that follows it where it ends an episode."""
        t = n % TICKS + 1
        state_terms = -np.square(np.sin([[2 * n], [2 * n + 1]])).astype(np.float32)
        happened = [tick(t, frames[t], masks[t], 2, state_terms=state_terms)]
        happened += [begin(frames, masks)] if t == TICKS else []
        reward.score(happened)
        return [one.reward for one in happened if not one.begins]

    unbroken, resumed = source(torque=1.0), source(torque=1.0)
    unbroken.score([begin(frames, masks)])
    for n in range(at):
        score(unbroken, n)
    write_arrays(tmp_path / "state.npz", unbroken.state())
    resumed.restore(read_arrays(tmp_path / "state.npz"))
    for n in range(at, 40):
        assert score(unbroken, n) == score(resumed, n)


def small_robot(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A film of a robot that is small in the picture, and wanders."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((TICKS + 1, SIZE, SIZE), bool)
    for t, (left, top) in enumerate(rng.integers(0, 4, (TICKS + 1, 2))):
        masks[t, top : top + 4, left : left + 3] = True
    return np.where(masks[..., None], rng.integers(1, 256, (*masks.shape, 3), np.uint8), np.uint8(0)), masks


def box_source(framing: str = "box", **options: Any) -> ImitationReward:
    built: ImitationReward = build(
        reference(*box_framed(*small_robot(), 25.0)[:2]), framing=framing, **(QUIET | options)
    )
    return built


@pytest.mark.parametrize("weights", [{}, {"video": 0.0}, {"iou": 0.0}])
def test_with_the_box_too_a_perfect_imitation_scores_the_weights(weights: dict[str, float]) -> None:
    """In two episodes, one after the other: the square begins anew. Whole pictures against it would not do."""
    both = box_source(**weights)
    for _ in range(2):
        scored = live(both, *small_robot())
        assert np.allclose(scored.total, 2.0 - len(weights), atol=1e-5)
    other = box_source("whole", **weights)
    assert live(other, *small_robot()).total.mean() < 1.5 - len(weights)


def test_the_squares_are_part_of_what_is_saved(tmp_path: Path) -> None:
    episode = shown(*small_robot(1))
    one, other = box_source(), box_source()
    one.score(episode[:6])
    write_arrays(tmp_path / "state.npz", one.state())
    other.restore(read_arrays(tmp_path / "state.npz"))
    for t in range(6, TICKS):
        assert np.array_equal(scores(one, episode[t : t + 1]).total, scores(other, episode[t : t + 1]).total)


@pytest.mark.parametrize("start", [0, 3, 7, 10])
def test_a_perfect_imitation_that_starts_later_scores_the_weights(tmp_path: Path, start: int) -> None:
    """In the first episode, in one that follows, and after a checkpoint that holds its beginning."""
    reward = source(video=2.0, iou=0.5)
    for _ in range(2):
        first, *rest = shown(*film(), start=start)
        reward.score([first])
        write_arrays(tmp_path / "state.npz", reward.state())
        other, late = source(video=2.0, iou=0.5), source(video=2.0, iou=0.5)
        for each in (other, late):
            each.restore(read_arrays(tmp_path / "state.npz"))
        totals = [scores(reward, rest).total, scores(other, rest, each=1).total, scores(late, rest, each=4).total]
        assert len(totals[0]) == TICKS - start
        assert all(np.array_equal(totals[0], total) for total in totals)
        assert np.allclose(totals[0], 2.5, atol=1e-4)


@pytest.mark.parametrize("start", [2, 6, 10])
def test_with_the_box_too_a_perfect_imitation_may_start_later(start: int) -> None:
    frames, masks = small_robot()
    *shown_framed, lags = box_framed(frames, masks, 25.0)
    framed = reference(*shown_framed)
    assert np.abs(lags[1:]).max() > 0.5 and not lags[0].any()
    means = []
    for wanted in (replace(framed, box_lags=lags), framed):
        reward = build(wanted, framing="box", **QUIET)
        means.append(scores(reward, shown(frames, masks, start)).total.mean())
    assert means[0] == pytest.approx(2.0, abs=1e-5) and means[1] < 2.0 - 1e-3
