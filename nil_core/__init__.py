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
    from nil_core.experiment.pipeline import Result, Several, evaluate, generate, generate_several, resume, run
    from nil_core.train.plain import Plan, learn

_HOMES = {
    "RunConfig": "nil_core.config",
    "Plan": "nil_core.train.plain",
    "Result": "nil_core.experiment.pipeline",
    "Several": "nil_core.experiment.pipeline",
    "evaluate": "nil_core.experiment.pipeline",
    "generate": "nil_core.experiment.pipeline",
    "generate_several": "nil_core.experiment.pipeline",
    "learn": "nil_core.train.plain",
    "resume": "nil_core.experiment.pipeline",
    "run": "nil_core.experiment.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nil_core has no {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


__all__ = [
    "Plan",
    "Result",
    "RunConfig",
    "Several",
    "evaluate",
    "generate",
    "generate_several",
    "learn",
    "resume",
    "run",
]
