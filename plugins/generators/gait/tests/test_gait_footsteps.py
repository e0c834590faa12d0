import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.api import ConfigError
from nil_generator_gait.footsteps import Pace, foot_path, root_distance
from nil_generator_gait.legs import step_phases, without_trunk
from nil_generator_gait.skills import SKILLS, find_skill

paces = st.builds(
    Pace,
    speed=st.floats(-3, 3),
    frequency=st.floats(0.5, 5),
    duty=st.floats(0.2, 0.9),
    lift=st.floats(0.01, 0.3),
    ramp=st.floats(0.05, 2),
)
TIMES = np.arange(0, 4, 0.002)


@given(pace=paces)
def test_root_starts_at_rest_and_reaches_its_speed(pace: Pace) -> None:
    x = root_distance(TIMES, pace)
    speed = np.gradient(x, TIMES)
    assert x[0] == 0.0
    assert abs(speed[0]) <= abs(pace.speed) * 0.1
    np.testing.assert_allclose(speed[pace.ramp + 0.01 < TIMES], pace.speed, atol=1e-6)
    assert np.all(np.abs(speed) <= abs(pace.speed) + 1e-9)


@given(pace=paces, phase=st.sampled_from([0.0, 0.25, 0.5]))
def test_a_stance_foot_is_fixed_and_lifts_off_and_lands_at_rest(pace: Pace, phase: float) -> None:
    forward, up = foot_path(TIMES, phase, pace)
    assert forward[0] == up[0] == 0.0
    assert up.min() >= 0.0 and up.max() <= pace.lift + 1e-12
    on_floor = (up[:-1] < 1e-12) & (up[1:] < 1e-12)
    assert np.abs(np.diff(forward)[on_floor]).max(initial=0.0) < 1e-9
    # The acceleration of a cycloid is at most 2 pi strides per swing time squared: no jumps, at rest at both ends.
    swing_time = (1 - pace.duty) / pace.frequency
    stride = 1.5 * abs(pace.speed) / pace.frequency + 1e-9  # the first stride is longer, because the first stance is
    assert np.abs(np.diff(forward, 2)).max() / 0.002**2 <= 2 * np.pi * stride / swing_time**2 * 1.01
    assert np.abs(np.diff(up, 2)).max() / 0.002**2 <= 2 * np.pi**2 * pace.lift / swing_time**2 * 1.01


@given(pace=paces, phase=st.sampled_from([0.0, 0.5]))
def test_in_steady_state_the_foot_keeps_up_with_the_root(pace: Pace, phase: float) -> None:
    cycle = 1 / pace.frequency
    times = pace.ramp + cycle * np.linspace(1.5, 2.5, 400, endpoint=False)
    offset = foot_path(times, phase, pace)[0] - root_distance(times, pace)
    later = foot_path(times + cycle, phase, pace)[0] - root_distance(times + cycle, pace)
    np.testing.assert_allclose(later, offset, atol=1e-6 * max(1, abs(pace.speed)) / pace.frequency)
    stance = foot_path(times, phase, pace)[1] < 1e-12
    half_stride = abs(pace.speed) * pace.duty / pace.frequency / 2
    assert np.abs(offset[stance]).max() <= half_stride + 1e-4
    assert abs(offset[stance].mean()) <= half_stride * 0.05 + 1e-4  # stance is symmetric about the standing pose


@pytest.mark.parametrize(
    ("feet", "expected"),
    [
        ([[0, 0.1], [0, -0.1]], [0, 1]),
        ([[0.2, -0.1], [0.2, 0.1], [-0.2, -0.1], [-0.2, 0.1]], [0, 1, 1, 0]),
        ([[0.2, 0.1], [0.0, 0.1], [-0.2, 0.1], [0.2, -0.1], [0.0, -0.1], [-0.2, -0.1]], [0, 1, 0, 1, 0, 1]),
    ],
    ids=["biped alternates", "quadruped trots", "hexapod moves in tripods"],
)
def test_step_phases(feet: list[list[float]], expected: list[int]) -> None:
    phases = step_phases(np.array([[*foot, 0.0] for foot in feet]))
    assert set(phases) == {0.0, 0.5}
    first = expected[0]
    assert [phase == phases[0] for phase in phases] == [group == first for group in expected]


def test_skills_are_found_by_any_of_their_names() -> None:
    for skill in SKILLS:
        for words in (skill.name, *skill.synonyms, f"  {skill.name.upper().replace(' ', '   ')} "):
            assert find_skill(words) is skill
    assert find_skill("running") is find_skill("trotting")
    assert find_skill("walking backwards").speed < 0 == find_skill("stepping in place").speed


def test_no_word_names_two_skills() -> None:
    words = [word for skill in SKILLS for word in (skill.name, *skill.synonyms)]
    assert len(words) == len(set(words))


def test_an_unknown_skill_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        find_skill("dancing")
    assert "dancing" in caught.value.message
    assert all(skill.name in caught.value.hint for skill in SKILLS)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ([(0, 1, 2, 3), (0, 4, 5, 6)], [(1, 2, 3), (4, 5, 6)]),
        ([(0, 1, 2), (0, 3, 4)], [(0, 1, 2), (0, 3, 4)]),
    ],
    ids=["a waist is no leg joint", "but legs of two joints need it"],
)
def test_joints_that_move_several_feet(chains: list[tuple[int, ...]], expected: list[tuple[int, ...]]) -> None:
    assert without_trunk(chains) == expected
