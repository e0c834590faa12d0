"""What a service says, made safe to show: one short line, without escape codes and without the bytes of a file."""

from __future__ import annotations

import re

LONGEST = 300  # characters
_ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[]PX^_].*?(?:\x07|\x1b\\)|.)", re.DOTALL)


def plain(text: str) -> str:
    """One line of printable characters: no escape codes of terminals, no control characters."""
    text = _ESCAPE_CODES.sub("", text)
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def brief(text: str) -> str:
    """:func:`plain`, cut to 300 characters."""
    line = plain(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def is_text(text: str) -> bool:
    """Whether a body that was decoded is text at all, and not the bytes of a file."""
    beginning = text[:1000]
    strange = sum(each == "\ufffd" or not (each.isprintable() or each.isspace()) for each in beginning)
    return "\0" not in beginning and strange <= 0.1 * len(beginning)


def readable(text: str, size: int, kind: str) -> str:
    """The text of a body, or what it is if it is none.

    Args:
        text: the body, decoded.
        size: of the body in bytes.
        kind: the header Content-Type.
    """
    return text if is_text(text) else f"({size} bytes of {brief(kind) or 'an unknown type'}, not text)"
