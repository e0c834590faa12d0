"""The segmenter chroma finds moving shapes before plain backgrounds, with noise and compression."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from nil_core.api import DataError, Video, read_video, write_video
from nil_segmenter_chroma import ChromaOptions
from nil_segmenter_chroma.chroma_key import ChromaKey

Color = tuple[int, int, int]


def walker(
    background: Color, robot: Color, size: int = 160, length: int = 12, sigma: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """A body with two swinging legs, its lower half darker, with noise: frames and true masks."""
    random = np.random.default_rng(0)
    frames, masks = [], []
    unit = size / 160
    for number in range(length):
        mask = np.zeros((size, size), np.uint8)
        position = np.array([50 + 2 * number, 60]) * unit
        cv2.rectangle(
            mask, position.astype(int).tolist(), (position + np.array([60, 30]) * unit).astype(int).tolist(), 1, -1
        )
        for hip, phase in ((8, 0.0), (52, np.pi)):
            top = position + np.array([hip, 25]) * unit
            foot = top + np.array([18 * np.sin(phase + number), 45]) * unit
            cv2.line(mask, top.astype(int).tolist(), foot.astype(int).tolist(), 1, max(4, round(6 * unit)))
        image = np.where(mask[..., None] > 0, np.array(robot, float), np.array(background, float))
        image[size // 2 :][mask[size // 2 :] > 0] *= 0.7
        image += number / length * 6 - 3  # the brightness of generated videos drifts
        frames.append(np.clip(image + random.normal(0, sigma, image.shape), 0, 255).astype(np.uint8))
        masks.append(mask > 0)
    return np.stack(frames), np.stack(masks)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a & b).sum((1, 2)) / (a | b).sum((1, 2))).min())


@pytest.mark.parametrize(
    ("background", "robot"),
    [
        ((0, 0, 0), (150, 150, 155)),
        ((255, 255, 255), (60, 60, 70)),
        ((40, 170, 60), (170, 160, 60)),
        ((120, 120, 125), (200, 190, 150)),
        ((200, 205, 210), (230, 120, 40)),
    ],
)
@pytest.mark.parametrize("size", [128, 320])
def test_finds_the_robot_in_a_compressed_file(tmp_path: Path, background: Color, robot: Color, size: int) -> None:
    frames, masks = walker(background, robot, size)
    write_video(tmp_path / "a.mp4", frames, 25)
    found = ChromaKey(ChromaOptions()).segment(read_video(tmp_path / "a.mp4"), masks[0])
    assert found.dtype == np.bool_ and overlap(found, masks) > 0.9


def test_thin_limbs_keep_their_outline() -> None:
    frames, masks = walker((255, 255, 255), (60, 60, 70), size=96)
    assert overlap(ChromaKey(ChromaOptions()).segment(Video(frames, 25), masks[0]), masks) > 0.99


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255)])
def test_a_blurred_outline_lies_where_half_of_a_pixel_is_robot(background: Color) -> None:
    frames, masks = walker(background, (128, 128, 134), size=480, sigma=0)
    resized = np.stack([cv2.resize(frame, (160, 160), interpolation=cv2.INTER_AREA) for frame in frames])
    wanted = np.stack([cv2.resize(mask.astype(np.float32), (160, 160), interpolation=cv2.INTER_AREA) for mask in masks])
    assert overlap(ChromaKey(ChromaOptions()).segment(Video(resized, 25), wanted[0] > 0), wanted >= 0.5) > 0.98


def test_a_first_mask_elsewhere_does_no_harm() -> None:
    frames, masks = walker((255, 255, 255), (60, 60, 70))
    found = ChromaKey(ChromaOptions()).segment(Video(frames, 25), np.roll(masks[0], 40, axis=0))
    assert overlap(found, masks) > 0.9


def test_a_caption_is_not_part_of_the_robot() -> None:
    frames, masks = walker((255, 255, 255), (60, 60, 70))
    frames[:, 10:22, 12:40] = (20, 20, 20)
    assert overlap(ChromaKey(ChromaOptions()).segment(Video(frames, 25), masks[0]), masks) > 0.9


def test_the_option_threshold_is_respected() -> None:
    frames, masks = walker((0, 0, 0), (200, 200, 200), sigma=0)
    frames[:, 100:150, 70:150][~masks[:, 100:150, 70:150]] = 50  # a patch of haze, 20 delta E from black
    video = Video(frames, 25)
    low = ChromaKey(ChromaOptions(threshold=12)).segment(video, masks[0])
    high = ChromaKey(ChromaOptions(threshold=32)).segment(video, masks[0])
    assert low[:, 140, 100].all() and not high[:, 140, 100].any() and overlap(high, masks) > 0.9
    with pytest.raises(ValidationError):
        ChromaOptions(threshold=0)


@pytest.mark.parametrize("size", [128, 480])
def test_a_background_that_light_shades_is_plain(size: int) -> None:
    frames, masks = walker((235, 235, 230), (60, 60, 70), size)
    rows, columns = np.linspace(-1, 1, size)[:, None], np.linspace(-1, 1, size)
    light = 0.8 - 0.15 * rows + 0.1 * columns - 0.1 * (rows**2 + columns**2)
    frames = np.clip(frames * light[..., None] * np.array([1.0, 0.95, 0.85]), 0, 255).astype(np.uint8)
    frames[:, -6:, 60:80] = 30  # something reaches the border
    found = ChromaKey(ChromaOptions()).segment(Video(frames, 25), masks[0])
    assert overlap(found, masks) > 0.95


def test_a_background_with_a_floor_is_rejected() -> None:
    frames, masks = walker((230, 230, 230), (60, 60, 70))
    frames[:, 130:][~masks[:, 130:]] = (90, 60, 30)
    with pytest.raises(DataError, match="not plain") as error:
        ChromaKey(ChromaOptions()).segment(Video(frames, 25), masks[0])
    assert "crop" in error.value.hint and "sam2" in error.value.hint


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_an_empty_scene_is_rejected(sigma: float) -> None:
    noise = np.random.default_rng(0).normal(120, sigma, (6, 80, 80, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="no robot differs") as error:
        ChromaKey(ChromaOptions()).segment(Video(noise, 25), np.ones((80, 80), bool))
    assert "the background alone" in error.value.hint, "no threshold helps"


def test_the_threshold_of_the_hint_finds_a_faint_robot() -> None:
    frames, masks = walker((120, 120, 120), (124, 124, 124), sigma=0)
    video = Video(frames, 25)
    with pytest.raises(DataError, match="no robot differs") as error:
        ChromaKey(ChromaOptions(threshold=30)).segment(video, masks[0])
    found = re.search(r"segmenter\.threshold=([0-9.]+)", error.value.hint)
    assert found and overlap(ChromaKey(ChromaOptions(threshold=float(found[1]))).segment(video, masks[0]), masks) > 0.4


def test_a_robot_that_leaves_is_an_error() -> None:
    frames, masks = walker((255, 255, 255), (60, 60, 70))
    frames[7:] = 255
    with pytest.raises(DataError, match="frame 7"):
        ChromaKey(ChromaOptions()).segment(Video(frames, 25), masks[0])


def test_a_robot_that_fills_the_frame_is_rejected() -> None:
    frames = np.full((3, 100, 100, 3), 255, np.uint8)
    frames[:, 4:-4, 4:-4] = 30
    with pytest.raises(DataError, match="fill"):
        ChromaKey(ChromaOptions()).segment(Video(frames, 25), np.ones((100, 100), bool))
