"""Resume a run from its newest checkpoint."""

from __future__ import annotations

import shlex
from pathlib import Path

from nil_core.config import RunConfig
from nil_core.errors import ConfigError, RunError
from nil_core.experiment.learn import Result, learn
from nil_core.experiment.manifest import changed_sources
from nil_core.experiment.open_run import open_experiment
from nil_core.hooks import Hooks
from nil_core.reporting import Lines, Reporter
from nil_core.sim.main_guard import check_main_guard
from nil_core.storage import run_folder
from nil_core.storage.lock import run_lock
from nil_core.storage.run_folder import RunFolder


def resume(
    folder: Path, steps: int | None = None, reporter: Reporter | None = None, hooks: Hooks | None = None
) -> Result:
    """Resume a run exactly from its newest checkpoint.

    Args:
        folder: the run folder; nothing else is needed.
        steps: a new total number of environment steps.
        reporter, hooks: as in :func:`run`.

    Raises:
        RunError: there is no run, another process trains it, or it was made with other plugin versions.
    """
    opened, config = run_folder.open_run(folder)
    if steps is not None:
        config = config.model_copy(update={"steps": steps})
    check_main_guard(config.simulation.workers)
    with run_lock(folder):
        return _resume(opened, config, reporter or Lines(), hooks or Hooks.load())


def _resume(opened: RunFolder, config: RunConfig, reporter: Reporter, hooks: Hooks) -> Result:
    folder = opened.path
    done = opened.read(opened.status).get("step", 0)
    if not isinstance(done, int):
        raise RunError(f"{opened.status} is damaged: step is {done!r}", f"rm {shlex.quote(str(opened.status))}")
    if done > config.total_steps or (done == config.total_steps and opened.read(opened.summary)):
        raise RunError(
            f"{folder} is already trained for {done} steps",
            f"{opened.resume_command()} --steps {2 * done}",
        )
    try:
        hooks.require(config.track)
    except ConfigError as error:  # a run can be finished without its trackers
        reporter.warn(str(error))
    experiment = open_experiment(opened, config)
    if changed := changed_sources(opened.read(opened.manifest), experiment.choice):
        reporter.warn(f"the source of {', '.join(changed)} was edited after the run started; the new source is used")
    hooks.fire("run_started", folder=folder, config=config.model_dump(mode="json"))
    hooks.fire("reference_ready", folder=folder, reference=experiment.reference)
    return learn(opened, experiment, reporter, hooks, resuming=True)
