"""Whether a video file is whole: containers say how long their parts are, and a broken download ends before that."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

BOXES = b"ftyp styp moov moof mfra mdat meta free skip wide pnot sidx uuid udta emsg prft".split()
"""Parts that an mp4 or mov is made of at the outermost level; anything else there is no part of it."""

EBML, SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
"""The two parts of a Matroska or WebM file."""


def missing_bytes(path: Path) -> int:
    """How many bytes of an mp4, mov, mkv, webm or avi are missing at its end; 0 where the format does not say."""
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(b"RIFF"):
            end = 8 + int.from_bytes(head[4:8], "little")
        elif head.startswith(EBML):
            end = _end_of_segment(file)
        else:
            end = _end_of_boxes(file)
    return max(end - path.stat().st_size, 0)


def _end_of_boxes(file: BinaryIO) -> int:
    end = 0
    while True:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if head[4:8] not in BOXES or length < 8:  # 0 is a box that ends with the file
            return end
        end += length


def _end_of_segment(file: BinaryIO) -> int:
    file.seek(len(EBML))
    header = _variable_length(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(len(SEGMENT)) != SEGMENT:
        return 0
    length = _variable_length(file)
    return 0 if length is None else file.tell() + length


def _variable_length(file: BinaryIO) -> int | None:
    """The length of a part of Matroska; None where it is not known, as in a live recording."""
    first = int.from_bytes(file.read(1), "big")
    if first == 0:
        return None
    more = 8 - first.bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(bytes([first]) + file.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
