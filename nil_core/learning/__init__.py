"""Parts of torch agents and of rewards that learn: replay, policies, ensembles, losses, exact saving.

Needs ``nil-core[learning]``.
"""

from nil_core.learning.action_model import ActionModel, RegressionLoss
from nil_core.learning.discriminator import (
    Discriminator,
    gradient_penalty,
    least_squares_loss,
    logistic_loss,
    squared_weights,
)
from nil_core.learning.divergence import checked_metrics
from nil_core.learning.ensemble import EnsembleLayerNorm, EnsembleLinear
from nil_core.learning.feature_replay import FeatureReplay
from nil_core.learning.flat_adam import FlatAdam, flatten
from nil_core.learning.frozen import frozen
from nil_core.learning.gaussian import DeterministicActor, SquashedGaussian, bounded_log_std, inverse_log_std
from nil_core.learning.mlp import orthogonal_mlp
from nil_core.learning.normalizer import RunningNormalizer
from nil_core.learning.off_policy import OffPolicyAgent, OffPolicyOptions
from nil_core.learning.policy_average import PolicyAverage
from nil_core.learning.quantiles import quantile_huber
from nil_core.learning.replay import Batch, ReplayBuffer
from nil_core.learning.state import Part, integers, load_state, read_tensors, save_state
from nil_core.learning.threads import cpu_threads

__all__ = [
    "ActionModel",
    "Batch",
    "DeterministicActor",
    "Discriminator",
    "EnsembleLayerNorm",
    "EnsembleLinear",
    "FeatureReplay",
    "FlatAdam",
    "OffPolicyAgent",
    "OffPolicyOptions",
    "Part",
    "PolicyAverage",
    "RegressionLoss",
    "ReplayBuffer",
    "RunningNormalizer",
    "SquashedGaussian",
    "bounded_log_std",
    "checked_metrics",
    "cpu_threads",
    "flatten",
    "frozen",
    "gradient_penalty",
    "integers",
    "inverse_log_std",
    "least_squares_loss",
    "load_state",
    "logistic_loss",
    "orthogonal_mlp",
    "quantile_huber",
    "read_tensors",
    "save_state",
    "squared_weights",
]
