"""Joint fit: the normal equations against a dense solution, contacts and paths against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nil_core.reference.recovery.contacts import Contacts, travel
from nil_core.reference.recovery.joint_fit import FIRST_FRAME_CURVATURE, _NormalEquations
from nil_core.reference.recovery.limb_search import _best_path
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.types import Doubles

LOOSE = Contacts(slip=0.01, sink=0.02)


def misfit(priors: Priors, contacts: Contacts, space: PoseSpace, poses: Doubles, weights: Doubles) -> float:
    return priors.misfit(poses, space.stand) + contacts.misfit(space.soles(poses), weights)


def test_step_is_newtons_on_the_misfit(space: PoseSpace, stepping: Doubles) -> None:
    """Without pictures: the right side is minus half the gradient, the band holds what a dense solve would."""
    poses = stepping[:6] + np.random.default_rng(0).normal(0, 0.01, (6, space.size))
    priors = Priors.of(space, 25.0, np.array([1.0, 1, 2, 1, 3]))
    normal = _NormalEquations(len(poses), space.size)
    normal.add_priors(priors, poses, space.stand)
    soles, rates = space.soles_and_rates(poses)
    weights = LOOSE.standing(soles)
    normal.add_contacts(LOOSE, soles, rates, weights)
    random = np.random.default_rng(1)
    for _ in range(5):
        direction = random.normal(size=poses.shape)
        step = 1e-6
        ahead, behind = (misfit(priors, LOOSE, space, poses + s * step * direction, weights) for s in (1, -1))
        assert -2 * (normal._right * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-3)
    band = normal._band()
    count = band.shape[1]
    dense = np.zeros((count, count))
    for row, column in itertools.product(range(count), range(count)):
        if 0 <= column - row < len(band):
            dense[row, column] = dense[column, row] = band[len(band) - 1 + row - column, column]
    dense[np.arange(space.size), np.arange(space.size)] += FIRST_FRAME_CURVATURE
    expected = np.linalg.solve(dense, normal._right.ravel()).reshape(poses.shape)
    assert normal.solve(damping=0.0) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_constant_velocity_costs_nothing_after_the_start(space: PoseSpace) -> None:
    at = np.array([0.0, 1, 2, 3, 5, 6, 9, 10])  # frames that are left out do not matter
    priors = Priors(np.full(space.size, np.inf), np.ones(space.size), np.diff(at))
    poses = np.tile(space.stand, (len(at), 1))
    poses[:, 0] = 0.1 * at
    assert priors.misfit(poses, space.stand) == pytest.approx(0.01)  # the robot rests before its first frame
    poses[:, 0] = 0.1 * at**2
    assert priors.second_differences(poses)[1:, 0] == pytest.approx(0.2), "a constant change of velocity"


def test_travel_lets_the_lowest_sole_rest() -> None:
    count, step = 12, 0.05
    soles = np.zeros((count, 2, 3))
    soles[:, 0, 0] = 0.2 - step * np.arange(count)  # seen from the root, a standing foot goes back
    soles[:, 1, 0] = 0.3 * np.arange(count)
    soles[:, 1, 2] = 0.1
    assert travel(soles)[:, 0] == pytest.approx(step * np.arange(count), abs=1e-3)


def test_feet_that_are_high_or_fast_do_not_stand() -> None:
    soles = np.zeros((3, 3, 3))
    soles[:, 1, 2] = 0.05
    soles[:, 2, 0] = [0.0, 0.2, 0.4]
    weights = LOOSE.standing(soles)
    assert (weights[:, 0] > 0.9).all()
    assert (weights[:, 1:] < 0.1).all()


def test_soles_below_the_floor_cost() -> None:
    deep = np.zeros((2, 1, 3))
    deep[:, :, 2] = -0.02
    assert LOOSE.misfit(deep, np.zeros((1, 1))) == pytest.approx(2 * (1 + 4))  # a sigma of sink, two of the lowest


def test_best_path_is_the_least_of_all_paths() -> None:
    random = np.random.default_rng(0)
    costs, choices = random.uniform(size=(5, 3)), random.normal(size=(5, 3, 2))

    def total(path: tuple[int, ...]) -> float:
        picked = choices[np.arange(5), list(path)]
        return float(costs[np.arange(5), list(path)].sum() + (np.diff(picked, axis=0) ** 2).sum())

    best = min(itertools.product(range(3), repeat=5), key=total)
    path, cost = _best_path(costs, choices)
    assert tuple(path) == best
    assert cost == pytest.approx(total(best))
