"""What the command line does, as calls: generate a reference, run, resume, evaluate.

From a script, guard the call with ``if __name__ == "__main__":``: simulation runs in processes that import the script.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core import time_shares
from nil_core.components import Chosen, choose
from nil_core.config import RunConfig
from nil_core.devices import available_device
from nil_core.errors import ConfigError, NilError, PluginError, RunError
from nil_core.evaluation.artifacts import write_comparison, write_curve
from nil_core.evaluation.metrics import COLUMNS, spread
from nil_core.experiment.experiment import Evaluator, Experiment, build_embedder, build_scene, deterministic_policy
from nil_core.experiment.manifest import check_versions, manifest, random_mark
from nil_core.hooks import Hooks
from nil_core.interfaces import Agent
from nil_core.payment import Consent, refuse
from nil_core.reference import contact_sheet
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.reference.folder import load_generated, load_reference, save_generated, save_motion, save_reference
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.generation import generate_reference
from nil_core.reference.mask_quality import measure
from nil_core.reference.motion_source import find_motion
from nil_core.reference.motion_video import write_motion_video
from nil_core.reference.preparation import align, prepare
from nil_core.reporting import Lines, Reporter
from nil_core.reward.imitation import ImitationReward
from nil_core.reward.regularization import TERMS
from nil_core.sim.scene import RobotScene
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage import log, run_folder
from nil_core.storage.atomic import write_json, write_text
from nil_core.storage.lock import run_lock
from nil_core.storage.run_folder import RunFolder
from nil_core.train import checkpoint
from nil_core.train.loop import Parts, TrainingLoop
from nil_core.types import Frames, Masks, Motion
from nil_core.video.interpolation import check_method

BASELINES = ("zero", "random")
BASELINES_ABOUT_MOTION = ("standing", "base", "random")
"""Where actions are about the motion of the reference: ``standing`` is action 0 about the stand, ``base`` action 0
about the motion, ``random`` random actions about it."""


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        folder: the run's folder.
        finished: False after Ctrl-C: everything is saved, and :func:`resume` goes on.
        summary: what ``summary.json`` holds; empty if not finished.
    """

    folder: Path
    finished: bool
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Several:
    """What :func:`generate_several` made.

    Attributes:
        page: to look at and choose; None where nothing was made.
        folders: name to reference.
        failures: name to what went wrong.
    """

    page: Path | None
    folders: Mapping[str, Path]
    failures: Mapping[str, NilError]


def generate(
    config: RunConfig, out: Path | None = None, reporter: Reporter | None = None, consent: Consent = refuse
) -> Path:
    """Stage 1 alone: a folder with the reference, which ``run(reference=...)`` takes.

    Args:
        config: what to generate.
        out: folder to make; default ``references/<date>_<robot>-<skill>``.
        reporter: who to tell.
        consent: asked before a paid generator spends money: :func:`nil_core.payment.agree`, or your own.

    Raises:
        NilError: see the components; nothing half-written is left.
    """
    reporter = reporter or Lines()
    choice = choose(config)
    folder = out or run_folder.fresh_path(Path("references"), config)
    run_folder.refuse_occupied(folder)
    scene = build_scene(config, choice)
    detailed = partial(build_scene, config, choice, detailed=True)
    generated = generate_reference(config, choice, scene, reporter.progress, consent, detailed)
    _introduce(generated, generated.first_mask, config, reporter)
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
    """The frames at the tick rate and their motion; a video that has none is kept all the same."""
    try:
        aligned = align(generated, config, None, reporter.progress)
        motion = find_motion(config, scene, aligned.frames, aligned.masks, aligned.trajectory, reporter.progress)
    except NilError as error:
        reporter.warn(f"no motion is recovered from this video: {error}")
        return None
    if motion is None:
        return None
    _introduce_motion(motion, reporter)
    return aligned.frames, motion


