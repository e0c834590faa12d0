"""Studies: a grid of config overrides by seeds, each run in its own folder, here or on a cluster.

::

    from nil_core.study import built_in, run_study

    if __name__ == "__main__":
        result = run_study(built_in("reward-terms", {"robot": "a1"}, seeds=3))
        print(result.folder, result.counts)
"""

from __future__ import annotations

from nil_core.study.baselines import with_baselines
from nil_core.study.builtin import built_in
from nil_core.study.executors import Executor, ExecutorCard, Handle
from nil_core.study.grid import Entry, Row, StudySpec, read_spec
from nil_core.study.jobs import Job, Outcome
from nil_core.study.parcel import Parcel, pack, run_here, unpack
from nil_core.study.process import run_job
from nil_core.study.study import StudyResult, run_study

__all__ = [
    "Entry",
    "Executor",
    "ExecutorCard",
    "Handle",
    "Job",
    "Outcome",
    "Parcel",
    "Row",
    "StudyResult",
    "StudySpec",
    "built_in",
    "pack",
    "read_spec",
    "run_here",
    "run_job",
    "run_study",
    "unpack",
    "with_baselines",
]
