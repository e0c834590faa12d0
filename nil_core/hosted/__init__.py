"""What hosted generators share: keys, orders, waiting, downloads. Needs ``nil-core[hosted]``.

A plugin's ``__init__`` may take :class:`HostedOptions` from here: the rest arrives when first touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nil_core.hosted.options import Address, HostedOptions

if TYPE_CHECKING:
    from nil_core.hosted.clock import Clock
    from nil_core.hosted.connection import Connection, Reply, judge, unseemly
    from nil_core.hosted.fal_queue import FalQueue
    from nil_core.hosted.generator import HostedGenerator
    from nil_core.hosted.images import data_uri, png, raw_base64
    from nil_core.hosted.limits import fitting_text, ordered_seconds
    from nil_core.hosted.prices import estimate
    from nil_core.hosted.tasks import Order, State, Status, Ticket
    from nil_core.hosted.troubles import Refusal, Trouble, VendorError, Verdict
    from nil_core.payment import Estimate

_LAZY = {
    "Clock": "nil_core.hosted.clock",
    "Connection": "nil_core.hosted.connection",
    "Estimate": "nil_core.payment",
    "FalQueue": "nil_core.hosted.fal_queue",
    "HostedGenerator": "nil_core.hosted.generator",
    "Order": "nil_core.hosted.tasks",
    "Refusal": "nil_core.hosted.troubles",
    "Reply": "nil_core.hosted.connection",
    "State": "nil_core.hosted.tasks",
    "Status": "nil_core.hosted.tasks",
    "Ticket": "nil_core.hosted.tasks",
    "Trouble": "nil_core.hosted.troubles",
    "VendorError": "nil_core.hosted.troubles",
    "Verdict": "nil_core.hosted.troubles",
    "data_uri": "nil_core.hosted.images",
    "estimate": "nil_core.hosted.prices",
    "fitting_text": "nil_core.hosted.limits",
    "judge": "nil_core.hosted.connection",
    "ordered_seconds": "nil_core.hosted.limits",
    "png": "nil_core.hosted.images",
    "raw_base64": "nil_core.hosted.images",
    "unseemly": "nil_core.hosted.connection",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"nil_core.hosted has no {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


__all__ = [
    "Address",
    "Clock",
    "Connection",
    "Estimate",
    "FalQueue",
    "HostedGenerator",
    "HostedOptions",
    "Order",
    "Refusal",
    "Reply",
    "State",
    "Status",
    "Ticket",
    "Trouble",
    "VendorError",
    "Verdict",
    "data_uri",
    "estimate",
    "fitting_text",
    "judge",
    "ordered_seconds",
    "png",
    "raw_base64",
    "unseemly",
]
