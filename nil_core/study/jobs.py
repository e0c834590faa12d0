"""Jobs of a study and their outcomes: plain values that cross to other processes and machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

SAVE_SECONDS = 300.0
"""For saving a run that was asked to end; then it is killed, and goes on from an earlier checkpoint."""

State = Literal["finished", "interrupted", "failed", "lost"]


@dataclass(frozen=True)
class Job:
    """Make one reference, or start or resume one run.

    Attributes:
        kind: which of the two.
        study: absolute path of the study folder.
        study_id: tells whether another machine sees the same folder under that path.
        target: folder to make, relative to the study folder.
        config: TOML of the run config.
        reference: folder of the reference that a run imitates, relative to the study folder.
        paid: whether a person agreed to pay for the reference.
    """

    kind: Literal["reference", "run"]
    study: str
    study_id: str
    target: str
    config: str
    reference: str = ""
    paid: bool = False

    @property
    def folder(self) -> Path:
        """Absolute path of the folder to make."""
        return Path(self.study) / self.target

    @property
    def log(self) -> Path:
        """File that the output of its processes is appended to."""
        return Path(self.study) / "logs" / f"{self.target.replace('/', '-')}.log"

    def elsewhere(self, study: Path) -> Job:
        """The same job in another study folder."""
        return replace(self, study=str(study))

    def to_json(self) -> str:
        """Text for :meth:`from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Outcome:
    """End of one attempt at a job.

    Attributes:
        state: ``finished``; ``interrupted``: saved, to be resumed; ``failed``: another attempt would fail, too;
            ``lost``: its process died, another attempt may succeed.
        error: what went wrong, in one line.
        hint: what fixes it.
        stop: whether other jobs of the study would fail for the same reason, such as a full disk.
        host: machine that it ran on.
    """

    state: State
    error: str = ""
    hint: str = ""
    stop: bool = False
    host: str = ""

    def to_json(self) -> str:
        """Text for :meth:`from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError, TypeError: it is something else.
        """
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
