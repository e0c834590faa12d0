"""griffe extension: converts docstrings to Markdown for the documentation site."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`~?([^`]+)`")
LITERAL_BLOCK = re.compile(r"::$", re.MULTILINE)


class Markdown(griffe.Extension):
    """Converts reStructuredText roles and literal blocks, the two constructs used in docstrings here, to Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Convert the docstring of an object; griffe calls this for every object of the complete tree."""
        if obj.docstring:
            obj.docstring.value = LITERAL_BLOCK.sub(":", ROLE.sub(r"`\1`", obj.docstring.value))
