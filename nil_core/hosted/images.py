"""The first frame in the formats that services accept."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image

from nil_core.errors import DataError
from nil_core.types import Frames


def png(frame: Frames) -> bytes:
    """A frame, uint8 (H, W, 3), as the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    return file.getvalue()


def png_base64(frame: Frames, limit: int) -> str:
    """A frame as PNG in base64.

    Args:
        frame: uint8 (H, W, 3).
        limit: maximum number of bytes.

    Raises:
        DataError: the text is longer.
    """
    text = base64.b64encode(png(frame)).decode()
    if len(text) > limit:
        raise DataError(
            f"the first frame takes {len(text) / 1e6:.1f} MB, and the service accepts {limit / 1e6:.1f} MB",
            "make it smaller: --set video.first_frame_size=512",
        )
    return text


def data_uri(frame: Frames, limit: int) -> str:
    """A frame as PNG in a ``data:`` URI (RFC 2397). Arguments and errors are those of :func:`png_base64`."""
    head = "data:image/png;base64,"
    return head + png_base64(frame, limit - len(head))
