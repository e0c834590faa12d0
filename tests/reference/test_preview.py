"""The preview: principal components of the reference's features and masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.reference.preview import preview, shrink
from nil_core.types import Reference


def reference(features: np.ndarray, masks: np.ndarray | None = None) -> Reference:
    masks = np.zeros((len(features), 32, 32), bool) if masks is None else masks
    frames = np.zeros((*masks.shape, 3), np.uint8)
    return Reference(frames, masks, features, features.astype(np.float32), tick_hz=25.0)


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, columns))


def test_components_are_those_of_the_covariance_with_unit_variance() -> None:
    features = noise(40, 6) * [9, 5, 3, 1, 0.5, 0.1]
    shown = preview(reference(features), 3).astype(float)
    assert shown.shape == (40, 3)
    assert np.allclose(shown.T @ shown / 40, np.eye(3), atol=1e-5)
    assert np.allclose(shown.mean(axis=0), 0, atol=1e-6)
    _, directions = np.linalg.eigh(np.cov(features.astype(np.float32).T))
    projected = (features - features.mean(axis=0)) @ directions[:, ::-1][:, :3]
    assert np.allclose(np.abs(shown), np.abs(projected / projected.std(axis=0)), atol=1e-4)


def test_a_circle_comes_back_as_a_circle() -> None:
    phase = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    circle = np.stack([np.cos(phase), np.sin(phase)], axis=1) @ noise(2, 30)
    shown = preview(reference(circle), 8)
    assert shown.shape == (50, 2)  # there are no more than two
    assert shown.dtype == np.float32


def test_masks_have_components_of_their_own() -> None:
    masks = np.zeros((10, 32, 32), bool)
    for t, mask in enumerate(masks):
        mask[2 * t : 2 * t + 8, 8:16] = True
    both = preview(reference(noise(10, 6), masks), 2)
    assert both.shape == (10, 4)
    assert np.array_equal(both[:, :2], preview(reference(noise(10, 6)), 2))
    assert np.array_equal(both[:, 2:], preview(reference(np.empty((10, 0)), masks), 2))


def test_what_never_changes_shows_nothing() -> None:
    assert preview(reference(np.ones((10, 4))), 8).shape == (10, 0)
    assert preview(reference(np.empty((10, 0))), 8).shape == (10, 0)


def test_signs_do_not_depend_on_the_linear_algebra_library() -> None:
    shown = preview(reference(noise(40, 12)), 12)
    assert (shown[np.abs(shown).argmax(axis=0), range(12)] > 0).all()


@settings(deadline=None)
@given(st.integers(16, 80))
def test_shrunk_masks_are_shares_of_cells(size: int) -> None:
    masks = np.random.default_rng(size).random((2, size, size)) < 0.4
    cells = [[k for k in range(size) if k * 16 // size == cell] for cell in range(16)]
    wanted = [[masks[:, rows][:, :, columns].mean(axis=(1, 2)) for columns in cells] for rows in cells]
    assert np.allclose(shrink(masks, 16), np.moveaxis(np.array(wanted), -1, 0))


@pytest.mark.parametrize("side", [4, 16])
def test_a_full_mask_is_one_everywhere(side: int) -> None:
    assert np.allclose(shrink(np.ones((1, 20, 20), bool), side), 1)
