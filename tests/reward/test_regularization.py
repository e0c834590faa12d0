"""Each regularizer against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.config import RewardSettings
from nil_core.reward.regularization import TERMS, weighted_terms, weights
from nil_core.sim.environment import Measurements


def measured(**given: list[float]) -> Measurements:
    """Two joints, two feet; what is not given is zero."""
    sizes = {"torque": 2, "action": 2, "last_action": 2, "joint_velocity": 2, "foot_speed": 2, "air_time": 2, "tilt": 1}
    return Measurements(**{name: np.array(given.get(name, [0.0] * size)) for name, size in sizes.items()})


CASES = [
    ("torque", measured(torque=[1.0, -0.5]), -(1 + 0.25) / 2),
    ("action", measured(action=[1.0, 0.2], last_action=[-1.0, 0.5]), -(4 + 0.09) / 2),
    ("velocity", measured(joint_velocity=[3.0, -4.0]), -(9 + 16) / 2),
    ("feet", measured(foot_speed=[0.3, 0.1]), -0.4),
    ("feet", measured(air_time=[0.0, 0.2]), 0.1),
    ("feet", measured(foot_speed=[0.3, 0.1], air_time=[0.2, 0.2]), -0.2),
    ("stability", measured(tilt=[0.3]), -0.09),
]


@pytest.mark.parametrize(("name", "m", "wanted"), CASES)
def test_a_term_in_numbers(name: str, m: Measurements, wanted: float) -> None:
    (term,) = (t for t in TERMS if t.name == name)
    assert float(term.of(m)) == pytest.approx(wanted)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_rest_costs_nothing_and_a_term_is_blind_to_the_others(term: object) -> None:
    assert float(term.of(measured())) == 0
    for name, m, wanted in CASES:
        assert name == term.name or wanted == 0 or float(term.of(m)) == 0, f"{term.name} sees {name}"


def test_the_five_terms_of_the_paper_have_weights_of_their_own() -> None:
    assert [term.symbol for term in TERMS] == ["P_J", "P_A", "P_V", "P_F", "P_S"]
    settings = RewardSettings(torque=1, action=2, velocity=3, feet=4, stability=5, regularization=10)
    assert weights(settings) == {"torque": 10, "action": 20, "velocity": 30, "feet": 40, "stability": 50}


def test_a_weight_of_zero_leaves_the_term_out() -> None:
    assert weights(RewardSettings(regularization=0)) == {}
    assert list(weights(RewardSettings(feet=0))) == ["torque", "action", "velocity", "stability"]


def test_weighted_terms_add_up_to_gamma_times_p() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, Measurements.size(2, 2)))
    m = Measurements.unpack(rows, 2, 2)
    settings = RewardSettings(torque=0.5, action=0, velocity=0.1, feet=0.2, stability=0.3, regularization=2)
    terms = weighted_terms(m, weights(settings))
    assert terms.shape == (3, 4)
    wanted = 2 * sum(getattr(settings, term.name) * term.of(m) for term in TERMS)
    assert np.allclose(terms.sum(axis=1), wanted)


def test_measurements_survive_their_packing() -> None:
    row = np.arange(Measurements.size(3, 4), dtype=np.float32)
    m = Measurements.unpack(row, 3, 4)
    assert [len(getattr(m, name)) for name in ("torque", "action", "foot_speed", "air_time", "tilt")] == [3, 3, 4, 4, 1]
    again = np.empty_like(row)
    m.pack_into(again)
    assert np.array_equal(again, row)
