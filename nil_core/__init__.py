"""nil: train a robot skill from a text prompt.

::

    from nil_core import RunConfig, run

    if __name__ == "__main__":
        result = run(RunConfig(robot="a1", skill="walking", steps=50_000))
        print(result.folder, result.summary["policies"]["trained"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nil_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from nil_core.config import RunConfig
    from nil_core.experiment.demonstrate import make_demonstrations, record, show_demonstrations
    from nil_core.experiment.evaluate import evaluate
    from nil_core.experiment.generate import Several, generate, generate_several
    from nil_core.experiment.learn import Result
    from nil_core.experiment.resume import resume
    from nil_core.experiment.run import run
    from nil_core.experiment.task import TaskSettings, train_on_task
    from nil_core.report.write import compare, write_report

_HOMES = {
    "RunConfig": "nil_core.config",
    "Result": "nil_core.experiment.learn",
    "Several": "nil_core.experiment.generate",
    "compare": "nil_core.report.write",
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
    "write_report": "nil_core.report.write",
}

__getattr__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Result",
    "RunConfig",
    "Several",
    "TaskSettings",
    "compare",
    "evaluate",
    "generate",
    "generate_several",
    "make_demonstrations",
    "record",
    "resume",
    "run",
    "show_demonstrations",
    "train_on_task",
    "write_report",
]
