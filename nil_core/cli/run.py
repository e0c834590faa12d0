"""``nil run`` and ``nil generate``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nil_core.cli import options as o
from nil_core.cli.display import reporter
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.experiment.manifest import MADE_BEFORE

INTERRUPTED_EXIT_CODE = 130  # after Ctrl-C, as in shells


def run(
    generator: o.Generator = None,
    encoder: o.Encoder = None,
    segmenter: o.Segmenter = None,
    robot: o.Robot = None,
    agent: o.Agent = None,
    reward: o.Reward = None,
    skill: o.Skill = None,
    prompt: o.Prompt = None,
    negative_prompt: o.NegativePrompt = None,
    seed: o.Seed = None,
    steps: o.Steps = None,
    track: o.Track = None,
    preset: o.Preset = None,
    config: o.ConfigFile = None,
    set_: o.Sets = None,
    reference: Annotated[
        Path | None, typer.Option(help="Reference folder of nil generate, or of an earlier run.", show_default=False)
    ] = None,
    out: o.Out = None,
    yes: o.Yes = False,
    no_cache: o.NoCache = False,
    resume: Annotated[
        Path | None, typer.Option(help="Resume this run; --steps sets a new total.", show_default=False)
    ] = None,
) -> None:
    """Generate a reference video and train a policy to imitate it.

    Default: a procedural walk of the Unitree A1, trained offline on two cores in a few minutes.
    """
    if resume is not None:
        given = {
            "--generator": generator, "--encoder": encoder, "--segmenter": segmenter, "--robot": robot,
            "--agent": agent, "--reward": reward, "--skill": skill, "--prompt": prompt,
            "--negative-prompt": negative_prompt, "--seed": seed, "--track": track, "--preset": preset,
            "--config": config, "--set": set_, "--reference": reference, "--out": out,
            "--no-cache": no_cache or None,
        }  # fmt: skip
        if extra := [name for name, value in given.items() if value is not None and value != []]:
            raise ConfigError(
                f"--resume continues the run with its own settings; it cannot be combined with {', '.join(extra)}",
                f"nil run --resume {shlex.quote(str(resume))} [--steps N], or start a new run",
            )
        from nil_core.experiment.resume import resume as resume_run

        with reporter() as show:
            result = resume_run(resume, steps, show)
        raise typer.Exit(0 if result.finished else INTERRUPTED_EXIT_CODE)
    chosen = o.resolved(
        preset, config, set_, generator=generator, encoder=encoder, segmenter=segmenter, robot=robot, agent=agent,
        reward=reward, skill=skill, prompt=prompt, negative_prompt=negative_prompt, seed=seed, steps=steps, track=track,
    )  # fmt: skip
    with reporter() as show:
        goal = f"{chosen.config.steps} steps, " if chosen.config.steps else ""
        show.say(f"{_describe(chosen.config, reference)}; {goal}seed {chosen.config.seed}")
        from nil_core.experiment.run import run as run_experiment

        result = run_experiment(
            chosen.config, out, reference, show, consent=o.consent(yes, show.say), use_cache=not no_cache
        )
    raise typer.Exit(0 if result.finished else INTERRUPTED_EXIT_CODE)


def generate(
    generator: o.Generator = None,
    segmenter: o.Segmenter = None,
    robot: o.Robot = None,
    skill: o.Skill = None,
    prompt: o.Prompt = None,
    negative_prompt: o.NegativePrompt = None,
    seed: o.Seed = None,
    preset: o.Preset = None,
    config: o.ConfigFile = None,
    set_: o.Sets = None,
    out: o.Out = None,
    yes: o.Yes = False,
    no_cache: o.NoCache = False,
) -> None:
    """Generate only the reference video, into a folder for nil run --reference.

    Several generators (--generator svd,kling) make one folder each, and a page to compare them; --set kling.KEY=VALUE
    then sets an option of one generator.
    """
    given = {
        "segmenter": segmenter, "robot": robot, "skill": skill, "prompt": prompt, "negative_prompt": negative_prompt,
        "seed": seed,
    }  # fmt: skip
    names = [name.strip() for name in (generator or "").split(",")]
    if len(names) > 1:
        sets_by_name = o.split_sets(names, set_ or [])
        configs = {
            name: o.resolved(preset, config, sets, generator=name, **given).config
            for name, sets in sets_by_name.items()
        }
        _generate_several(configs, out, yes, use_cache=not no_cache)
        return
    chosen = o.resolved(preset, config, set_, generator=generator, **given)
    with reporter() as show:
        show.say(_describe(chosen.config))
        from nil_core.experiment.generate import generate as generate_reference

        folder = generate_reference(chosen.config, out, show, o.consent(yes, show.say), use_cache=not no_cache)
        show.say(f"video: {folder / 'video.mp4'}; to train on it: nil run --reference {shlex.quote(str(folder))}")


def _generate_several(configs: dict[str, RunConfig], out: Path | None, yes: bool, use_cache: bool) -> None:
    with reporter() as show:
        from nil_core.experiment.generate import generate_several

        several = generate_several(configs, out, show, o.consent(yes, show.say), use_cache)
        for name, error in several.failures.items():
            show.warn(f"{name} failed: {error.message}")
        if several.page:
            first = shlex.quote(str(next(iter(several.folders.values()))))
            show.say(f"compare the videos in {several.page}; then for example: nil run --reference {first}")
    if several.failures:
        raise typer.Exit(max(error.exit_code for error in several.failures.values()))


def _describe(config: RunConfig, reference: Path | None = None) -> str:
    """Skill and components, printed before imports that take seconds; a reference brings its skill and what made it."""
    made_before = MADE_BEFORE if reference else ()
    components = [f"{kind} {chosen.name}" for kind, chosen in choose(config).items() if kind not in made_before]
    return f"{f'reference {reference}' if reference else config.skill}: " + ", ".join(components)
