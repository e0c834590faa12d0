"""The compiled gradient step, bound to the tensors of an agent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nil_agent_sac import SacOptions
from nil_agent_sac.networks import LOG_STD_BOUNDS, Actor, Critics
from nil_core.learning import EnsembleLayerNorm, EnsembleLinear, FlatAdam

Step = Callable[[Tensor, Tensor], tuple[Tensor, ...]]

_log = logging.getLogger("nil.agents.sac")


def compiled_step(
    options: SacOptions,
    actor: Actor,
    policy_optimizer: FlatAdam,
    critics: Critics,
    critic_optimizer: FlatAdam,
    targets: Tensor,
    target_entropy: float,
) -> Step | None:
    """A gradient step of rows and noises on these tensors; None, with a word of why in the log, if it cannot be had.

    Args:
        options: of the agent.
        actor: whose parameters the policy's optimizer holds first, and after them the temperature's logarithm.
        policy_optimizer: likewise.
        critics: whose parameters are all of the critics' optimizer.
        critic_optimizer: likewise.
        targets: the targets' parameters, flat.
        target_entropy: of a whole action.
    """
    try:
        import scipy.linalg.cython_blas  # noqa: F401 - whose products numba calls: here before its threads are counted
        from threadpoolctl import ThreadpoolController

        from nil_agent_sac.compiled_step import Network, gradient_step
    except (ImportError, RuntimeError) as error:  # numba raises the latter where it finds no folder to keep its work in
        _log.warning("gradient steps are slower than they need be: not compiled: %s", error)
        return None

    def network(layers: nn.Sequential, optimizer: FlatAdam, members: int) -> Network:
        table = _table(layers)
        hidden = options.batch * int(table[:-1, 1].sum())
        adam = optimizer.learning_rate, optimizer.mean_decay, optimizer.square_decay, optimizer.epsilon
        return Network(
            members=members,
            weights=optimizer.weights.numpy(),
            gradient=np.zeros_like(optimizer.weights.numpy()),
            mean=optimizer.mean.numpy(),
            square=optimizer.square.numpy(),
            steps=optimizer.steps.numpy().reshape(1),
            adam=np.array(adam),
            table=table,
            by_outputs=isinstance(layers[0], nn.Linear),
            normals=np.empty(hidden, np.float32),
            hiddens=np.empty(hidden, np.float32),
            rates=np.empty((len(table), options.batch), np.float32),
            epsilon=layers[1].eps,
        )

    networks = (
        network(actor.layers, policy_optimizer, 1),
        network(critics.layers, critic_optimizer, options.critics),
        targets.numpy(),
    )
    numbers = LOG_STD_BOUNDS, options.discount, options.target_rate, target_entropy
    products = ThreadpoolController().select(user_api="blas")
    if not any(Path(gradient_step.stats.cache_path).glob("compiled_step.gradient_step-*.nbi")):
        _log.info("the first gradient step is compiled for this machine: some fifteen seconds, once")

    def step(rows: Tensor, noises: Tensor) -> tuple[Tensor, ...]:
        networks[0].adam[0] = policy_optimizer.learning_rate
        # A second thread would wait by spinning: on a busy core, a hundred times as long as the products take.
        with products.limit(limits=1):
            report = gradient_step(rows.numpy(), noises.numpy(), *networks, *numbers)
        return torch.from_numpy(report).unbind()

    return step


def _table(layers: nn.Sequential) -> np.ndarray:
    """Where a perceptron's parameters lie, for :class:`nil_agent_sac.compiled_step.Network`."""
    table: list[list[int]] = []
    at = 0
    for layer in layers:
        if isinstance(layer, nn.Linear | EnsembleLinear):
            *_, first, second = layer.weight.shape
            inputs, outputs = (second, first) if isinstance(layer, nn.Linear) else (first, second)
            table.append([inputs, outputs, at, at + layer.weight.numel(), -1, -1])
        elif isinstance(layer, nn.LayerNorm | EnsembleLayerNorm):
            table[-1][4:] = at, at + layer.weight.numel()
        at += sum(parameter.numel() for parameter in layer.parameters())
    return np.array(table)
