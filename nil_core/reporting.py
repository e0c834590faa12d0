"""How a run reports to a person: the command line draws it, scripts and notebooks get plain lines or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from nil_core.readable import readable
from nil_core.time_shares import briefly

if TYPE_CHECKING:
    from nil_core.interfaces import TermRow


class Reporter(Protocol):
    """Receives what a run reports. Every method returns at once and never raises."""

    def say(self, text: str) -> None:
        """A line of information."""
        ...

    def warn(self, text: str) -> None:
        """A warning."""
        ...

    def reward(self, rows: Sequence[TermRow]) -> None:
        """The reward's terms and their weights, before training."""
        ...

    def evaluation(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """An evaluation: policy to values by metric (:data:`nil_core.evaluation.columns.COLUMNS`)."""
        ...

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """Properties of a thing and their values."""
        ...

    def progress(self, done: int, total: int, what: str) -> None:
        """How far a long part is (a :data:`nil_core.types.Progress`)."""
        ...

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """How training goes, about once a second.

        Args:
            step, total: environment steps.
            values: the newest metrics.
            rates: ``steps_per_second``, ``seconds_left``, and :func:`nil_core.time_shares.shares` of the time,
                largest first, once they are known.
        """
        ...


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def reward(self, rows: Sequence[TermRow]) -> None:
        """Nothing."""

    def evaluation(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Nothing."""

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Nothing."""

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """Nothing."""


class Lines(Silent):
    """Plain lines, for logs and for streams that are no terminal.

    Args:
        stream: where to.
        every: seconds between lines about training.
    """

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._stream = stream or sys.stdout
        self._every = every
        self._last = 0.0
        self._tenth = ("", -1)

    def say(self, text: str) -> None:
        """One line. Where its reader has gone away (``nil run | head``), the process ends, as others do."""
        try:
            try:
                print(text, file=self._stream, flush=True)
            except UnicodeEncodeError:
                print(readable(text, self._stream.encoding), file=self._stream, flush=True)
        except BrokenPipeError:
            _discard(self._stream)
            raise SystemExit(1) from None
        except OSError:
            pass  # a full disk costs the line, not the run

    def warn(self, text: str) -> None:
        """One line, marked."""
        self.say(f"warning: {text}")

    def reward(self, rows: Sequence[TermRow]) -> None:
        """A line for each term."""
        for row in rows:
            self.say(f"reward: {row.symbol} x {row.weight:g}: {row.name} ({row.unit})")

    def evaluation(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """A line for each policy: its metrics, without their spread."""
        for policy, row in rows.items():
            numbers = {n: v for n, v in row.items() if isinstance(v, (int, float)) and not n.endswith("_std")}
            values = [f"{name} {value:.4g}" for name, value in numbers.items()]
            self.say(f"{policy}: {', '.join(values)}")

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """A line for each fact."""
        self.say(title)
        for name, value in facts.items():
            self.say(f"  {name}: {value}")

    def progress(self, done: int, total: int, what: str) -> None:
        """A line at each fifth."""
        fifth = (what, 5 * done // max(total, 1))
        if fifth != self._tenth and (done == total or fifth[1] > 0):
            self.say(f"{what}: {done}/{total}")
        self._tenth = fifth

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """A line every few seconds."""
        import time

        if step < total and time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = rates.get("seconds_left")
        eta = f"  {left / 60:.1f} min left" if left is not None else ""
        where = f"  time: {parts}" if (parts := briefly(rates)) else ""
        self.say(f"step {step}/{total}  {rates.get('steps_per_second', 0):.0f}/s{eta}{where}  {shown}")


def _discard(stream: TextIO) -> None:
    """Else Python complains of the broken pipe again when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
