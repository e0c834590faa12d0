"""Writes metrics, videos and images of every run as TensorBoard event files, in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from nil_tracker_tensorboard.event_file import EventFile

hookimpl = pluggy.HookimplMarker("nil")


class TensorBoard:
    """The hook ``tensorboard``. Active for every run, since nothing leaves the machine."""

    def __init__(self) -> None:
        self._events: EventFile | None = None
        self._folder = Path()
        self._started = False

    @hookimpl
    def run_started(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Start a new event file; TensorBoard merges those of one folder."""
        from nil_tracker_tensorboard.event_file import EventFile

        self._folder, self._started = folder, False
        self._events = EventFile(folder / "tensorboard")
        self._events.text("config", f"```json\n{json.dumps(config, indent=2)}\n```", 0)

    @hookimpl
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A line of ``metrics.jsonl``, on disk when the call returns."""
        if self._events is None:
            return
        if not self._started:  # a resumed run writes again what it had written after its checkpoint
            self._events.begin_at(step)
            self._started = True
        self._events.scalars({name.replace(".", "/"): value for name, value in values.items()}, step)

    @hookimpl
    def video_written(self, path: Path, kind: str) -> None:
        """The video as GIF, which TensorBoard shows."""
        if self._events is not None:
            from nil_tracker_tensorboard.gif import gif

            self._events.image(f"videos/{kind}", gif(path), self._step())

    @hookimpl
    def run_finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The final table, the curve and the final state."""
        if self._events is None:
            return
        step = self._step()
        if (folder / "curve.png").exists():
            self._events.image("curve", (folder / "curve.png").read_bytes(), step)
        if "policies" in summary:
            self._events.text("table", _table(summary["policies"]), step)
        self._events.text("end", summary.get("state", "finished"), step)
        self._events = None

    def _step(self) -> int:
        """The environment step in the run's ``status.json``."""
        step: int = json.loads((self._folder / "status.json").read_text(encoding="utf-8"))["step"]
        return step


def _table(policies: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, a row for each policy."""
    columns = list(next(iter(policies.values())))
    rows = [["policy", *columns], ["---"] * (len(columns) + 1)]
    rows += [[policy, *(str(row.get(column)) for column in columns)] for policy, row in policies.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
