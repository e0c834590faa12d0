"""References of a study: one for all runs that imitate the same video, and their price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nil_core.card import Capability
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import NilError
from nil_core.payment import Estimate
from nil_core.storage.cache import fingerprint
from nil_core.study.grid import Entry

_KEYS = ("skill", "prompt", "negative_prompt", "generator", "segmenter", "robot", "video")
_ENVIRONMENT_KEYS = ("tick_hz", "timestep", "render_size", "control", "control_hz")


@dataclass(frozen=True)
class SharedReference:
    """The reference of one or more runs.

    Attributes:
        config: that it is made with; its seed is the study's.
        hash: hex digest of all config values that change it.
    """

    config: RunConfig
    hash: str

    @property
    def path(self) -> str:
        """Its folder, relative to the study folder."""
        return f"references/{self.hash[:8]}"

    @property
    def paid(self) -> bool:
        """Whether its generator may cost money."""
        return choose(self.config)["generator"].can(Capability.PAID)


def shared_reference(entry: Entry, seed: int = 0) -> SharedReference:
    """The reference that a run imitates: the same for all seeds, as in the paper, which has one video per robot.

    Args:
        entry: of the grid.
        seed: of the generator.
    """
    config = entry.config.model_copy(update={"seed": seed})
    tree = config.tree()
    shared = {key: tree.get(key) for key in _KEYS} | {key: tree["environment"][key] for key in _ENVIRONMENT_KEYS}
    return SharedReference(config, fingerprint(shared, seed))


def distinct(references: Iterable[SharedReference]) -> tuple[SharedReference, ...]:
    """Each reference once, in order."""
    return tuple({reference.hash: reference for reference in references}.values())


@dataclass(frozen=True)
class Prices:
    """Prices of references that are still to be made.

    Attributes:
        estimates: hash of a reference to its price; 0 if it is in the cache or already paid.
        failures: hash of a reference to why it has no price, such as a missing key.
    """

    estimates: Mapping[str, Estimate]
    failures: Mapping[str, NilError]

    @property
    def total(self) -> Estimate | None:
        """The price of all together; None if there is nothing to pay."""
        due = [estimate for estimate in self.estimates.values() if not estimate.paid]
        if not due:
            return None
        currencies = {estimate.currency for estimate in due}
        amounts = [estimate.amount for estimate in due if estimate.amount is not None]
        known = len(amounts) == len(due) and len(currencies) == 1
        what = "; ".join(str(estimate) for estimate in due) if len(due) > 1 else due[0].what
        videos = f"{len(due)} videos: {what}" if len(due) > 1 else what
        return Estimate(round(sum(amounts), 4) if known else None, videos, due[0].currency)


def prices(references: Iterable[SharedReference]) -> Prices:
    """Ask paid generators for their prices; nothing is ordered. Renders each robot once."""
    estimates: dict[str, Estimate] = {}
    failures: dict[str, NilError] = {}
    for reference in references:
        if not reference.paid:
            continue
        from nil_core.experiment.generate import price  # imports mujoco

        try:
            estimates[reference.hash] = price(reference.config)
        except NilError as error:
            failures[reference.hash] = error
    return Prices(estimates, failures)
