"""Evaluation metrics against numbers computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nil_core.evaluation.columns import COLUMNS, RESULTS, tables
from nil_core.evaluation.metrics import Scoring, spread, summarize, summarize_with_spread
from nil_core.evaluation.rollout import Episode

TICKS, HORIZON = 4, 8
SCORING, WITHOUT_TARGET = Scoring(TICKS, HORIZON, has_target=True), Scoring(TICKS, HORIZON, has_target=False)


def episode(rewards: list[float], speed: list[float], fell: bool = False, **terms: Any) -> Episode:
    nothing = np.empty((0, 0, 0, 3), np.uint8)
    speeds = np.array(speed, np.float32)
    return Episode(
        observations=np.zeros((len(speed), 3), np.float32),
        rewards=np.array(rewards, np.float32),
        terms={name: np.array(values, np.float32) for name, values in terms.items()},
        speed=speeds,
        environment_reward=np.exp(-((speeds - 1.0) ** 2)),
        fell=fell,
        qpos=np.zeros((len(rewards) + 1, 7)),
        frames=nothing,
        masks=nothing[..., 0] > 0,
    )


WHOLE = episode([1, 1, 1, 2], [1.0] * 8, iou=[0.5] * 4, similarity=[0.8, 0.8, 1.0, 1.0])
FALL = episode([2.0, 1.0], [0.0, 2.0], fell=True, iou=[0.2, 0.4], similarity=[0.5, 0.5])


def test_a_row_in_numbers() -> None:
    row = summarize([WHOLE, FALL], SCORING)
    assert row == pytest.approx(
        {
            "return": (5 / 4 + 3 / 4) / 2,  # missed ticks count 0
            "similarity": (0.9 + 0.5) / 2,  # lived ticks alone
            "iou": (0.5 + 0.3) / 2,
            "speed": (1.0 + 1.0) / 2,
            "environment_reward": (1.0 + 2 * np.exp(-1) / 8) / 2,
            "length": (1.0 + 2 / 8) / 2,
            "falls": 1,
            "episodes": 2,
        }
    )
    assert list(row) == [name for name, column in COLUMNS.items() if column.table == RESULTS]
    assert all(isinstance(value, int | float) for value in row.values())


def test_what_was_not_computed_has_no_column() -> None:
    bare = episode([1.0] * 4, [0.5] * 8)
    assert set(summarize([bare], WITHOUT_TARGET)) == {"return", "speed", "length", "falls", "episodes"}
    assert "iou" not in summarize([WHOLE, bare], SCORING)


def test_falling_early_never_beats_a_full_episode_with_positive_rewards() -> None:
    lived = summarize([episode([0.4] * 4, [0.0] * 8)], WITHOUT_TARGET)
    fell = summarize([episode([0.4] * 3, [0.0] * 6, fell=True)], WITHOUT_TARGET)
    assert lived["return"] > fell["return"]


def test_further_measures_have_a_mean_of_what_could_be_told_and_a_spread() -> None:
    def told(episode: Episode) -> dict[str, float | None]:
        return {"foot_slip": None if episode.fell else float(episode.rewards[0]), "asymmetry": None}

    slow = episode([3, 1, 1, 1], [0.5] * 8)
    row = summarize_with_spread([WHOLE, FALL, slow], Scoring(TICKS, HORIZON, True, [told]))
    assert row["foot_slip"] == 2.0 and row["foot_slip_std"] == pytest.approx(np.sqrt(2))
    assert row["foot_slip_ci95"] == pytest.approx([2 - 12.7062, 2 + 12.7062], rel=1e-5)
    assert (row["asymmetry"], row["asymmetry_std"], row["asymmetry_ci95"]) == (None, None, None)
    (_, headings, cells) = tables({"trained": row})[-1]
    assert headings == ["policy", "slip m/s", "asymmetry deg"] and cells == [["trained", "2.000", "-"]]
    assert not {"falls_std", "episodes_std"} & set(row)


def test_deviation_and_interval_by_hand() -> None:
    """t(0.975, 1) = 12.7062, from any table."""
    slow = episode([1, 1, 1, 1], [0.5] * 8)
    row = summarize_with_spread([WHOLE, slow], SCORING)
    assert row["return_std"] == pytest.approx(0.25 / np.sqrt(2))
    assert row["return_ci95"] == pytest.approx([1.125 - 12.7062 * 0.125, 1.125 + 12.7062 * 0.125], rel=1e-5)
    assert row["speed_std"] == pytest.approx(0.5 / np.sqrt(2))
    assert row["speed_ci95"] == pytest.approx([0.75 - 12.7062 * 0.25, 0.75 + 12.7062 * 0.25], rel=1e-5)


def test_one_episode_has_no_spread() -> None:
    assert spread("speed", [1.0]) == spread("speed", [1.0, None]) == {"speed_std": None, "speed_ci95": None}


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_interval_covers_the_mean_as_often_as_it_says(n: int) -> None:
    random = np.random.default_rng(n)
    intervals = [spread("speed", random.normal(3.0, 2.0, n).tolist())["speed_ci95"] for _ in range(1000)]
    assert 0.93 < np.mean([low <= 3.0 <= high for low, high in intervals]) < 0.97
