"""Client for one run of Weights & Biases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 255}
"""By final state; W&B's client sends 255 for Ctrl-C."""


class RunClient:
    """A run of W&B whose id is stored in ``wandb/id.txt`` in the run's folder.

    W&B's environment variables (``WANDB_MODE``, ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_API_KEY`` ...) apply.

    Args:
        folder: of the run of nil; W&B's files are written to its ``wandb``.
        config: of the run, JSON values.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._run = wandb.init(
            dir=folder,
            id=_run_id(folder / "wandb" / "id.txt"),
            resume="allow",
            project=os.environ.get("WANDB_PROJECT", "nil"),
            name=folder.resolve().name,
            config=dict(config),
            allow_val_change=True,  # a resumed run may have more steps
            settings=wandb.Settings(console="off"),  # W&B writes nothing to the terminal
        )
        self._run.define_metric("*", step_metric="step")  # W&B's own step cannot go back, that of a resumed run can

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers by name at a step."""
        self._run.log({"step": step} | {name.replace(".", "/"): value for name, value in values.items()})

    def video(self, path: Path, kind: str) -> None:
        """Log an mp4 file."""
        self._run.log({f"videos/{kind}": wandb.Video(str(path), format="mp4")})

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """Log the final table and the curve, if there are any, and the final state."""
        if policies := summary.get("policies"):
            columns = [name for name, value in policies["trained"].items() if not isinstance(value, list)]
            rows = [[policy, *(row.get(name) for name in columns)] for policy, row in policies.items()]
            self._run.log({"table": wandb.Table(columns=["policy", *columns], data=rows)})
            for policy, row in policies.items():
                self._run.summary.update({f"end/{policy}/{name}": row.get(name) for name in columns})
        if (folder / "curve.png").exists():
            self._run.log({"curve": wandb.Image(str(folder / "curve.png"))})
        self._run.finish(exit_code=EXIT_CODES[summary.get("state", "finished")])


def _run_id(file: Path) -> str:
    """The stored id of the run, or a new one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(uuid.uuid4().hex, encoding="utf-8")
    return file.read_text(encoding="utf-8")
