"""Opening of the folder that environments are made from: of a run or of a reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import Choice, choose
from nil_core.config import RunConfig, resolve, with_changes
from nil_core.errors import ConfigError
from nil_core.experiment.experiment import Experiment, build_embedder, build_scene, encoder_needed
from nil_core.experiment.open_run import open_experiment, run_components
from nil_core.reference.folder import load_generated
from nil_core.reference.preparation import prepare
from nil_core.storage import run_folder
from nil_core.storage.os_errors import exists
from nil_core.video.interpolation import check_method

Folder = str | Path


def open_source(run: Folder | None, reference: Folder | None, sets: Mapping[str, Any] | None) -> Experiment:
    """Open robot, reference and reward from a folder.

    Args:
        run: folder of a run, whose config and reference are used as they are.
        reference: folder written by ``nil generate``; with its config, or the default one if it has none.
        sets: dotted config key to value, overrides that config. The reference is then prepared again.

    Raises:
        ConfigError: not exactly one of the two folders, or an invalid key or value.
        RunError: files in the folder are missing or damaged.
    """
    if run is not None and reference is not None:
        raise ConfigError("run and reference are both given", "leave out one of the two")
    if run is not None:
        folder, config = run_folder.open_run(Path(run))
        if not sets:
            return open_experiment(folder, config)
        return _prepared(folder.path, *run_components(folder, with_changes(config, sets), config))
    if reference is not None:
        written = Path(reference) / "config.toml"
        config = resolve(file=written).config if exists(written) else RunConfig()
        config = with_changes(config, sets or {})
        return _prepared(Path(reference), config, choose(config))
    raise ConfigError(
        "neither a run nor a reference is given",
        'for example: gymnasium.make("nil/imitation-v0", run="runs/...")',
    )


def _prepared(folder: Path, config: RunConfig, choice: Choice) -> Experiment:
    """The generated video of a folder, prepared as a new run would."""
    check_method(config.video)
    scene = build_scene(config, choice)
    generated = load_generated(folder)
    embedder = build_embedder(choice) if encoder_needed(config) else None
    stand = scene.render(scene.standing_qpos[None])[1][0]
    ready = prepare(generated, config, choice["encoder"], embedder, stand, scene=scene)
    return Experiment(config, choice, scene, ready, embedder)
