"""Reports: runs compared on one page, in Markdown and CSV.

::

    from nil_core.report import compare, write_report

    print(compare(["studies/question-a1"]).rows[0].values["speed"])
    print(write_report(["studies/question-a1"]).page)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nil_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from nil_core.report.table import Comparison
    from nil_core.report.write import Report, compare, write_report

_HOMES = {
    "Comparison": "nil_core.report.table",
    "Report": "nil_core.report.write",
    "compare": "nil_core.report.write",
    "write_report": "nil_core.report.write",
}

__getattr__ = lazy_names(__name__, _HOMES)

__all__ = ["Comparison", "Report", "compare", "write_report"]
