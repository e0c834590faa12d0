"""What goes wrong with a hosted service, and how a person is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nil_core.errors import NilError


class Trouble(StrEnum):
    """What an answer that is no success means; services mix them up under one HTTP status."""

    KEY = "key"  # the key is wrong, or may not do this
    TOKEN = "token"  # the signed token is too old or too new: sign again
    CREDIT = "credit"  # the account is empty: waiting does not help
    SLOW_DOWN = "slow down"  # too many requests or tasks: waiting helps
    BUSY = "busy"  # the service's own failure: waiting may help
    MODERATED = "moderated"  # refused for what it shows or says
    INVALID = "invalid"  # the request is wrong
    MISSING = "missing"  # no such thing, or no longer


PASSING = frozenset({Trouble.SLOW_DOWN, Trouble.BUSY})
"""Troubles that end by waiting."""


@dataclass(frozen=True)
class Verdict:
    """A trouble, and the service's own words for it."""

    trouble: Trouble
    words: str


class VendorError(NilError):
    """A hosted service failed, or has not finished. Not the user's mistake: exit code 1."""

    exit_code = 1


class Refusal(NilError):
    """A hosted service refused, and why is the user's to mend.

    Attributes:
        trouble: which kind.
        words: what the service said.
    """

    def __init__(self, message: str, hint: str = "", trouble: Trouble = Trouble.INVALID, words: str = "") -> None:
        super().__init__(message, hint)
        self.trouble = trouble
        self.words = words


class NoAnswer(VendorError):
    """No answer came, or none that can be read: an order may have been taken, and paid."""
