"""Images of any depth and color model, alone, in folders and animated, become the 8-bit picture that a viewer shows."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nil_core.errors import DataError
from nil_core.video.files import read_image, read_video

RAMP = np.array([[0, 51, 102, 153, 204, 255]], np.uint8)


def png(path: Path, bits: int, color: int, rows: bytes, width: int, height: int, extra: bytes = b"") -> None:
    """A PNG byte by byte: Pillow writes none with 16 bits and alpha.

    Args:
        path: where to.
        bits, color: depth and color type.
        rows: the pixels, without filter bytes.
        width, height: in pixels.
        extra: chunks before the pixels.
    """
    stride = len(rows) // height
    lines = b"".join(b"\0" + rows[stride * row : stride * (row + 1)] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_of_16_bits_is_scaled(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}")[..., 1], RAMP)


def test_16_bits_with_alpha_or_color(tmp_path: Path) -> None:
    gray = RAMP.astype(">u2")[0] * 257
    alpha = np.array([65535] * 5 + [0], ">u2")
    png(tmp_path / "gray_alpha.png", 16, 4, np.stack([gray, alpha], -1).tobytes(), 6, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "gray_alpha.png")[0, :, 0], [*RAMP[0, :5], 0])
    png(tmp_path / "key.png", 16, 0, gray.tobytes(), 6, 1, chunk(b"tRNS", struct.pack(">H", 51 * 257)))
    np.testing.assert_array_equal(read_image(tmp_path / "key.png")[0, :, 0], [0, 0, *RAMP[0, 2:]])
    color = np.stack([gray, gray[::-1], gray], -1)
    png(tmp_path / "rgb.png", 16, 2, color.tobytes(), 6, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.png"), np.stack([RAMP, RAMP[:, ::-1], RAMP], -1))


def test_floats_from_black_to_white(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32) / 255).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 2], RAMP)
    for values in (RAMP.astype(np.float32), np.full((2, 2), np.nan, np.float32)):
        Image.fromarray(values).save(tmp_path / "b.tif")
        with pytest.raises(
            DataError, match=r"b\.tif holds floating-point values from (0 to 255|nan to nan)"
        ) as refusal:
            read_image(tmp_path / "b.tif")
        assert "scale them to 0 ... 1" in refusal.value.hint


def test_values_without_a_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.int32)).save(tmp_path / "a.tif")
    Image.new("LAB", (2, 2)).save(tmp_path / "b.tif")
    for name in ("a.tif", "b.tif"):
        with pytest.raises(DataError, match=f"{name} has values that are not read") as refusal:
            read_image(tmp_path / name)
        assert refusal.value.hint == "save it as RGB, 8 bits"


def test_palettes_alpha_and_print_colors(tmp_path: Path) -> None:
    white, red, clear = [200, 200, 200], [200, 0, 0], [0, 0, 0]
    Image.fromarray(np.array([[[*white, 255], [*red, 255], [*white, 0]]], np.uint8)).save(tmp_path / "rgba.png")
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([*white, *red, *white])
    palette.save(tmp_path / "palette.png", transparency=bytes([255, 255, 0]))
    palette.save(tmp_path / "palette.gif", transparency=2)
    for name in ("rgba.png", "palette.png", "palette.gif"):
        assert read_image(tmp_path / name).tolist() == [[white, red, clear]], name
    Image.fromarray(np.array([[[200, 255], [200, 0]]], np.uint8)).save(tmp_path / "gray_alpha.png")
    assert read_image(tmp_path / "gray_alpha.png").tolist() == [[white, clear]]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert np.abs(read_image(tmp_path / "print.jpg").astype(int) - [255, 0, 0]).max() < 4
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "mask.png")
    assert read_image(tmp_path / "mask.png").tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_says_how_it_was_held(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :12], upright[:8, 12:], upright[8:, :12] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)


def test_animations_of_any_mode(tmp_path: Path) -> None:
    """A PNG's picture for programs that do not play it is no frame; clear pixels are black; the last delay counts."""
    frames = [Image.new("RGBA", (8, 8), (0, 20 * number, 0, 255)) for number in range(4)]
    poster = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    poster.save(tmp_path / "a.png", save_all=True, append_images=frames, duration=40, default_image=True)
    video = read_video(tmp_path / "a.png")
    assert video.fps == pytest.approx(25) and video.frames[:, 0, 0].tolist() == [[0, 20 * n, 0] for n in range(4)]
    for name in ("b.gif", "b.webp"):
        frames[0].save(
            tmp_path / name, save_all=True, append_images=frames[1:], duration=[40, 40, 40, 120], lossless=True
        )
        video = read_video(tmp_path / name)
        assert video.fps == pytest.approx(25) and [round(f.mean() * 3 / 20) for f in video.frames] == [0, 1, 2, 3, 3, 3]
    square = [Image.new("RGBA", (8, 8), (0, 0, 0, 0)) for _ in range(3)]
    for number, image in enumerate(square):
        image.paste((250, 250, 250, 255), (2 * number, 0, 2 * number + 2, 8))
    for name in ("c.gif", "c.webp"):
        square[0].save(tmp_path / name, save_all=True, append_images=square[1:], duration=40, disposal=2, lossless=True)
        assert [(f.max(axis=(0, 2)) > 99).tolist() for f in read_video(tmp_path / name).frames] == [
            [n // 2 == number for n in range(8)] for number in range(3)
        ]


def test_a_folder_holds_more_than_frames(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        Image.new("L", (8, 8), 20 * number).save(tmp_path / f"Frame {number}.PNG")
    for name in (".DS_Store", "Thumbs.db", "._Frame 1.PNG", "desktop.ini"):
        (tmp_path / name).write_bytes(b"of the file manager")
    (tmp_path / "old.png").mkdir()
    video = read_video(tmp_path, fps=10)
    assert video.frames[:, 0, 0, 0].tolist() == [20, 40, 200] and video.fps == 10
    assert read_video(tmp_path, fps=10, start=0.1, seconds=0.2).frames[:, 0, 0, 0].tolist() == [40, 200]

    (tmp_path / "Frame 2.PNG").write_bytes((tmp_path / "Frame 1.PNG").read_bytes()[:45])
    with pytest.raises(DataError, match=r"Frame 2\.PNG is no image that can be read"):
        read_video(tmp_path, fps=10)
    Image.new("L", (9, 8)).save(tmp_path / "Frame 2.PNG")
    with pytest.raises(DataError, match=r"frame 1 \(Frame 2.PNG\) is 9 x 8, the ones before are 8 x 8") as refusal:
        read_video(tmp_path, fps=10)
    assert "remove" in refusal.value.hint
    (tmp_path / "Frame 2.PNG").unlink()
    assert len(read_video(tmp_path, fps=10).frames) == 2


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "tif"])
def test_a_still_image_is_no_video(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match="is a still image") as refusal:
        read_video(tmp_path / f"a.{suffix}")
    assert "--set generator.path=FOLDER --set generator.fps=25" in refusal.value.hint