def generate_several(
    configs: Mapping[str, RunConfig],
    out: Path | None = None,
    reporter: Reporter | None = None,
    consent: Consent = refuse,
) -> Several:
    """References to choose from, and a page that shows them side by side. When one fails, the others are still made.

    Args:
        configs: by the name of the subfolder.
        out: folder to make, or one of an earlier call, in which what is there with the same config is kept.
        reporter: who to tell.
        consent: as in :func:`generate`; asked for each.

    Raises:
        NilError: a config that cannot be, or a folder that holds something else; nothing was made.
    """
    reporter = reporter or Lines()
    for config in configs.values():
        choose(config)
    folder = out or run_folder.fresh_path(Path("references"), next(iter(configs.values())))
    page = folder / contact_sheet.NAME
    if not (page.is_file() and contact_sheet.MARK in page.read_text(encoding="utf-8", errors="replace")):
        run_folder.refuse_occupied(folder)
    done: list[str] = []
    failures: dict[str, NilError] = {}
    for name, config in configs.items():
        reporter.say(f"{name}:")
        try:
            if _is_made(folder / name, config):
                reporter.say(f"{folder / name} is there already")
            else:
                generate(config, folder / name, reporter, consent)
            done.append(name)
        except Exception as error:  # whatever one generator does, the others are still wanted
            hint = f"nil generate --generator {config.generator.name} alone shows where"
            strange = PluginError(f"{type(error).__name__}: {error}", hint)
            failures[name] = error if isinstance(error, NilError) else strange
            reporter.warn(str(failures[name]))
        if done:
            tried = [each for each in configs if each in done or each in failures]
            title = f"{config.robot.name}: {config.skill}"
            write_text(page, contact_sheet.contact_sheet(folder, title, tried, failures))
    return Several(page if done else None, {name: folder / name for name in done}, failures)


def _is_made(folder: Path, config: RunConfig) -> bool:
    made = folder / "config.toml"
    return made.is_file() and made.read_text(encoding="utf-8") == config.to_toml()


def run(
    config: RunConfig | None = None,
    out: Path | None = None,
    reference: Path | None = None,
    reporter: Reporter | None = None,
    hooks: Hooks | None = None,
    consent: Consent = refuse,
) -> Result:
    """Both stages: from a sentence to a policy, in a folder.

    Args:
        config: default is the default ``nil run``.
        out: folder to make; default ``runs/<date>_<robot>-<skill>-s<seed>``.
        reference: folder that :func:`generate`, or an earlier run, left; stage 1 is then skipped.
        reporter: who to tell; plain lines by default.
        hooks: default are the installed ones.
        consent: as in :func:`generate`.

    Raises:
        NilError: anything a person can mend.
    """
    config = config or RunConfig()
    reporter = reporter or Lines()
    hooks = hooks or Hooks.load()
    hooks.require(config.track)
    choice = choose(config)
    path = out or run_folder.fresh_path(Path("runs"), config)
    run_folder.refuse_occupied(path)
    check_method(config.video)
    if config.reward.video > 0:
        choice["encoder"].identity()  # weights that are missing are missed before a video is made, and paid
    scene = build_scene(config, choice)
    config = config.model_copy(update={"steps": config.steps or scene.spec.learning_steps})
    detailed = partial(build_scene, config, choice, detailed=True)
    generated = (
        load_generated(reference)
        if reference
        else generate_reference(config, choice, scene, reporter.progress, consent, detailed)
    )
    stand = scene.render(scene.standing_qpos[None])[1][0] if reference else generated.first_mask
    _introduce(generated, stand, config, reporter)
    embedder = build_embedder(config, choice)
    ready = prepare(generated, config, choice["encoder"], embedder, stand, reporter.progress, scene)
    experiment = Experiment(config, choice, scene, ready, embedder)
    if ready.motion is not None:
        _introduce_motion(ready.motion, reporter)
    with run_folder.whole(path) as filling:
        begun = run_folder.create(filling, config, manifest(config, choice))
        save_generated(begun.reference, generated)
        save_reference(begun.reference, ready)
        if ready.motion is not None and ready.box_lags is None:
            write_motion_video(begun.reference, scene, ready.frames, ready.motion, ready.tick_hz)
    folder = RunFolder(path)
    with run_lock(path):
        hooks.fire("run_started", folder=folder.path, config=config.model_dump(mode="json"))
        hooks.fire("reference_ready", folder=folder.path, reference=ready)
        hooks.fire("video_written", path=folder.reference / "video.mp4", kind="reference")
        return _learn(folder, experiment, reporter, hooks, resuming=False)


