"""A function of tensors as one CUDA graph: the processor launches its hundreds of small kernels by one call."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

WARM_UPS = 3  # calls before the capture, in which libraries allocate what they will keep

Outputs = tuple[Tensor, ...]
Replay = Callable[[], None]
Capture = Callable[[Callable[[], Outputs]], tuple[Outputs, Replay]]
"""Takes a function without arguments to its outputs' places, and to what computes them anew."""

_log = logging.getLogger("nil.learning")


def cuda_graph(function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
    """The :data:`Capture` of CUDA: the function runs once, but its kernels are recorded instead of launched."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return outputs, graph.replay


class Graphed:
    """Calls a function, and after a few calls replays what it does.

    If it cannot be captured it goes on being called, with a word of why in the log.

    Args:
        function: of tensors. What else it reads and writes are tensors that stay where they are, it decides nothing by
            their values, and it draws no random numbers.
        capture: how.
    """

    def __init__(self, function: Callable[..., Outputs], capture: Capture = cuda_graph) -> None:
        self._function, self._capture = function, capture
        self._calls = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: Outputs = ()
        self._replay: Replay | None = None

    def __call__(self, *inputs: Tensor) -> Outputs:
        """As the function; the shapes of the inputs never change."""
        if self._calls == WARM_UPS:
            self._record(inputs)
        self._calls += 1
        if self._replay is None:
            return self._function(*inputs)
        for place, given in zip(self._inputs, inputs, strict=True):
            place.copy_(given)
        self._replay()
        return tuple(output.clone() for output in self._outputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(given.clone() for given in inputs)
        try:
            self._outputs, self._replay = self._capture(lambda: self._function(*self._inputs))
        except RuntimeError as error:
            why = str(error).partition("\n")[0]
            _log.warning("gradient steps are slower than they need be: no CUDA graph: %s", why)
