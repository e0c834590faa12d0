"""Run both stages: from a prompt to a policy, in a run folder.

In a script, guard the call with ``if __name__ == "__main__":``, because worker processes import the script.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import choose, follow_components
from nil_core.config import RunConfig
from nil_core.experiment import kept_demonstrations
from nil_core.experiment.experiment import Experiment, build_embedder, build_scene, encoder_needed
from nil_core.experiment.learn import Result, learn
from nil_core.experiment.manifest import manifest
from nil_core.experiment.messages import describe_motion, describe_reference
from nil_core.experiment.scoring import check_recording
from nil_core.hooks import Hooks
from nil_core.payment import Consent, refuse
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.reference.folder import load_generated, save_generated, save_reference
from nil_core.reference.generation import generate_reference
from nil_core.reference.motion_video import write_motion_video
from nil_core.reference.preparation import prepare
from nil_core.reference.report import ReferenceReport
from nil_core.reporting import Lines, Reporter
from nil_core.sim.main_guard import UnguardedScript, check_main_guard
from nil_core.storage import run_folder
from nil_core.storage.cache import cache_in_use
from nil_core.storage.lock import run_lock
from nil_core.storage.run_folder import RunFolder
from nil_core.video.interpolation import check_method


def run(
    config: RunConfig | None = None,
    out: Path | None = None,
    reference: Path | None = None,
    reporter: Reporter | None = None,
    hooks: Hooks | None = None,
    consent: Consent = refuse,
    use_cache: bool = True,
) -> Result:
    """Run both stages: from a prompt to a policy, in a run folder.

    Args:
        config: default: that of ``nil run``.
        out: new folder; default ``runs/<date>_<robot>-<skill>-s<seed>``.
        reference: folder of :func:`generate` or of an earlier run; stage 1 is then skipped.
        reporter: receives messages; default: plain lines.
        hooks: default: all installed hooks.
        consent: as in :func:`generate`.
        use_cache: False ignores cached results; new ones are still stored, and nothing is paid twice.

    Raises:
        NilError: any error that a user can fix.
    """
    config, _ = follow_components(config or RunConfig())
    check_main_guard(config.simulation.workers)
    with cache_in_use(use_cache):
        return _run(config, out, reference, reporter or Lines(), hooks or Hooks.load(), consent)


def _run(
    config: RunConfig, out: Path | None, reference: Path | None, reporter: Reporter, hooks: Hooks, consent: Consent
) -> Result:
    hooks.require(config.track)
    choice = choose(config)
    path = out or run_folder.fresh_path(Path("runs"), config)
    run_folder.refuse_occupied(path)
    check_method(config.video)
    needs_encoder = encoder_needed(config)
    if needs_encoder:
        choice["encoder"].identity()  # fails on missing weights before a video is made and paid for
    scene = build_scene(config, choice)
    check_recording(config, scene)
    kept_demonstrations.check_named(choice, scene, config.environment)
    config = config.model_copy(update={"steps": config.steps or scene.spec.learning_steps})
    detailed = partial(build_scene, config, choice, detailed=True)
    generated = (
        load_generated(reference)
        if reference
        else generate_reference(config, choice, scene, reporter.progress, consent, detailed)
    )
    standing_mask = scene.render(scene.standing_qpos[None])[1][0] if reference else generated.first_mask
    report = ReferenceReport.from_provenance(generated.provenance)
    if reference:
        match = first_frame_match(generated.masks[0], generated.video.crop_box, standing_mask)
        report = replace(report, first_frame=match)
    describe_reference(report, config, reporter)
    embedder = build_embedder(choice) if needs_encoder else None
    prepared = prepare(generated, config, choice["encoder"], embedder, standing_mask, reporter.progress, scene)
    experiment = Experiment(config, choice, scene, prepared, embedder)
    _ = experiment.motion  # refuses demonstrations that are too short, before there is a folder
    if prepared.motion is not None:
        describe_motion(prepared.motion, prepared.tick_hz, reporter)
    made = generated.provenance if reference else None
    with run_folder.whole(path) as filling:
        created = run_folder.create(filling, config, manifest(config, choice, made))
        save_generated(created.reference, generated)
        save_reference(created.reference, prepared)
        kept_demonstrations.keep(created, choice)
        if prepared.motion is not None and prepared.box_lags is None:
            write_motion_video(created.reference, scene, prepared.frames, prepared.motion, prepared.tick_hz)
    folder = RunFolder(path)
    with _removed_if_unguarded(path), run_lock(path):
        hooks.fire("run_started", folder=folder.path, config=config.model_dump(mode="json"))
        hooks.fire("reference_ready", folder=folder.path, reference=prepared)
        hooks.fire("video_written", path=folder.reference / "video.mp4", kind="reference")
        return learn(folder, experiment, reporter, hooks, resuming=False)


@contextmanager
def _removed_if_unguarded(path: Path) -> Iterator[None]:
    """Remove the run folder if the calling script has no main guard and cannot train."""
    try:
        yield
    except UnguardedScript:
        shutil.rmtree(path, ignore_errors=True)
        raise
