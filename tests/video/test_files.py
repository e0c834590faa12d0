"""Videos and images survive the disk; files that cannot serve are refused in words."""

from __future__ import annotations

import errno
import re
import resource
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nil_core.errors import DataError, MachineError
from nil_core.video import piece
from nil_core.video.files import read_image, read_video, side_by_side, write_lossless, write_png, write_video


def moving_square(length: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    """A colored square that goes to the right by 3 px a frame."""
    frames = np.zeros((length, height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[16:32, 3 * number : 3 * number + 16] = (220, 120, 40)
    return frames


def encode(path: Path, frames: np.ndarray, codec: str, pixels: str, stamps: list[int] | None = None) -> None:
    """Any container; ``stamps`` are the frames' times in 1/24 s."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=24)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgba" if frame.shape[2] == 4 else "rgb24")
            picture.pts, picture.time_base = stamps[number] if stamps else number, Fraction(1, 24)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow beyond 4 kB: the system refuses the write as on a full disk, but for the error's number."""
    monkeypatch.setattr(errno, "ENOSPC", errno.EFBIG)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.integers(2, 6),
    st.integers(2, 40),
    st.integers(2, 40),
    st.sampled_from([10.0, 12.5, 24.0, 25.0, 30000 / 1001, 50.0, 60.0, 100.0]),
)
def test_lossless_gives_the_same_bytes_back(tmp_path: Path, length: int, height: int, width: int, fps: float) -> None:
    frames = np.random.default_rng(length).integers(0, 256, (length, height, width, 3), np.uint8)
    write_lossless(tmp_path / "clip.mkv", frames, fps)
    video = read_video(tmp_path / "clip.mkv")
    np.testing.assert_array_equal(video.frames, frames)
    assert video.fps == pytest.approx(fps, rel=1e-6)


def test_mp4_plays_in_a_browser(tmp_path: Path) -> None:
    frames = moving_square(height=47, width=63)
    path = tmp_path / "a: b.mp4"  # a colon is no protocol
    write_video(path, frames, 30000 / 1001)
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.height, stream.width) == ("h264", "yuv420p", 48, 64)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    video = read_video(path)
    assert video.fps == 30000 / 1001 and len(video.frames) == 12
    assert difference(video.frames[:, :47, :63], frames) < 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.webm", "libvpx-vp9", "yuv420p"), ("a.mov", "libx264", "yuv420p"), ("a.mkv", "ffv1", "bgr0")],
)
def test_films_keep_frames_and_rate(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    encode(tmp_path / name, moving_square(), codec, pixels)
    video = read_video(tmp_path / name)
    assert video.fps == 24 and difference(video.frames, moving_square()) < 5


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animated_images(tmp_path: Path, kind: str) -> None:
    images = [Image.fromarray(frame) for frame in moving_square()]
    images[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=images[1:], duration=40, loop=0)
    video = read_video(tmp_path / f"a.{kind}")
    assert video.fps == pytest.approx(25) and difference(video.frames, moving_square()) < 5


def test_gif_without_delays_plays_as_in_a_browser(tmp_path: Path) -> None:
    images = [Image.fromarray(frame) for frame in moving_square()]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=0)
    assert read_video(tmp_path / "a.gif").fps == pytest.approx(10)


def test_cutting_and_cropping(tmp_path: Path) -> None:
    frames = moving_square(24)
    write_lossless(tmp_path / "a.mkv", frames, 24)
    video = read_video(tmp_path / "a.mkv", start=0.25, seconds=0.5, crop=(4, 10, 20, 30))
    np.testing.assert_array_equal(video.frames, frames[6:18, 10:40, 4:24])
    assert video.fps == 24
    assert len(read_video(tmp_path / "a.mkv", seconds=100).frames) == 24
    assert read_video(tmp_path / "a.mkv", fps=12, seconds=1).seconds == pytest.approx(11 / 12)
    with pytest.raises(DataError, match="between the cuts"):
        read_video(tmp_path / "a.mkv", start=5)
    with pytest.raises(DataError, match="64 x 48"):
        read_video(tmp_path / "a.mkv", crop=(50, 0, 20, 20))


def test_folder_of_images_in_natural_order(tmp_path: Path) -> None:
    frames = moving_square(12)
    for number, frame in enumerate(frames):
        write_png(tmp_path / f"frame{number}.png", frame)
    (tmp_path / "notes.txt").write_text("no image")
    video = read_video(tmp_path, fps=12.5)
    np.testing.assert_array_equal(video.frames, frames)
    assert video.fps == 12.5
    with pytest.raises(DataError, match="no frame rate"):
        read_video(tmp_path)
    write_png(tmp_path / "frame5.png", frames[5, :20])
    with pytest.raises(DataError, match=r"frame 5 \(frame5.png\) is 64 x 20, the ones before are 64 x 48"):
        read_video(tmp_path, fps=12.5)
    (tmp_path / "frame5.png").write_bytes(b"not a png")
    with pytest.raises(DataError, match=r"frame5\.png is no image"):
        read_video(tmp_path, fps=12.5)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv"])
