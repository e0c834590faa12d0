"""An existing run, opened from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.components import Choice, choose
from nil_core.config import RunConfig, with_changes
from nil_core.devices import available_device
from nil_core.errors import PluginError, RunError
from nil_core.experiment.experiment import Experiment, build_embedder, build_scene, encoder_needed
from nil_core.experiment.kept_demonstrations import with_kept
from nil_core.experiment.manifest import check_versions
from nil_core.interfaces import Agent, Reward
from nil_core.reference.folder import load_reference
from nil_core.sim.vector_env import VectorEnv
from nil_core.storage import run_folder
from nil_core.storage.os_errors import explain_os_errors
from nil_core.storage.run_folder import RunFolder
from nil_core.train import checkpoint


@dataclass(frozen=True)
class OpenRun:
    """A run that is there.

    Attributes:
        folder: its files.
        experiment: what it learns in.
    """

    folder: RunFolder
    experiment: Experiment

    @classmethod
    def open(cls, path: Path, encoder: bool = True, sets: Mapping[str, Any] | None = None) -> OpenRun:
        """From its folder.

        Args:
            path: the run's folder.
            encoder: with the encoder, which only rewards and metrics ask for.
            sets: dotted config key to value, laid over the run's own config.

        Raises:
            RunError: no run, made by other plugin versions, or damaged.
            ConfigError: a key or value that does not fit.
        """
        folder, config = run_folder.open_run(path)
        changed = with_changes(config, sets) if sets else config
        return cls(folder, open_experiment(folder, changed, encoder, config))

    def policy(self, env: VectorEnv, which: str, reward: Reward | None = None) -> Agent:
        """Its agent as it was at its ``newest`` or ``best`` checkpoint. See :func:`load_policy`."""
        return load_policy(self.folder, self.experiment, env, which, reward)


def open_experiment(
    folder: RunFolder, config: RunConfig, encoder: bool = True, original: RunConfig | None = None
) -> Experiment:
    """The experiment of an existing run, from its folder alone; on the CPU where a GPU that it names is not here.

    Args:
        folder: of the run.
        config: of the run.
        encoder: with the encoder, which only the reward asks for.
        original: the run's own config, where the other differs: demonstrations that only the other names are read from
            where it says, all others from the copies in the folder.

    Raises:
        RunError: made by other plugin versions, or damaged.
    """
    config, choice = run_components(folder, config, original or config)
    reference = load_reference(folder.reference)
    embedder = build_embedder(choice) if encoder and encoder_needed(config) else None
    return Experiment(config, choice, build_scene(config, choice), reference, embedder)


def run_components(folder: RunFolder, config: RunConfig, original: RunConfig) -> tuple[RunConfig, Choice]:
    """The components of an existing run, and the config, changed to devices that this machine has.

    Args:
        folder, config, original: as in :func:`open_experiment`.

    Raises:
        RunError: made by other plugin versions.
    """
    config = _on_available_devices(config)
    choice = choose(config)
    check_versions(folder.read(folder.manifest), choice, config)
    return config, with_kept(folder, choice, config, original)


def _on_available_devices(config: RunConfig) -> RunConfig:
    encoder = config.encoder
    if "device" in encoder.options:
        device = available_device(str(encoder.options["device"]), "encoder.device")
        encoder = encoder.model_copy(update={"device": device})
    return config.model_copy(update={"device": available_device(config.device), "encoder": encoder})


def load_policy(
    folder: RunFolder, experiment: Experiment, env: VectorEnv, which: str, reward: Reward | None = None
) -> Agent:
    """A run's agent as it was at its ``newest`` or ``best`` checkpoint.

    Args:
        folder: of the run.
        experiment: of the run.
        env: what the agent will act in.
        which: ``newest`` or ``best``.
        reward: one that learns adopts what it had learned at that checkpoint.

    Raises:
        RunError: there is none, it is damaged, or the run learned from another reward.
    """
    while True:
        path = folder.checkpoints / checkpoint.BEST if which == "best" else checkpoint.newest(folder.checkpoints)
        before = _identity(path)
        if before is None and which != "best":
            continue
        if before is None:
            raise RunError(
                f"{folder.path} has no best policy: it was not evaluated while it learned",
                "--checkpoint newest; a run with training.eval_every above 0 keeps its best",
            )
        agent = experiment.agent(experiment.choice["agent"], env)
        try:
            checkpoint.load_policy(path, agent, reward)
        except (RunError, PluginError):
            if _identity(path) == before:
                raise
        if _identity(path) == before:
            return agent
        # Else the run is still learning, and removed it meanwhile for a newer one.


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a folder from another that took its name; None if there is none."""
    with explain_os_errors(path, "read"):
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
    return status.st_ino, status.st_mtime_ns