def resume(
    folder: Path, steps: int | None = None, reporter: Reporter | None = None, hooks: Hooks | None = None
) -> Result:
    """Go on exactly where the newest checkpoint of a run stands.

    Args:
        folder: of the run; nothing else is needed.
        steps: a new goal, in environment steps from the run's beginning.
        reporter, hooks: as in :func:`run`.

    Raises:
        RunError: no run, one that another process learns, or one made by other plugin versions.
    """
    opened, config = run_folder.open_run(folder)
    if steps is not None:
        config = config.model_copy(update={"steps": steps})
    with run_lock(folder):
        return _go_on(opened, config, reporter or Lines(), hooks or Hooks.load())


def _go_on(opened: RunFolder, config: RunConfig, reporter: Reporter, hooks: Hooks) -> Result:
    folder = opened.path
    done = opened.read(opened.status).get("step", 0)
    if done > config.total_steps or (done == config.total_steps and opened.read(opened.summary)):
        raise RunError(
            f"{folder} has learned for {done} steps already", f"nil run --resume {folder} --steps {2 * done}"
        )
    try:
        hooks.require(config.track)
    except ConfigError as error:  # what was begun can be finished wherever it is
        reporter.warn(str(error))
    experiment = open_experiment(opened, config)
    hooks.fire("run_started", folder=folder, config=config.model_dump(mode="json"))
    hooks.fire("reference_ready", folder=folder, reference=experiment.reference)
    return _learn(opened, experiment, reporter, hooks, resuming=True)


def evaluate(
    folder: Path, episodes: int | None = None, seed: int = 0, which: str = "newest", reporter: Reporter | None = None
) -> dict[str, Any]:
    """Score a run's policy beside the floors.

    Args:
        folder: of the run.
        episodes: of each policy; default as in the run's config.
        seed: of the start states.
        which: ``newest`` or ``best`` checkpoint.
        reporter: who to tell.

    Returns:
        policy name to row, see :data:`nil_core.evaluation.metrics.COLUMNS` and
        :func:`nil_core.evaluation.metrics.spread`.
    """
    reporter = reporter or Lines()
    opened, config = run_folder.open_run(folder)
    experiment = open_experiment(opened, config)
    evaluator = Evaluator(experiment, episodes or config.evaluation.episodes, seed)
    try:
        agent = load_policy(opened, experiment, evaluator.simulation, which)
        rows = _examine(experiment, evaluator, agent, reporter)[0]
    finally:
        evaluator.close()
    _show(rows, reporter)
    _show_spread(rows, reporter)
    return rows


def open_experiment(folder: RunFolder, config: RunConfig, encoder: bool = True) -> Experiment:
    """The world of an existing run, from its folder alone; on the CPU where a GPU that it names is not here.

    Args:
        folder: of the run.
        config: of the run.
        encoder: with the encoder, which only the reward asks for.

    Raises:
        RunError: made by other plugin versions, or damaged.
    """
    config = _on_available_devices(config)
    choice = choose(config)
    check_versions(folder.read(folder.manifest), choice)
    reference = load_reference(folder.reference)
    embedder = build_embedder(config, choice) if encoder else None
    return Experiment(config, choice, build_scene(config, choice), reference, embedder)


def _on_available_devices(config: RunConfig) -> RunConfig:
    encoder = config.encoder
    if "device" in encoder.options:
        device = available_device(str(encoder.options["device"]), "encoder.device")
        encoder = encoder.model_copy(update={"device": device})
    return config.model_copy(update={"device": available_device(config.device), "encoder": encoder})


