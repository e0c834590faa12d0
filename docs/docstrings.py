"""Docstrings as Markdown: an extension of griffe for the documentation site."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`~?([^`]+)`")
LITERAL_BLOCK = re.compile(r"::$", re.MULTILINE)


class Markdown(griffe.Extension):
    """Turns the two parts of reStructuredText that docstrings here use, roles and literal blocks, into Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object once the tree is complete."""
        if obj.docstring:
            obj.docstring.value = LITERAL_BLOCK.sub(":", ROLE.sub(r"`\1`", obj.docstring.value))
