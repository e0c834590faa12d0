"""Evaluation of a run's policy and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_core.experiment.evaluator import Evaluator, evaluate_beside_baselines
from nil_core.experiment.messages import show_evaluation, show_spread
from nil_core.experiment.open_run import OpenRun
from nil_core.reporting import Lines, Reporter
from nil_core.sim.main_guard import check_main_guard


def evaluate(
    folder: Path,
    episodes: int | None = None,
    seed: int = 0,
    which: str = "newest",
    reporter: Reporter | None = None,
    sets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Evaluate a run's policy and the baselines.

    Args:
        folder: the run folder.
        episodes: per policy; default: the run's config.
        seed: of the start states.
        which: ``newest`` or ``best`` checkpoint.
        reporter: receives messages and tables.
        sets: dotted config keys that override the run's config: with equal reward weights, the returns of different
            runs are comparable.

    Returns:
        policy name to row, see :data:`nil_core.evaluation.metrics.COLUMNS` and
        :func:`nil_core.evaluation.metrics.spread`.
    """
    reporter = reporter or Lines()
    run = OpenRun.open(folder, sets=sets)
    config = run.experiment.config
    check_main_guard(config.simulation.workers)
    evaluator = Evaluator(run.experiment, episodes or config.evaluation.episodes, seed)
    try:
        agent = run.policy(evaluator.env, which, evaluator.reward)
        rows = evaluate_beside_baselines(run.experiment, evaluator, agent, reporter)[0]
    finally:
        evaluator.close()
    show_evaluation(rows, reporter)
    show_spread(rows, reporter)
    return rows
