"""Stage 1 only: generate a reference into its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import NilError, PluginError
from nil_core.experiment.experiment import build_scene
from nil_core.experiment.messages import describe_motion, describe_reference
from nil_core.payment import Consent, Estimate, refuse
from nil_core.reference import contact_sheet
from nil_core.reference.alignment import align
from nil_core.reference.folder import save_generated, save_motion
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.generation import generate_reference
from nil_core.reference.generation import price as estimate_price
from nil_core.reference.motion_video import write_motion_video
from nil_core.reference.report import ReferenceReport
from nil_core.reporting import Lines, Reporter
from nil_core.sim.main_guard import check_main_guard
from nil_core.sim.scene import RobotScene
from nil_core.storage import run_folder
from nil_core.storage.atomic import write_text
from nil_core.storage.cache import cache_in_use
from nil_core.storage.os_errors import exists
from nil_core.types import Frames, Motion


@dataclass(frozen=True)
class Several:
    """Result of :func:`generate_several`.

    Attributes:
        page: HTML page for comparing the videos; None if all generators failed.
        folders: name to reference folder.
        failures: name to error.
    """

    page: Path | None
    folders: Mapping[str, Path]
    failures: Mapping[str, NilError]


def generate(
    config: RunConfig,
    out: Path | None = None,
    reporter: Reporter | None = None,
    consent: Consent = refuse,
    use_cache: bool = True,
) -> Path:
    """Stage 1 only: make a reference folder for ``run(reference=...)``.

    Args:
        config: run configuration.
        out: new folder; default ``references/<date>_<robot>-<skill>``.
        reporter: receives messages and progress.
        consent: called before a paid generator is used: :func:`nil_core.payment.agree`, or your own function.
        use_cache: False ignores cached results; new ones are still stored, and nothing is paid twice.

    Raises:
        NilError: see the components; no incomplete folder is left.
    """
    check_main_guard(config.simulation.workers)
    with cache_in_use(use_cache):
        return _generate(config, out, reporter or Lines(), consent)


def price(config: RunConfig) -> Estimate:
    """What :func:`generate` would spend now: 0 for a free generator, and for a video in the cache or already paid.

    Raises:
        NilError: see the components; among them a missing key of a paid service.
    """
    choice = choose(config)
    scene = build_scene(config, choice)
    return estimate_price(config, choice, scene, partial(build_scene, config, choice, detailed=True))


def _generate(config: RunConfig, out: Path | None, reporter: Reporter, consent: Consent) -> Path:
    choice = choose(config)
    folder = out or run_folder.fresh_path(Path("references"), config)
    run_folder.refuse_occupied(folder)
    scene = build_scene(config, choice)
    detailed = partial(build_scene, config, choice, detailed=True)
    generated = generate_reference(config, choice, scene, reporter.progress, consent, detailed)
    describe_reference(ReferenceReport.from_provenance(generated.provenance), config, reporter)
    found = _motion_of(generated, config, scene, reporter)
    with run_folder.whole(folder) as filling:
        save_generated(filling, generated)
        write_text(filling / "config.toml", config.to_toml())
        if found is not None:
            frames, motion = found
            save_motion(filling, motion)
            write_motion_video(filling, scene, frames, motion, config.environment.tick_hz)
    return folder


def _motion_of(
    generated: GeneratedReference, config: RunConfig, scene: RobotScene, reporter: Reporter
) -> tuple[Frames, Motion] | None:
    """Frames at the tick rate and their motion; None if no motion is found: the video is kept anyway."""
    try:
        aligned = align(generated, config, progress=reporter.progress, scene=scene)
    except NilError as error:
        reporter.warn(f"no motion is recovered from this video: {error}")
        return None
    if aligned.motion is None:
        return None
    describe_motion(aligned.motion, config.environment.tick_hz, reporter)
    return aligned.frames, aligned.motion


def generate_several(
    configs: Mapping[str, RunConfig],
    out: Path | None = None,
    reporter: Reporter | None = None,
    consent: Consent = refuse,
    use_cache: bool = True,
) -> Several:
    """Make one reference per config, and a page that shows them side by side. If one fails, the others are still made.

    Args:
        configs: name of the subfolder to config.
        out: new folder, or one of an earlier call, in which references with the same config are kept.
        reporter: receives messages and progress.
        consent, use_cache: as in :func:`generate`.

    Raises:
        NilError: an invalid config, or a folder with other content; nothing was made.
    """
    reporter = reporter or Lines()
    for config in configs.values():
        choose(config)
        check_main_guard(config.simulation.workers)
    folder = out or run_folder.fresh_path(Path("references"), next(iter(configs.values())))
    page = folder / contact_sheet.NAME
    if not (
        exists(page) and page.is_file() and contact_sheet.MARK in page.read_text(encoding="utf-8", errors="replace")
    ):
        run_folder.refuse_occupied(folder)
    done: list[str] = []
    failures: dict[str, NilError] = {}
    for name, config in configs.items():
        reporter.say(f"{name}:")
        try:
            if _is_made(folder / name, config):
                reporter.say(f"{folder / name} already exists")
            else:
                generate(config, folder / name, reporter, consent, use_cache)
            done.append(name)
        except Exception as error:  # a failing generator must not stop the others
            hint = f"run nil generate --generator {config.generator.name} alone to see the details"
            unexpected = PluginError(f"{type(error).__name__}: {error}", hint)
            failures[name] = error if isinstance(error, NilError) else unexpected
            reporter.warn(str(failures[name]))
        if done:
            tried = [each for each in configs if each in done or each in failures]
            title = f"{config.robot.name}: {config.skill}"
            write_text(page, contact_sheet.contact_sheet(folder, title, tried, failures))
    return Several(page if done else None, {name: folder / name for name in done}, failures)


def _is_made(folder: Path, config: RunConfig) -> bool:
    made = folder / "config.toml"
    return made.is_file() and made.read_text(encoding="utf-8") == config.to_toml()
