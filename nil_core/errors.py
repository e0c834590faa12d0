"""Errors that speak to a person: what is wrong, and the line that mends it.

The command line prints ``message`` and ``hint`` and leaves with ``exit_code``; a traceback appears only with
``NIL_DEBUG=1``. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations


class NilError(Exception):
    """A problem the user can act on.

    Args:
        message: one line, what is wrong and where.
        hint: one line, what mends it: preferably a command to paste.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[NilError], tuple[str, str]]:
        return type(self), (self.message, self.hint)  # errors cross from worker processes

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(NilError):
    """An option, key or value that does not exist or does not fit."""


class PluginError(NilError):
    """A component that is missing, broken, misnamed, or not what its card says."""


class DataError(NilError):
    """A video, mask or recording that cannot serve."""


class MachineError(NilError):
    """The machine lacks something: OpenGL, disk space, write permission."""


class RunError(NilError):
    """A run folder that is not one, or that this installation cannot continue."""


class NumericalError(NilError):
    """NaN or infinity in a reward or a loss. Not the user's mistake: exit code 1."""

    exit_code = 1
