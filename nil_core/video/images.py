"""Images, folders of images and animated images, by Pillow: always 8 bits, upright and flattened on black."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from natsort import natsorted
from PIL import Image, ImageOps, ImageSequence

from nil_core.errors import DataError
from nil_core.types import Floats, Frames
from nil_core.video.source import Moment, Source, StoredPicture, unreadable

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of the images that a folder of images is made of."""

MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
"""Pillow's color modes of 8 bits that it converts to RGB itself."""


SLACK = 1e-3
"""How far floating-point values may lie outside of 0 ... 1: less than what 8 bits tell apart."""


def read_image(path: Path | str) -> Frames:
    """Read one still image as uint8 (H, W, 3), upright and flattened on black.

    16-bit gray is scaled to 8 bits, and so are floating-point values from 0 (black) to 1 (white).

    Raises:
        DataError: missing, no image, or values that have no place on the scale from black to white.
    """
    with _explained(f"{path} is no image that can be read", path), Image.open(path) as image:
        return _flattened(image, path)


def open_folder(path: Path, fps: float | None) -> Source:
    """A folder of images in natural order; hidden files and files of other kinds are not looked at.

    Raises:
        DataError: no frame rate, no images, or a folder that cannot be read.
    """
    if fps is None:
        raise DataError(f"{path} is a folder of images, which has no frame rate", "say it: --set generator.fps=25")
    try:
        files = [file for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
    except OSError as error:
        raise unreadable(path, error) from error
    images = natsorted((file for file in files if file.suffix.lower() in IMAGES), key=lambda image: image.name)
    if not images:
        raise DataError(f"{path} holds no images", f"put frames there, as {', '.join(sorted(IMAGES))}")

    def moments() -> Iterator[Moment]:
        for number, file in enumerate(images):
            yield Moment(number / fps, 1 / fps, partial(_square, file), f"frame {number} ({file.name})")

    return Source(moments(), (fps,), "scale all of them to one size, or remove those that are no frames")


def open_animation(path: Path, fps: float | None) -> Source:
    """A GIF, an animated PNG or WebP, with the delays that browsers give its frames."""
    return Source(_animation(path, fps))


def on_black(rgba: Image.Image) -> Frames:
    """Flatten an image of mode RGBA on black, as uint8 (H, W, 3)."""
    black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return np.array(Image.alpha_composite(black, rgba).convert("RGB"))


def _animation(path: Path, fps: float | None) -> Iterator[Moment]:
    time = 0.0
    with _explained(f"{path} is damaged", path), Image.open(path) as image:
        pictures = ImageSequence.Iterator(image)
        if getattr(image, "default_image", False):
            next(pictures)  # shown by programs that do not play animations, and no part of it
        for number, picture in enumerate(pictures):
            pixels = _flattened(picture, path)  # decodes, without which WebP has no durations
            delay = picture.info.get("duration", 0) / 1000
            lasts = delay if delay > 0.01 else 0.1  # as browsers do with delays too short to be meant
            if fps:
                time, lasts = number / fps, 1 / fps
            yield Moment(time, lasts, partial(StoredPicture.square, pixels), f"frame {number}")
            time += lasts


@contextmanager
def _explained(problem: str, path: Path | str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large: {error}", "scale it down") from error
    except Exception as error:  # Pillow's decoders raise nearly anything where a file is damaged
        raise DataError(f"{problem}: {error}", "download or export it again") from error


def _square(file: Path) -> StoredPicture:
    return StoredPicture.square(read_image(file))


def _flattened(image: Image.Image, path: Path | str) -> Frames:
    turned = ImageOps.exif_transpose(image)
    if turned.mode == "F":
        return _gray(_unit_to_bytes(np.asarray(turned), path))
    if turned.mode.startswith("I;16") or (turned.mode == "I" and image.format == "PNG"):  # PNG has no 32 bits
        values = np.asarray(turned).astype(np.int64)
        opaque = values != image.info.get("transparency", -1)
        return _gray(np.where(opaque, (values + 128) // 257, 0).astype(np.uint8))
    if turned.mode not in MODES:
        raise DataError(f"{path} has values that are not read (Pillow's mode {turned.mode})", "save it as RGB, 8 bits")
    return on_black(turned.convert("RGBA"))


def _unit_to_bytes(values: Floats, path: Path | str) -> Frames:
    low, high = float(values.min()), float(values.max())
    if not (low >= -SLACK and high <= 1 + SLACK):  # NaN too
        raise DataError(
            f"{path} holds floating-point values from {low:g} to {high:g}, where 0 (black) to 1 (white) is read",
            "scale them to 0 ... 1, or save it with 8 bits",
        )
    scaled: Frames = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return scaled


def _gray(values: Frames) -> Frames:
    return np.repeat(values[..., None], 3, axis=-1)
