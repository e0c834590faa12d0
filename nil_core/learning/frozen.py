"""A network seen as a constant."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def frozen(module: Module) -> Module:
    """A twin whose parameters share the module's memory, and so always equal them, but take no gradient.

    An actor's loss goes through the critics: through the twin, no gradient of their weights is computed. Call it when
    the parameters lie where they will stay, after :class:`~nil_core.learning.FlatAdam` and moves to a device.
    """
    twin = deepcopy(module).requires_grad_(False)
    for own, shared in zip(twin.parameters(), module.parameters(), strict=True):
        own.data = shared.data
    return twin
