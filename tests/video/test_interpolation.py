"""What is shown between two frames: how near to the truth each method comes, and that exact ticks stay exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.config import RunConfig, VideoSettings
from nil_core.errors import ConfigError, DataError
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.preparation import prepare
from nil_core.testing import moving_blob
from nil_core.types import Frames, Masks
from nil_core.video.interpolation import at_ticks, check_method, frame_times, method, trajectory_at_ticks

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

FPS, TICK_HZ = 25.0, 100.0  # the paper's 4x


def square(ticks: int) -> tuple[Frames, Masks]:
    """A smooth texture on a square that moves by one and a half pixels a tick: the robot as it is at every tick."""
    rows, columns = np.mgrid[:80, :120].astype(np.float64)
    frames, masks = [], []
    for t in range(ticks):
        x, y = columns - 20 - 1.5 * t, rows - 25 - 0.4 * t
        edge = np.clip(x + 0.5, 0, 1) * np.clip(30.5 - x, 0, 1) * np.clip(y + 0.5, 0, 1) * np.clip(30.5 - y, 0, 1)
        texture = 130 + 50 * np.sin(x / 3) + 50 * np.cos(y / 4)
        frames.append(np.repeat(np.rint(texture * edge)[..., None], 3, axis=-1).astype(np.uint8))
        masks.append(edge > 0.5)
    return np.stack(frames), np.stack(masks)


def shown(frames: Frames, masks: Masks, name: str, **settings: Any) -> tuple[Frames, Masks]:
    video = VideoSettings(alignment=name, **settings)
    at = frame_times(len(frames), FPS, TICK_HZ, 10.0, name)
    pictures = list(at_ticks(frames, masks, at, method(video, "cpu")))
    masks = np.stack([mask for _, mask in pictures])
    return on_black(np.stack([frame for frame, _ in pictures]), masks), masks


def on_black(frames: Frames, masks: Masks) -> Frames:
    return np.where(masks[..., None], frames, np.uint8(0))


def psnr(one: Frames, other: Frames) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def overlap(one: Masks, other: Masks) -> float:
    return float(((one & other).sum(axis=(1, 2)) / (one | other).sum(axis=(1, 2))).min())


def test_flow_is_nearer_to_the_truth_than_a_cross_fade_and_that_than_holding() -> None:
    textured, true_masks = square(33)
    true = on_black(textured, true_masks)
    made = {name: shown(textured[::4], true_masks[::4], name) for name in ("hold", "blend", "flow")}
    for frames, masks in made.values():
        assert (frames.shape, frames.dtype, masks.shape) == (true.shape, np.uint8, true_masks.shape)
        assert np.array_equal(frames[::4], true[::4]) and np.array_equal(masks[::4], true_masks[::4]), "exact ticks"
    between = np.arange(33) % 4 > 0
    quality = {name: psnr(frames[between], true[between]) for name, (frames, _) in made.items()}
    assert quality["flow"] > quality["blend"] + 3 and quality["blend"] > quality["hold"] + 2, quality
    assert overlap(made["flow"][1], true_masks) > 0.9 > overlap(made["hold"][1], true_masks)


def test_between_two_equal_frames_there_is_nothing_new() -> None:
    frames, masks = square(1)
    for name in ("blend", "flow"):
        made, robots = shown(frames.repeat(3, 0), masks.repeat(3, 0), name)
        assert np.array_equal(made, on_black(frames, masks).repeat(9, 0)), name
        assert np.array_equal(robots, masks.repeat(9, 0))


@pytest.mark.parametrize(("frames", "fps", "tick_hz"), [(13, 24.0, 100.0), (31, 30.0, 25.0), (12, 23.976, 50.0)])
def test_ticks_lie_where_their_time_does(frames: int, fps: float, tick_hz: float) -> None:
    at = frame_times(frames, fps, tick_hz, 100.0, "blend")
    times = np.arange(len(at.index)) / tick_hz
    assert np.allclose((at.index + at.fraction) / fps, times, atol=2e-6 / fps)
    assert ((at.fraction >= 0) & (at.fraction < 1)).all() and (at.index + (at.fraction > 0) < frames).all()
    held = frame_times(frames, fps, tick_hz, 100.0, "hold")
    assert np.array_equal(held.index, at.index) and not held.fraction.any()
    assert len(frame_times(frames, fps, tick_hz, 0.2, "blend").index) == round(0.2 * tick_hz) + 1


def test_a_trajectory_is_drawn_straight_and_its_root_turns_the_short_way() -> None:
    turn = np.linspace(0, np.pi / 2, 3)
    poses = np.zeros((3, 9))
    poses[:, 3], poses[:, 6] = np.cos(turn / 2), np.sin(turn / 2)
    poses[1, 3:7] *= -1  # the same rotation
    poses[:, 8] = [0.0, 1.0, 3.0]
    rows = trajectory_at_ticks(poses, frame_times(3, 25.0, 50.0, 1.0, "flow"))
    assert rows[:, 8].tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert np.allclose(np.linalg.norm(rows[:, 3:7], axis=1), 1.0)
    half = np.array([np.cos(np.pi / 16), 0, 0, np.sin(np.pi / 16)])
    assert np.allclose(np.abs(rows[1, 3:7] @ half), 1.0, atol=1e-3)
    held = trajectory_at_ticks(poses, frame_times(3, 25.0, 50.0, 1.0, "hold"))
    assert np.array_equal(held, poses[[0, 0, 1, 1, 2]])


class CrossFade(torch.nn.Module):
    """Stands for RIFE, with RIFE's interface."""

    def forward(self, first: torch.Tensor, second: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        assert first.shape[2] % 64 == 0 and first.shape[3] % 64 == 0
        return (1 - t) * first + t * second


def saved(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.save(torch.jit.script(module), path)
    return path


def test_rife_comes_from_the_users_file(tmp_path: Path) -> None:
    frames, masks = square(4)
    path = saved(CrossFade(), tmp_path / "rife.pt")
    made, robots = shown(frames, masks, "rife", rife_weights=path)
    blended, blended_robots = shown(frames, masks, "blend")
    assert np.abs(made.astype(int) - blended).max() <= 1
    assert np.array_equal(robots, blended_robots)


class Second(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return second


class Halves(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return first[:, :, ::2]


class Fails(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first


@pytest.mark.parametrize(("module", "complaint"), [(Halves(), "gives"), (Fails(), "fails")])
def test_a_file_that_draws_no_pictures_is_refused(module: torch.nn.Module, complaint: str, tmp_path: Path) -> None:
    path = saved(module, tmp_path / "rife.pt")
    with pytest.raises(DataError, match=complaint) as caught:
        shown(*square(3), "rife", rife_weights=path)
    assert str(path) in caught.value.message and "\n" not in caught.value.message and "docs/" in caught.value.hint


def test_what_a_method_needs_is_said_before_anything_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="rife_weights is not set"):
        check_method(VideoSettings(alignment="rife"))
    with pytest.raises(ConfigError, match=r"missing\.pt"):
        check_method(VideoSettings(alignment="rife", rife_weights=tmp_path / "missing.pt"))
    (tmp_path / "no.pt").write_text("weights")
    with pytest.raises(DataError, match=r"no\.pt is no TorchScript"):
        method(VideoSettings(alignment="rife", rife_weights=tmp_path / "no.pt"), "cpu")
    monkeypatch.setattr("nil_core.video.interpolation.find_spec", lambda name: None)
    for name, module in (("flow", "cv2"), ("rife", "torch")):
        with pytest.raises(ConfigError, match=module) as caught:
            check_method(VideoSettings(alignment=name))
        assert caught.value.hint.startswith("pip install")
    for name in ("hold", "blend"):
        check_method(VideoSettings(alignment=name))


def test_what_was_drawn_is_kept_apart_by_method(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second call draws nothing; another method, tick rate or weights file draws anew."""
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    video = moving_blob(11, 64, 64, 10.0)
    generated = GeneratedReference(video, video.masks, video.frames[0], video.masks[0], {})
    drawn: list[str] = []

    def counted(settings: VideoSettings, device: str) -> Any:
        between = method(settings, device)

        def draw(*pair: Any) -> Any:
            drawn.append(settings.alignment)
            return between(*pair)

        return draw

    monkeypatch.setattr("nil_core.reference.alignment.method", counted)
    weights = saved(CrossFade(), tmp_path / "rife.pt")
    config = RunConfig(video={"seconds": 1.0, "rife_weights": weights}, environment={"render_size": 32})

    def prepared(name: str, tick_hz: float = 25.0) -> Any:
        drawn.clear()
        changed = config.model_copy(
            update={
                "video": config.video.model_copy(update={"alignment": name}),
                "environment": config.environment.model_copy(update={"tick_hz": tick_hz}),
            }
        )
        return prepare(generated, changed, None, None)  # type: ignore[arg-type]

    blended = prepared("blend")
    assert drawn and len(blended.frames) == 26
    again = prepared("blend")
    assert not drawn and np.array_equal(again.frames, blended.frames) and np.array_equal(again.masks, blended.masks)
    for other in (("flow", 25.0), ("rife", 25.0), ("blend", 12.5)):
        prepared(*other)
        assert drawn
    prepared("rife")
    assert not drawn
    saved(Second(), weights)
    prepared("rife")
    assert drawn
    prepared("hold")
    assert not drawn
