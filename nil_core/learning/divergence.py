"""Detection of a diverged agent."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nil_core.errors import NumericalError


def checked_metrics(agent: str, metrics: Mapping[str, float]) -> Mapping[str, float]:
    """The metrics themselves.

    Args:
        agent: its name, for the message.
        metrics: by name.

    Raises:
        NumericalError: one of them is not finite.
    """
    if not all(map(math.isfinite, metrics.values())):
        raise NumericalError(
            f"{agent} diverged: {', '.join(f'{name} {value:.3g}' for name, value in metrics.items())}",
            "Lower agent.learning_rate or agent.gamma, and look for extreme rewards or observations.",
        )
    return metrics