@pytest.mark.parametrize("share", [0.05, 0.6])
def test_truncated_films_are_refused(tmp_path: Path, name: str, share: float) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    codec, pixels = {"a.webm": ("libvpx-vp9", "yuv420p"), "a.mkv": ("ffv1", "bgr0")}.get(name, ("", ""))
    write_video(tmp_path / name, noisy, 24) if not codec else encode(tmp_path / name, noisy, codec, pixels)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"a\.\w+ breaks off.* \d+ bytes are missing") as refusal:
        read_video(tmp_path / name)
    if share > 0.5:  # what is whole can still be asked for
        seconds = float(refusal.value.hint.rpartition("generator.seconds=")[2])
        assert len(read_video(tmp_path / name, seconds=seconds).frames) > 10
    else:
        assert refusal.value.hint == "download or export it again"


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_truncated_images_are_refused(tmp_path: Path, kind: str) -> None:
    images = [Image.fromarray(frame) for frame in np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)]
    images[0].save(tmp_path / "a", kind, save_all=True, append_images=images[1:], duration=40)
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="a is damaged"):
        read_video(tmp_path / "a")


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_video(tmp_path / "missing.mp4")
    (tmp_path / "a.mp4").touch()
    with pytest.raises(DataError, match="is empty"):
        read_video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_text("this is text, and long enough to be looked at" * 100)
    with pytest.raises(DataError, match="is no video") as refusal:
        read_video(tmp_path / "a.mp4")
    assert refusal.value.hint == "download or export it again"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        read_video(tmp_path / "empty", fps=10)
    write_png(tmp_path / "still.png", moving_square(1)[0])
    with pytest.raises(DataError, match="fewer than two frames"):
        read_video(tmp_path / "still.png")
    write_video(tmp_path / "one.mp4", moving_square(1), 24)
    with pytest.raises(DataError, match="fewer than two frames"):
        read_video(tmp_path / "one.mp4")
    with av.open(str(tmp_path / "sound.m4a"), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        output.mux(stream.encode(sound))
        output.mux(stream.encode())
    with pytest.raises(DataError, match="holds no pictures"):
        read_video(tmp_path / "sound.m4a")


def test_playlists_fetch_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    with pytest.raises(DataError, match="is no video") as refusal:
        read_video(tmp_path / "a.m3u8")
    assert "ffmpeg -i" in refusal.value.hint, "of a kind that FFmpeg knows"


def test_a_film_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", moving_square(), 24)
    monkeypatch.setattr(piece, "memory_limit", lambda: 10 * 48 * 64 * 3)
    with pytest.raises(DataError, match=r"frames of 64 x 48 take more than .* of memory") as refusal:
        read_video(tmp_path / "a.mp4")
    seconds, size = re.findall(r"=([\d.]+)", refusal.value.hint)
    assert len(read_video(tmp_path / "a.mp4", seconds=float(seconds)).frames) > 8
    assert read_video(tmp_path / "a.mp4", size=int(size)).frames.shape == (12, 24, 32, 3)
    assert read_video(tmp_path / "a.mp4", crop=(0, 0, 32, 48)).frames.shape == (12, 48, 32, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.png"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, full_disk: None, name: str) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    (tmp_path / name).write_bytes(b"the former file")
    with pytest.raises(MachineError, match=f"cannot write .*{name}"):
        match name:
            case "a.mp4":
                write_video(tmp_path / name, noisy, 24)
            case "a.mkv":
                write_lossless(tmp_path / name, noisy, 24)
            case _:
                write_png(tmp_path / name, noisy[0])
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"the former file")]


def test_wrong_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="uint8"):
        write_video(tmp_path / "a.mp4", moving_square().astype(float), 24)
    with pytest.raises(DataError, match="uint8"):
        write_lossless(tmp_path / "a.mkv", moving_square()[0], 24)
    assert not list(tmp_path.iterdir())


def test_masks_as_png(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((9, 7)) < 0.5
    write_png(tmp_path / "a.png", mask)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.where(mask[..., None], 255, [0, 0, 0]))


def test_side_by_side() -> None:
    frames = moving_square(5)
    masks = frames[:3, :40].any(axis=-1)
    joined = side_by_side([frames, masks])
    assert joined.shape == (5, 48, 128, 3)
    np.testing.assert_array_equal(joined[:, :, :64], frames)
    np.testing.assert_array_equal(joined[4, :40, 64:, 0] == 255, masks[2])
    assert not joined[:, 40:, 64:].any()
