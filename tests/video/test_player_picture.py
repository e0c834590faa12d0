"""A film's picture is the one that a player shows: shape, orientation, colors, transparency."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from nil_core.errors import DataError
from nil_core.types import Frames
from nil_core.video.files import read_video, write_video

COLORS = np.array([(220, 40, 40), (40, 200, 60), (30, 60, 220), (128, 128, 128), (255, 255, 255), (0, 0, 0)], np.uint8)
"""Left to right in :func:`stripes`."""


def stripes(height: int = 32, width: int = 96) -> Frames:
    return np.repeat(np.repeat(COLORS[None], width // 6, axis=1), height, axis=0)


def quarters() -> Frames:
    """Four corners that no turn or mirror image confuses, 16 x 24."""
    picture = np.zeros((16, 24, 3), np.uint8)
    picture[:8, :12], picture[:8, 12:], picture[8:, :12] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    return picture


def film(path: Path, picture: av.VideoFrame, codec: str = "ffv1", **properties: Any) -> Path:
    """Two frames of a picture as it is, with properties of the codec's context, and a display matrix."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options={"qp": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.format.name
        stream.set_display_matrix(properties.pop("matrix", None))
        for name, value in properties.items():
            setattr(stream.codec_context, name, value)
        for time in range(2):
            picture.pts, picture.time_base = time, Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return path


def rgb(frames: Frames) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frames, format="rgb24")


