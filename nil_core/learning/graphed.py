"""A function of tensors as one CUDA graph: one launch instead of hundreds of small kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

WARMUP_CALLS = 3  # calls before the capture, in which libraries allocate their buffers

Outputs = tuple[Tensor, ...]
Replay = Callable[[], None]
Capture = Callable[[Callable[[], Outputs]], tuple[Outputs, Replay]]
"""Takes a function without arguments; returns its output tensors, and a function that recomputes them in place."""

_log = logging.getLogger("nil.learning")


def cuda_graph(function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
    """The :data:`Capture` of CUDA: the function runs once, and its kernels are recorded instead of launched."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return outputs, graph.replay


class GraphedCallable:
    """Calls a function a few times, then captures it and replays the capture.

    If the capture fails, the function is still called each time, and a warning in the log says why.

    Args:
        function: of tensors. Other tensors that it reads or writes must stay at the same address; it must not branch on
            their values, and must draw no random numbers.
        capture: how to capture.
    """

    def __init__(self, function: Callable[..., Outputs], capture: Capture = cuda_graph) -> None:
        self._function, self._capture = function, capture
        self._calls = 0
        self._static_inputs: tuple[Tensor, ...] = ()
        self._static_outputs: Outputs = ()
        self._replay: Replay | None = None

    def __call__(self, *inputs: Tensor) -> Outputs:
        """As the function; the shapes of the inputs must not change."""
        if self._calls == WARMUP_CALLS:
            self._record(inputs)
        self._calls += 1
        if self._replay is None:
            return self._function(*inputs)
        for static, given in zip(self._static_inputs, inputs, strict=True):
            static.copy_(given)
        self._replay()
        return tuple(output.clone() for output in self._static_outputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._static_inputs = tuple(given.clone() for given in inputs)
        try:
            self._static_outputs, self._replay = self._capture(lambda: self._function(*self._static_inputs))
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            _log.warning("gradient steps are slower: the CUDA graph could not be captured: %s", reason)
