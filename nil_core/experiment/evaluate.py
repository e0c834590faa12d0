"""Evaluation of a run's policy and the baselines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_core.evaluation.metrics import Scoring
from nil_core.experiment import saved_evaluation
from nil_core.experiment.evaluator import Evaluator, evaluate_beside_baselines, results
from nil_core.experiment.open_run import OpenRun
from nil_core.experiment.scoring import full_scoring
from nil_core.reporting import Lines, Reporter
from nil_core.sim.main_guard import check_main_guard


def evaluate(
    folder: Path,
    episodes: int | None = None,
    seed: int = 0,
    which: str = "newest",
    reporter: Reporter | None = None,
    sets: Mapping[str, Any] | None = None,
    save: bool = False,
) -> dict[str, Any]:
    """Evaluate a run's policy and the baselines.

    Args:
        folder: the run folder.
        episodes: per policy; default: the run's config.
        seed: of the start states.
        which: ``newest`` or ``best`` checkpoint.
        reporter: receives messages and the result.
        sets: dotted config keys that override the run's config: with equal reward weights, the returns of different
            runs are comparable; ``evaluation.mocap`` names a recording for the MoCap loss.
        save: keep the result in ``evaluation.json`` of the run folder, for reports. One of the same conditions that is
            there already is returned as it is.

    Returns:
        policy name to row, see :data:`nil_core.evaluation.columns.COLUMNS` and
        :func:`nil_core.evaluation.metrics.spread`.

    Raises:
        RunError: no run, or with ``save`` none that is finished.
        ConfigError: a key or value that does not fit, or ``save`` of another checkpoint than the newest.
    """
    began = time.perf_counter()
    reporter = reporter or Lines()
    run = OpenRun.open(folder, sets=sets)
    config = run.experiment.config
    check_main_guard(config.simulation.workers)
    if save:
        saved_evaluation.check_savable(run, which)
    scoring = full_scoring(run.experiment)
    episodes = episodes or config.evaluation.episodes
    wanted = saved_evaluation.conditions(run.experiment, scoring, episodes, seed, sets or {})
    earlier = saved_evaluation.saved_rows(run.folder, wanted) if save else None
    rows = earlier or _evaluated(run, episodes, seed, which, scoring, reporter)
    reporter.evaluation(rows)
    if save and not earlier:
        found = results(run.experiment, rows, scoring)
        saved_evaluation.save(run.folder, wanted, found, time.perf_counter() - began)
    if save:
        reporter.say(f"{'saved before' if earlier else 'saved'}: {run.folder.evaluation}")
    return rows


def _evaluated(
    run: OpenRun, episodes: int, seed: int, which: str, scoring: Scoring, reporter: Reporter
) -> dict[str, Any]:
    """Policy name to row."""
    evaluator = Evaluator(run.experiment, episodes, seed)
    try:
        agent = run.policy(evaluator.env, which, evaluator.reward)
        return evaluate_beside_baselines(run.experiment, evaluator, agent, scoring, reporter)[0]
    finally:
        evaluator.close()
