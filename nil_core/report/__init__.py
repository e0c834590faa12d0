"""Reports: runs compared on one page, in Markdown and CSV.

::

    from nil_core.report import compare, write_report

    print(compare(["studies/question-a1"]).rows[0].values["speed"])
    print(write_report(["studies/question-a1"]).page)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nil_core.report.table import Comparison
    from nil_core.report.write import Report, compare, write_report

_HOMES = {
    "Comparison": "nil_core.report.table",
    "Report": "nil_core.report.write",
    "compare": "nil_core.report.write",
    "write_report": "nil_core.report.write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nil_core.report has no {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


__all__ = ["Comparison", "Report", "compare", "write_report"]