def load_policy(folder: RunFolder, experiment: Experiment, simulation: VectorEnv, which: str) -> Agent:
    """A run's agent as it was at its ``newest`` or ``best`` checkpoint.

    Raises:
        RunError: there is none, or it is damaged.
    """
    while True:
        path = folder.checkpoints / checkpoint.BEST if which == "best" else checkpoint.newest(folder.checkpoints)
        if not path.exists():
            raise RunError(
                f"{folder.path} has no best policy: it was not evaluated while it learned",
                "--checkpoint newest; a run with training.eval_every above 0 keeps its best",
            )
        agent = experiment.agent(experiment.choice["agent"], simulation)
        try:
            agent.load(path / "agent")
            return agent
        except (RunError, OSError):
            if path.exists():
                raise
            # Else the run is still learning, and removed it meanwhile for a newer one.


def _learn(folder: RunFolder, experiment: Experiment, reporter: Reporter, hooks: Hooks, resuming: bool) -> Result:
    config = experiment.config
    with _telling_of_the_end(folder, hooks) as ending:
        simulation = experiment.simulation(config.simulation.num_envs, config.seed, training=True)
        evaluators: list[Evaluator] = []
        try:
            agent = experiment.agent(experiment.choice["agent"], simulation)
            source = experiment.reward(simulation)
            _show_reward(experiment, source, reporter)
            _tell_of_motion(experiment, reporter)

            def evaluate_mode() -> Mapping[str, float]:
                if not evaluators:
                    evaluators.append(Evaluator(experiment, config.training.eval_episodes, config.seed))
                return evaluators[0].score(evaluators[0].episodes(deterministic_policy(agent)))

            loop = TrainingLoop(folder, config, Parts(agent, simulation, source, evaluate_mode, hooks, reporter))
            if resuming:
                loop.resume()
                folder.write_config(config)
                folder.summary.unlink(missing_ok=True)
                reporter.say(f"going on from step {loop.step}")
            else:
                loop.start()
            folder.write_status("learning", loop.step)
            finished = loop.run()
            if parts := time_shares.shares(log.read(folder.timing)):
                reporter.say(f"time: {time_shares.in_words(parts)}")
        finally:
            simulation.close()
            for evaluator in evaluators:
                evaluator.close()
        summary = _conclude(folder, experiment, agent, reporter, hooks) if finished else {}
        ending.update(summary or {"finished": False, "state": "interrupted"})
    if not finished:
        reporter.say(f"saved at step {loop.step}; go on with: nil run --resume {folder.path}")
    return Result(folder.path, finished, summary)


@contextmanager
def _telling_of_the_end(folder: RunFolder, hooks: Hooks) -> Iterator[dict[str, Any]]:
    """Fire ``run_finished``, once, with what the block puts into the summary, or with how it broke off."""
    summary: dict[str, Any] = {}
    try:
        yield summary
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        hooks.fire("run_finished", folder=folder.path, summary={"finished": False, "state": state})
        raise
    hooks.fire("run_finished", folder=folder.path, summary=summary)


