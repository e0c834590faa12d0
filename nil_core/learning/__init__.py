"""What torch agents share: replay, policies, ensembles, losses, exact saving. Needs ``nil-core[learning]``."""

# torch imports its compiler lazily, with the first optimizer of torch.optim for one. Loaded after an OpenGL context of
# Mesa's llvmpipe exists, it crashes the process (two copies of LLVM); so it is loaded here, before any context.
import torch._dynamo  # noqa: F401

from nil_core.learning.ensemble import EnsembleLayerNorm, EnsembleLinear
from nil_core.learning.flat_adam import FlatAdam, flatten
from nil_core.learning.frozen import frozen
from nil_core.learning.gaussian import Mode, SquashedGaussian, bounded_log_std, unbounded
from nil_core.learning.learner import LearnerOptions, ReplayLearner
from nil_core.learning.quantiles import quantile_huber
from nil_core.learning.replay import Batch, ReplayBuffer
from nil_core.learning.state import Part, load_state, save_state
from nil_core.learning.threads import cpu_threads

__all__ = [
    "Batch",
    "EnsembleLayerNorm",
    "EnsembleLinear",
    "FlatAdam",
    "LearnerOptions",
    "Mode",
    "Part",
    "ReplayBuffer",
    "ReplayLearner",
    "SquashedGaussian",
    "bounded_log_std",
    "cpu_threads",
    "flatten",
    "frozen",
    "load_state",
    "quantile_huber",
    "save_state",
    "unbounded",
]
