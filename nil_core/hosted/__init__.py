"""The kit for hosted generators: keys, orders, waiting, downloads. Needs ``nil-core[hosted]``.

A plugin's ``__init__`` may import :class:`HostedOptions` from here: everything else is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nil_core.hosted.options import Address, HostedOptions
from nil_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from nil_core.hosted.clock import Clock
    from nil_core.hosted.connection import Connection
    from nil_core.hosted.errors import ErrorKind, ErrorResponse, RejectedError, ServiceError
    from nil_core.hosted.fal_queue import FalQueue
    from nil_core.hosted.generator import HostedGenerator
    from nil_core.hosted.images import data_uri, png, png_base64
    from nil_core.hosted.limits import checked_prompt, choose_seconds
    from nil_core.hosted.prices import price_estimate
    from nil_core.hosted.responses import Response, classify_http_error, mentions_moderation
    from nil_core.hosted.tasks import Order, State, Status, Ticket
    from nil_core.payment import Estimate

_LAZY = {
    "Clock": "nil_core.hosted.clock",
    "Connection": "nil_core.hosted.connection",
    "ErrorKind": "nil_core.hosted.errors",
    "ErrorResponse": "nil_core.hosted.errors",
    "Estimate": "nil_core.payment",
    "FalQueue": "nil_core.hosted.fal_queue",
    "HostedGenerator": "nil_core.hosted.generator",
    "Order": "nil_core.hosted.tasks",
    "RejectedError": "nil_core.hosted.errors",
    "Response": "nil_core.hosted.responses",
    "ServiceError": "nil_core.hosted.errors",
    "State": "nil_core.hosted.tasks",
    "Status": "nil_core.hosted.tasks",
    "Ticket": "nil_core.hosted.tasks",
    "checked_prompt": "nil_core.hosted.limits",
    "choose_seconds": "nil_core.hosted.limits",
    "classify_http_error": "nil_core.hosted.responses",
    "data_uri": "nil_core.hosted.images",
    "mentions_moderation": "nil_core.hosted.responses",
    "png": "nil_core.hosted.images",
    "png_base64": "nil_core.hosted.images",
    "price_estimate": "nil_core.hosted.prices",
}

__getattr__ = lazy_names(__name__, _LAZY)

__all__ = [
    "Address",
    "Clock",
    "Connection",
    "ErrorKind",
    "ErrorResponse",
    "Estimate",
    "FalQueue",
    "HostedGenerator",
    "HostedOptions",
    "Order",
    "RejectedError",
    "Response",
    "ServiceError",
    "State",
    "Status",
    "Ticket",
    "checked_prompt",
    "choose_seconds",
    "classify_http_error",
    "data_uri",
    "mentions_moderation",
    "png",
    "png_base64",
    "price_estimate",
]