def _conclude(
    folder: RunFolder, experiment: Experiment, agent: Agent, reporter: Reporter, hooks: Hooks
) -> dict[str, Any]:
    """The table at the end, the video, the curve, ``summary.json``."""
    began = time.perf_counter()
    evaluator = Evaluator(experiment, experiment.config.evaluation.episodes, experiment.config.seed)
    try:
        rows, shown = _examine(experiment, evaluator, agent, reporter)
    finally:
        evaluator.close()
    if len(shown.frames):
        video = write_comparison(folder.videos, experiment.reference, shown)
        hooks.fire("video_written", path=video, kind="comparison")
    write_curve(folder.curve, log.read(folder.metrics), {name: rows[name] for name in _baselines(experiment)})
    timings = log.read(folder.timing)
    still = rows[_baselines(experiment)[0]]["return"]
    summary = {
        **random_mark(experiment.choice),
        "finished": True,
        "steps": experiment.config.total_steps,
        "policies": rows,
        "return_over_zero": rows["trained"]["return"] / still - 1 if still > 0 else None,
        "target_speed": experiment.target_speed,
        "reference_speed": experiment.reference_speed,
        "motion": _motion_used(experiment),
        "learning_seconds": sum(row["seconds"] for row in timings),
        "evaluation_seconds": time.perf_counter() - began,
    }
    write_json(folder.summary, summary)
    _show(rows, reporter)
    gain = summary["return_over_zero"]
    if gain is not None:
        reporter.say(f"return {gain:+.0%} against standing still, after {experiment.config.total_steps} steps")
    if len(shown.frames):
        reporter.say(f"video: {video}")
    else:
        reporter.say(f"no reward asked for pictures; to see it: nil play {folder.path}")
    if folder.curve.exists():
        reporter.say(f"curve: {folder.curve}")
    return summary


def _examine(
    experiment: Experiment, evaluator: Evaluator, agent: Agent, reporter: Reporter
) -> tuple[dict[str, Any], Any]:
    """Rows of the trained policy and of the floors, and the recorded first episode of the trained one."""
    rows: dict[str, Any] = {}
    names = ("trained", *_baselines(experiment))
    shown = None
    for number, name in enumerate(names):
        reporter.progress(number, len(names), "policies evaluated")
        with _evaluator_for(name, experiment, evaluator) as chosen:
            policy = agent if name == "trained" else _baseline(experiment, chosen.simulation, name)
            episodes = chosen.episodes(deterministic_policy(policy), record=experiment.looks and name == "trained")
            shown = shown or episodes[0]
            rows[name] = {**chosen.score(episodes), **spread(episodes, experiment.plan.ticks)}
    reporter.progress(len(names), len(names), "policies evaluated")
    return rows, shown


@contextmanager
def _evaluator_for(name: str, experiment: Experiment, evaluator: Evaluator) -> Iterator[Evaluator]:
    """The one at hand, or for ``standing`` one of the same starts in which action 0 stands still."""
    if name != "standing":
        yield evaluator
        return
    still = Evaluator(experiment.about_stand, evaluator.simulation.num_envs, evaluator.seed)
    try:
        yield still
    finally:
        still.close()


def _baselines(experiment: Experiment) -> tuple[str, ...]:
    """Names of the floors; standing still comes first."""
    return BASELINES_ABOUT_MOTION if experiment.has_base else BASELINES


def _baseline(experiment: Experiment, simulation: VectorEnv, name: str) -> Agent:
    agent = "random" if name == "random" else "zero"
    floor: Chosen = choose(experiment.config.model_copy(update={"agent": type(experiment.config.agent)(name=agent)}))[
        "agent"
    ]
    return experiment.agent(floor, simulation)


def _motion_used(experiment: Experiment) -> dict[str, Any] | None:
    """What the run built on the motion of its reference, JSON values; None where on nothing."""
    motion, settings = experiment.motion, experiment.config.motion
    if motion is None:
        return None
    return {
        "source": motion.source,
        "trusted": motion.trusted,
        "base": experiment.has_base,
        "start_share": settings.start_share,
        "max_deviation": settings.max_deviation,
    }


def _show(rows: Mapping[str, Mapping[str, float]], reporter: Reporter) -> None:
    names = [c for c in next(iter(rows.values())) if c in COLUMNS]
    heading = {"speed": "speed m/s", "environment_reward": "env reward", "similarity": "S_v", "iou": "IoU"}
    table = []
    for policy, row in rows.items():
        cells = [f"{row[n]:.0f}" if n in ("falls", "episodes") else f"{row[n]:.3f}" for n in names]
        table.append([policy, *cells])
    reporter.table("Evaluation", ["policy", *(heading.get(n, n) for n in names)], table)


