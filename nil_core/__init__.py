"""nil: a sentence becomes a motor skill.

::

    from nil_core import RunConfig, run

    if __name__ == "__main__":
        result = run(RunConfig(robot="a1", skill="walking", steps=50_000))
        print(result.folder, result.summary["policies"]["trained"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nil_core.config import RunConfig
    from nil_core.experiment.demonstrate import make_demonstrations, record, show_demonstrations
    from nil_core.experiment.evaluate import evaluate
    from nil_core.experiment.generate import Several, generate, generate_several
    from nil_core.experiment.learn import Result
    from nil_core.experiment.resume import resume
    from nil_core.experiment.run import run
    from nil_core.experiment.task import TaskSettings, train_on_task

_HOMES = {
    "RunConfig": "nil_core.config",
    "Result": "nil_core.experiment.learn",
    "Several": "nil_core.experiment.generate",
    "evaluate": "nil_core.experiment.evaluate",
    "make_demonstrations": "nil_core.experiment.demonstrate",
    "record": "nil_core.experiment.demonstrate",
    "show_demonstrations": "nil_core.experiment.demonstrate",
    "generate": "nil_core.experiment.generate",
    "generate_several": "nil_core.experiment.generate",
    "TaskSettings": "nil_core.experiment.task",
    "train_on_task": "nil_core.experiment.task",
    "resume": "nil_core.experiment.resume",
    "run": "nil_core.experiment.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nil_core has no {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


__all__ = [
    "Result",
    "RunConfig",
    "Several",
    "TaskSettings",
    "evaluate",
    "generate",
    "generate_several",
    "make_demonstrations",
    "record",
    "resume",
    "run",
    "show_demonstrations",
    "train_on_task",
]