def seen_stripes(path: Path) -> Frames:
    """The color in the middle of each stripe."""
    frame = read_video(path).frames[0]
    return frame[frame.shape[0] // 2, frame.shape[1] // 12 :: frame.shape[1] // 6]


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(16, 15), Fraction(1, 2)])
def test_pixels_that_are_not_square(tmp_path: Path, aspect: Fraction) -> None:
    """The width is resampled; crops count the pixels of the picture that a player shows, sizes come after."""
    picture = rgb(stripes()).reformat(format="yuv444p")
    path = film(tmp_path / "a.mp4", picture, "libx264", sample_aspect_ratio=aspect)
    width = round(96 * aspect)
    assert read_video(path).frames.shape == (2, 32, width, 3)
    assert np.abs(seen_stripes(path).astype(int) - COLORS).max() < 4
    green = read_video(path, crop=(width // 6 + 2, 4, width // 6 - 4, 20), size=8).frames
    assert max(green.shape[1:3]) == 8 and np.abs(green.astype(int) - COLORS[1]).max() < 4


@pytest.mark.parametrize("right", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored(tmp_path: Path, right: tuple[int, int], mirrored: bool) -> None:
    """All eight ways to lay a picture down: the display matrix says where its right and its down point."""
    across, along = right
    down = (along, -across) if mirrored else (-along, across)
    matrix = [65536 * n for n in (*right, 0, *down, 0, 0, 0)] + [1 << 30]
    stored = rgb(quarters()).reformat(format="yuv444p")
    path = film(tmp_path / "a.mp4", stored, "libx264", matrix=matrix, sample_aspect_ratio=Fraction(2))
    seen = read_video(path).frames[0]
    wide = np.repeat(quarters(), 2, axis=1)
    shown = np.zeros((48 if across == 0 else 16, 16 if across == 0 else 48, 3), np.uint8)
    y, x = np.indices(wide.shape[:2])
    x_shown, y_shown = x * right[0] + y * down[0], x * right[1] + y * down[1]
    shown[y_shown - y_shown.min(), x_shown - x_shown.min()] = wide
    assert seen.shape == shown.shape
    assert np.abs(seen.astype(int) - shown).mean() < 6, "but for the edges between colors"


def test_a_picture_turned_by_any_angle_is_refused(tmp_path: Path) -> None:
    matrix = [56756, 32768, 0, -32768, 56756, 0, 0, 0, 1 << 30]
    path = film(tmp_path / "a b.mp4", rgb(quarters()).reformat(format="yuv444p"), "libx264", matrix=matrix)
    with pytest.raises(DataError, match="turned by 30 degrees") as refusal:
        read_video(path)
    assert f"ffmpeg -i '{path}'" in refusal.value.hint


@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601, Colorspace.BT2020])
@pytest.mark.parametrize("reach", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p10le"])
def test_color_matrix_and_range(tmp_path: Path, matrix: Colorspace, reach: ColorRange, pixels: str) -> None:
    picture = rgb(stripes()).reformat(format=pixels, dst_colorspace=matrix, dst_color_range=reach)
    path = film(tmp_path / "a.mkv", picture, colorspace=picture.colorspace, color_range=picture.color_range)
    assert np.abs(seen_stripes(path).astype(int) - COLORS).max() < 5


def test_a_matrix_that_is_not_said_is_guessed_by_size(tmp_path: Path) -> None:
    """As players do: BT.601 for small pictures, BT.709 for large ones."""
    for matrix, height in ((Colorspace.ITU601, 32), (Colorspace.ITU709, 720)):
        picture = rgb(stripes(height)).reformat(
            format="yuv444p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
        )
        picture.colorspace = 2
        path = film(tmp_path / f"{height}.mkv", picture)
        assert np.abs(seen_stripes(path).astype(int) - COLORS).max() < 4


def test_our_own_videos_say_their_colors(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.stack([stripes()] * 3), 25)
    assert np.abs(seen_stripes(tmp_path / "a.mp4").astype(int) - COLORS).max() < 6
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_high_dynamic_range_becomes_standard(tmp_path: Path) -> None:
    """As a telephone records it: 10 bits, BT.2020, HLG. Read without that, white is gray and red is brown."""
    srgb = stripes() / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    wide = linear @ np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]).T
    light = wide * 0.265  # a white page at three quarters of the signal (ITU-R BT.2408)
    bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    signal = np.where(light <= 1 / 12, np.sqrt(3 * light), bright)
    picture = av.VideoFrame.from_ndarray(np.rint(signal * 65535).astype(np.uint16), format="rgb48le").reformat(
        format="yuv420p10le", dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG
    )
    picture.color_trc, picture.color_primaries = ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020
    named = ("colorspace", "color_range", "color_trc", "color_primaries")
    path = film(tmp_path / "a.mkv", picture, **{name: getattr(picture, name) for name in named})
    assert np.abs(seen_stripes(path).astype(int) - COLORS).max() < 40


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray16le", "rgb48le", "gbrp10le"])
def test_gray_and_deep_pixels(tmp_path: Path, pixels: str) -> None:
    ramp = np.repeat(np.repeat(np.arange(0, 256, 51, dtype=np.uint8)[None, :, None], 16, axis=1), 3, axis=2)
    path = film(tmp_path / "a.mkv", rgb(np.repeat(ramp, 32, axis=0)).reformat(format=pixels))
    assert np.abs(seen_stripes(path)[:, 0].astype(int) - np.arange(0, 256, 51)).max() < 3


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mov", "png", "rgba"),
        ("a.mkv", "ffv1", "rgba64le"),
        ("b.mkv", "ffv1", "ya8"),
    ],
)
def test_transparent_films_lie_on_black(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    picture = np.full((32, 32, 4), 200, np.uint8)
    picture[..., 3] = np.repeat([[255, 0]], 16, axis=1)
    path = film(tmp_path / name, av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixels), codec)
    seen = read_video(path).frames
    assert abs(int(seen[:, :, :12].mean()) - 200) < 4 and seen[:, :, 20:].max() < 4


def test_interlaced_films_are_remarked(tmp_path: Path) -> None:
    flags = {"interlaced_dct": 1 << 18, "interlaced_me": 1 << 29}
    picture = rgb(stripes()).reformat(format="yuv420p")
    path = film(tmp_path / "a.mkv", picture, "mpeg2video", flags=sum(flags.values()))
    (remark,) = read_video(path).facts["remarks"]
    assert "is interlaced" in remark and f"ffmpeg -i {path} -vf bwdif" in remark
    assert not read_video(film(tmp_path / "b.mkv", picture, "mpeg2video")).facts