def _show_spread(rows: Mapping[str, Mapping[str, Any]], reporter: Reporter) -> None:
    """What several episodes tell of a mean; one alone tells nothing."""
    table = []
    for name in ("return", "speed"):
        for policy, row in rows.items():
            if row[f"{name}_ci95"] is not None:
                low, high = row[f"{name}_ci95"]
                interval = f"{low:.3f} to {high:.3f}"
                table.append([name, policy, f"{row[name]:.3f}", f"{row[f'{name}_std']:.3f}", interval])
    if table:
        columns = ["of", "policy", "mean", "standard deviation", "95 % interval of the mean (Student's t)"]
        reporter.table("Over the episodes", columns, table)


def _show_reward(experiment: Experiment, source: ImitationReward, reporter: Reporter) -> None:
    """Every weight of the reward, before anything is learned from it."""
    reward = experiment.config.reward
    rows = []
    if reward.video > 0:
        scale = f"{reward.similarity}, {reward.scale}; standing scores {source.video_scale.stand:.3f}"
        rows.append(["S_v", "video similarity", f"{reward.video:g}", scale])
    if reward.iou > 0:
        scale = f"IoU, {reward.scale}; standing scores {source.iou_scale.stand:.3f}"
        rows.append(["S_M", "mask similarity", f"{reward.iou:g}", scale])
    for term in TERMS:
        weight = reward.regularization * getattr(reward, term.name)
        if weight > 0:
            rows.append([term.symbol, term.name, f"{weight:g}", term.unit])
    reporter.table("Reward", ["term", "what", "weight", "unit or scale"], rows)


def _tell_of_motion(experiment: Experiment, reporter: Reporter) -> None:
    """What the run builds on the motion of its reference, or why it builds nothing on one that is there."""
    used, found, settings = experiment.motion, experiment.reference.motion, experiment.config.motion
    if used is None:
        if found is not None and settings.source != "none":
            reporter.warn("nothing is built on the motion; --set motion.untrusted=use builds on it all the same")
        return
    origin = "recovered from the video" if used.source == "video" else "the generator's own, which no video gives"
    about = "the motion" if experiment.has_base else "the stand"
    text = f"motion: {origin}; actions are about {about}; {settings.start_share:.0%} of episodes start anywhere in it"
    if settings.max_deviation is not None:
        text += f"; an episode ends {settings.max_deviation:g} m away from it"
    reporter.say(text)


def _introduce(generated: GeneratedReference, stand: Masks, config: RunConfig, reporter: Reporter) -> None:
    reporter.say(_described(generated))
    for remark in generated.provenance["video"].get("remarks", ()):
        reporter.warn(remark)
    quality = measure(generated.masks)
    (reporter.warn if quality.doubtful else reporter.say)(str(quality))
    agreed = first_frame_match(generated.masks[0], generated.video.crop_box, stand)
    if agreed.close:
        reporter.say(str(agreed))
    elif config.video.align_first_frame:
        reporter.say(f"{agreed}; it is scaled and shifted")
    else:
        reporter.warn(f"{agreed}; --set video.align_first_frame=true scales and shifts it")


def _introduce_motion(motion: Motion, reporter: Reporter) -> None:
    """How well the motion explains the video, or why it cannot be trusted."""
    report = motion.report
    if motion.source == "generator":
        return
    text = (
        f"motion: recovered from the video; so drawn, the robot overlaps with that of the video by "
        f"{report['overlap_mean']:.2f} and travels {report['forward_speed']:.2f} m/s"
    )
    if "leg_error_rad" in report:
        text += f"; its legs are {report['leg_error_rad']:.3f} rad (rms) from what was drawn"
    reporter.say(text)
    for reason in report["reasons"]:
        reporter.warn(f"the motion cannot be trusted: {reason}")


def _described(generated: GeneratedReference) -> str:
    video = generated.video
    height, width = video.frames.shape[1:3]
    origin = " (from cache)" if generated.provenance["video"]["from_cache"] else ""
    prompt = generated.provenance["prompt"]
    return f"reference: {len(video.frames)} frames of {width}x{height} at {video.fps:g} fps{origin}: {prompt}"
