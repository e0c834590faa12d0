"""Binding of the numba gradient step to the tensors of an agent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from nil_agent_sac import SacOptions
from nil_agent_sac.networks import LOG_STD_BOUNDS, Actor, Critics
from nil_core.learning import EnsembleLayerNorm, EnsembleLinear, FlatAdam

Step = Callable[[Tensor, Tensor], tuple[Tensor, ...]]

_log = logging.getLogger("nil.agents.sac")


def numba_step(
    options: SacOptions,
    actor: Actor,
    policy_optimizer: FlatAdam,
    critics: Critics,
    critic_optimizer: FlatAdam,
    target_parameters: Tensor,
    target_entropy: float,
) -> Step | None:
    """Make a gradient step function of rows and noise that updates these tensors in place.

    Args:
        options: of the agent.
        actor: the policy.
        policy_optimizer: optimizes the actor's parameters, then the log temperature, in this order.
        critics: the critics.
        critic_optimizer: optimizes exactly the critics' parameters.
        target_parameters: (P,), flat parameters of the target critics.
        target_entropy: of a whole action, in nats.

    Returns:
        the function; None if numba is not available, with a warning in the log.
    """
    try:
        # numba's matrix products call scipy's BLAS: load it before the thread pools are listed below.
        import scipy.linalg.cython_blas  # noqa: F401
        from threadpoolctl import ThreadpoolController

        from nil_agent_sac.numba_kernels import MlpEnsemble, gradient_step
    except (ImportError, RuntimeError) as error:  # numba raises RuntimeError if it has no writable cache folder
        _log.warning("gradient steps are slower: the numba backend is off: %s", error)
        return None

    def ensemble(layers: nn.Sequential, optimizer: FlatAdam, num_members: int) -> MlpEnsemble:
        layout = _layout(layers)
        hidden = options.batch_size * int(layout[:-1, 1].sum())
        return MlpEnsemble(
            num_members=num_members,
            parameters=optimizer.flat_parameters.numpy(),
            gradient=np.zeros_like(optimizer.flat_parameters.numpy()),
            exp_avg=optimizer.exp_avg.numpy(),
            exp_avg_sq=optimizer.exp_avg_sq.numpy(),
            steps=optimizer.steps.numpy().reshape(1),
            adam=np.array([optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.eps]),
            layout=layout,
            outputs_first=isinstance(layers[0], nn.Linear),
            normalized=np.empty(hidden, np.float32),
            activations=np.empty(hidden, np.float32),
            inverse_stds=np.empty((len(layout), options.batch_size), np.float32),
            norm_eps=cast(nn.LayerNorm, layers[1]).eps,
        )

    actor_ensemble = ensemble(actor.layers, policy_optimizer, 1)
    critic_ensemble = ensemble(critics.layers, critic_optimizer, options.critics)
    targets = target_parameters.numpy()
    blas = ThreadpoolController().select(user_api="blas")
    cache = gradient_step.stats.cache_path
    if not (cache and any(Path(cache).glob("numba_kernels.gradient_step-*.nbi"))):
        _log.info("compiling the gradient step for this machine: about fifteen seconds, once")

    def step(rows: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        actor_ensemble.adam[0] = policy_optimizer.learning_rate
        # A second BLAS thread waits in a busy loop: if its core is busy, a hundred times longer than the products take.
        with blas.limit(limits=1):
            metrics = gradient_step(
                rows.numpy(),
                noise.numpy(),
                actor_ensemble,
                critic_ensemble,
                targets,
                LOG_STD_BOUNDS,
                options.tau,
                target_entropy,
            )
        return torch.from_numpy(metrics).unbind()

    return step


def _layout(layers: nn.Sequential) -> np.ndarray:
    """Sizes and parameter offsets of an MLP's layers, see :attr:`nil_agent_sac.numba_kernels.MlpEnsemble.layout`."""
    layout: list[list[int]] = []
    offset = 0
    for layer in layers:
        if isinstance(layer, nn.Linear | EnsembleLinear):
            *_, first, second = layer.weight.shape
            inputs, outputs = (second, first) if isinstance(layer, nn.Linear) else (first, second)
            layout.append([inputs, outputs, offset, offset + layer.weight.numel(), -1, -1])
        elif isinstance(layer, nn.LayerNorm | EnsembleLayerNorm):
            layout[-1][4:] = offset, offset + layer.weight.numel()
        offset += sum(parameter.numel() for parameter in layer.parameters())
    return np.array(layout)
