"""Text for streams that cannot show every character: something readable instead of an error."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

ERRORS = "nil.readable"
"""Name of the handler of encoding errors, as ``str.encode`` and ``TextIOWrapper.reconfigure`` take it."""

_IN_ASCII = str.maketrans(
    {
        "\u2026": "...", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\xd7": "x", "\xb7": "*", "\u2022": "*", "\xb1": "+-", "\u2248": "~", "\u2264": "<=", "\u2265": ">=",
        "\u2190": "<-", "\u2192": "->", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
        "\u03b1": "alpha", "\u03b2": "beta", "\u03b3": "gamma", "\xb5": "u", "\u03bc": "u",
        "\xb0": " deg", "\xb2": "^2", "\xb3": "^3", "\xa0": " ",
    }
)  # fmt: skip


def show_every_character() -> None:
    """Let standard output and standard error write what their encoding lacks as :func:`readable` text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def say(text: object) -> None:
    """Print a line at once, in what the stream can show; ``typer.echo`` writes UTF-8 where that is ASCII."""
    print(text, flush=True)


def readable(text: str, encoding: str) -> str:
    """A text with what an encoding lacks in ASCII: signs by their likeness, all else as Python writes it."""
    return text.encode(encoding, ERRORS).decode(encoding, "replace")


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    if all("\udc80" <= each <= "\udcff" for each in missing):  # bytes of a file name that is no UTF-8
        return missing.encode("ascii", "surrogateescape"), error.end
    return missing.translate(_IN_ASCII).encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(ERRORS, _replace)
