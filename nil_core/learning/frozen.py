"""A network without gradients that shares another network's parameters."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def frozen(module: Module) -> Module:
    """A copy whose parameters share the module's memory, and so always equal them, but require no gradient.

    An actor's loss goes through the critics: through a frozen copy, no gradient of their parameters is computed. Call
    it after :class:`~nil_core.learning.FlatAdam` and moves to a device, which allocate parameters anew.
    """
    copy = deepcopy(module).requires_grad_(False)
    for own, shared in zip(copy.parameters(), module.parameters(), strict=True):
        own.data = shared.data
    return copy
