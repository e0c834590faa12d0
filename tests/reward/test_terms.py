"""Each regularizer against numbers computed by hand, and the effect of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from nil_core.errors import ConfigError, PluginError
from nil_core.measurements import Measurements
from nil_core.reward.cards import ImitationOptions
from nil_core.reward.imitation import ImitationReward, active_terms
from nil_core.reward.terms import REGULARIZERS, RewardTerm
from nil_core.tick import Tick
from nil_core.types import RewardSpec


def measured(**given: list[float]) -> Measurements:
    """Two joints, two feet; fields that are not given are zero."""
    sizes = {
        "torque": 2, "action": 2, "last_action": 2, "joint_velocity": 2, "foot_speed": 2, "air_time": 2, "tilt": 1,
        "joint_position": 2, "root_position": 3, "root_velocity": 3, "root_angular_velocity": 3, "contacts": 2,
    }  # fmt: skip
    rows = {name: np.array(given.get(name, [0.0] * size)) for name, size in sizes.items()}
    return Measurements(joint_names=("hip", "knee"), **rows)


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
    (term,) = (t for t in REGULARIZERS if t.name == name)
    assert float(term.function(m)) == pytest.approx(wanted)


@pytest.mark.parametrize("term", REGULARIZERS, ids=lambda term: term.name)
def test_a_term_is_zero_at_rest_and_independent_of_the_others(term: RewardTerm) -> None:
    assert float(term.function(measured())) == 0
    for name, m, wanted in CASES:
        assert name == term.name or wanted == 0 or float(term.function(m)) == 0, f"{term.name} sees {name}"


@pytest.mark.parametrize("term", REGULARIZERS, ids=lambda term: term.name)
def test_a_term_is_the_same_for_many_environments_at_once(term: RewardTerm) -> None:
    rng = np.random.default_rng(0)
    rows = {name: rng.normal(size=(3, getattr(measured(), name).size)) for name in vars(measured()) if name not in
            ("joint_names", "model", "data")}  # fmt: skip
    together = term.function(Measurements(joint_names=("hip", "knee"), **rows))
    alone = [term.function(measured(**{name: row[i] for name, row in rows.items()})) for i in range(3)]
    assert np.allclose(together, alone) and np.shape(together) == (3,)


def weights(**options: float) -> dict[str, float]:
    return {term.name: weight for term, weight in active_terms(ImitationOptions(video=0, iou=0, **options))}


def test_the_five_terms_of_the_paper_have_weights_of_their_own() -> None:
    assert [term.symbol for term in REGULARIZERS] == ["P_J", "P_A", "P_V", "P_F", "P_S"]
    found = weights(torque=1, action=2, velocity=3, feet=4, stability=5, regularization=10)
    assert found == {"torque": 10, "action": 20, "velocity": 30, "feet": 40, "stability": 50}


def test_a_weight_of_zero_leaves_the_term_out() -> None:
    assert weights(regularization=0) == {}
    assert list(weights(feet=0)) == ["torque", "action", "velocity", "stability"]
    assert [term.name for term, _ in active_terms(ImitationOptions(iou=0, regularization=0))] == ["similarity"]


def scored(options: ImitationOptions, rows: np.ndarray) -> Tick:
    """A tick of so many control steps, whose state terms are (k, terms)."""
    k = len(rows)
    column = np.zeros((k, 1), np.float32)
    tick = Tick(
        0, 1, column, column, column, np.zeros(k, bool), np.zeros(k, bool), rows.astype(np.float32),
        np.zeros(k, np.float32), np.zeros(k, np.float32), np.zeros(7),
    )  # fmt: skip
    ImitationReward(options, RewardSpec(None, 1, "whole", lambda: None)).score([tick])  # type: ignore[arg-type]
    return tick


def test_weighted_terms_add_up_to_gamma_times_p() -> None:
    rng = np.random.default_rng(0)
    moments = [measured(**{name: rng.normal(size=len(getattr(measured(), name))) for name in
               ("torque", "action", "last_action", "joint_velocity", "foot_speed", "air_time", "tilt")})
               for _ in range(3)]  # fmt: skip
    options = ImitationOptions(
        video=0, iou=0, torque=0.5, action=0, velocity=0.1, feet=0.2, stability=0.3, regularization=2
    )
    active = active_terms(options)
    assert len(active) == 4
    tick = scored(options, np.array([[term.function(m) for term, _ in active] for m in moments]))
    wanted = 2 * np.mean([sum(getattr(options, t.name) * t.function(m) for t in REGULARIZERS) for m in moments])
    assert tick.reward == pytest.approx(wanted, rel=1e-5) == pytest.approx(sum(tick.terms.values()), rel=1e-5)


UPRIGHT = """
    from nil_core.reward.terms import RewardTerm

    def height(m):
        return m.root_position[..., 2]

    HEIGHT = RewardTerm("root_height", "state", height, "H", "m", "height of the root")
    """


@pytest.fixture
def installed(fresh_site: Callable, visible: Callable) -> Iterator[None]:
    """A distribution with a term, and one with something else."""
    from textwrap import dedent

    site = fresh_site()
    entries = "[nil.reward_terms]\nroot-height = termite:HEIGHT\n"
    site.add("termite", entries, termite=dedent(UPRIGHT))
    with visible(site.install()):
        yield


@pytest.mark.usefixtures("installed")
def test_a_term_of_a_third_party_is_weighted_by_its_own_name() -> None:
    options = ImitationOptions(video=0, iou=0, regularization=0, terms={"root_height": 0.5})
    ((term, weight),) = active_terms(options)
    assert (term.symbol, weight) == ("H", 0.5)
    assert term.function(measured(root_position=[0.0, 0.0, 0.3])) == pytest.approx(0.3)
    tick = scored(options, np.array([[0.2], [0.4]]))
    assert (tick.reward, tick.terms) == (pytest.approx(0.15), {"root_height": pytest.approx(0.15)})


@pytest.mark.usefixtures("installed")
def test_gamma_does_not_weigh_the_terms_of_third_parties_and_zero_leaves_them_out() -> None:
    assert weights(regularization=0, terms={"root-height": 0.5}) == {"root_height": 0.5}
    assert weights(regularization=0, terms={"root-height": 0.0}) == {}


@pytest.mark.usefixtures("installed")
def test_a_term_that_is_not_installed_is_named_beside_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no reward term is called 'rot_height'; installed: root_height") as caught:
        active_terms(ImitationOptions(terms={"rot_height": 1.0}))
    assert "reward.terms.rot_height" in caught.value.hint


def test_an_entry_point_that_leads_to_something_else_is_reported(fresh_site: Callable, visible: Callable) -> None:
    site = fresh_site()
    site.add("termite", "[nil.reward_terms]\nheight = termite:HEIGHT\n", termite="HEIGHT = 3\n")
    with visible(site.install()), pytest.raises(PluginError, match="is no RewardTerm but of type int") as caught:
        active_terms(ImitationOptions(terms={"height": 1.0}))
    assert "termite" in caught.value.hint
