"""Behavioral cloning (Pomerleau 1991): supervised learning of demonstrated actions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from nil_agent_bc import GRADIENT_STEPS, PER_ENVIRONMENT_STEP, BcOptions
from nil_agent_bc.demonstrated import demonstrated
from nil_core.api import AgentSpec, Floats, Transitions
from nil_core.learning import (
    ActionModel,
    FlatAdam,
    Part,
    checked_metrics,
    cpu_threads,
    integers,
    load_state,
    save_state,
)

TRAINING_SHARE = 0.5
"""Share of the run's steps over which the gradient steps are spread."""


class BehavioralCloning:
    """The agent ``bc``; see :class:`nil_core.api.Agent` for its methods.

    It learns from the demonstrations alone: the environments' transitions are ignored, and their steps only pace the
    gradient steps, so that a run's evaluations show progress. The file is read when learning begins: a saved policy
    acts without it.
    """

    def __init__(self, options: BcOptions, spec: AgentSpec) -> None:
        self.options, self.spec = options, spec
        self.device = torch.device(spec.device)
        self.generator = torch.Generator(self.device).manual_seed(spec.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            model = ActionModel(spec.observation_size, options.hidden, spec.action_size, options.loss)
        self.model = model.to(self.device)
        self.optimizer = FlatAdam(self.model.parameters(), options.learning_rate)
        self.planned = options.gradient_steps or min(GRADIENT_STEPS, PER_ENVIRONMENT_STEP * spec.total_steps)
        self.gradient_steps = self.environment_steps = 0

    @cached_property
    def demonstrations(self) -> tuple[Tensor, Tensor]:
        """Observations (B, obs) and actions (B, act); the first access sets the normalization of observations."""
        found = demonstrated(self.options.demonstrations.expanduser(), self.spec)
        observations, actions = (torch.from_numpy(rows).to(self.device) for rows in found)
        if not self.model.normalizer.count:
            self.model.normalizer.update(observations)
        return observations, actions

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Samples of the policy if exploring, else its mean."""
        if explore:
            _ = self.demonstrations  # refused before the first step, if bad
        with torch.inference_mode(), cpu_threads(self.options.threads):
            rows = torch.from_numpy(observations).to(self.device)
            actions: Tensor = self.model(rows)
            if explore:
                noise = torch.randn(actions.shape, generator=self.generator, device=self.device)
                actions = self.model.sample(rows, noise)
        return actions.numpy(force=True)

    def network(self) -> nn.Module:
        """Network from observations to the mean of the policy."""
        return self.model

    def observe(self, transitions: Transitions) -> None:
        """Ignore them."""

    def update(self, steps: int) -> Mapping[str, float]:
        """Make the gradient steps that are due after ``steps`` more environment steps.

        Returns:
            ``loss``, the mean over the gradient steps; empty if there were none.

        Raises:
            DataError: the demonstrations cannot be read or do not fit.
            NumericalError: the loss is not finite.
        """
        self.environment_steps += steps
        progress = min(1.0, self.environment_steps / (TRAINING_SHARE * self.spec.total_steps))
        due = int(progress * self.planned) - self.gradient_steps
        if due <= 0:
            return {}
        self.gradient_steps += due
        observations, actions = self.demonstrations
        with cpu_threads(self.options.threads):
            rows = torch.randint(
                len(actions), (due, self.options.batch_size), generator=self.generator, device=self.device
            )
            losses = [self._gradient_step(observations[batch], actions[batch]) for batch in rows]
        return checked_metrics("bc", {"loss": float(torch.stack(losses).mean())})

    def _gradient_step(self, observations: Tensor, actions: Tensor) -> Tensor:
        loss = self.model.loss(observations, actions)
        self.optimizer.minimize(loss)
        return loss.detach()

    def save(self, folder: Path) -> None:
        """Write network, optimizer, random state and counters."""
        counters = {"gradient_steps": self.gradient_steps, "environment_steps": self.environment_steps}
        save_state(folder, self._parts(), counters)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote, so that acting and learning continue bit for bit.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        counters = load_state(folder, self._parts())
        self.gradient_steps, self.environment_steps = integers(folder, counters, "gradient_steps", "environment_steps")

    def _parts(self) -> dict[str, Part]:
        return {"model": self.model, "optimizer": self.optimizer, "generator": self.generator}
