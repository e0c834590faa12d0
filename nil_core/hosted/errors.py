"""Errors of hosted services: how their responses are classified, and the exceptions that a person sees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nil_core.errors import NilError


class ErrorKind(StrEnum):
    """What an error response means. Services use one HTTP status for several of these."""

    KEY = "key"  # the key is wrong, or has no permission
    TOKEN = "token"  # the signed token is too old or too new: sign again
    CREDIT = "credit"  # the account is empty: waiting does not help
    RATE_LIMIT = "rate limit"  # too many requests or tasks: waiting helps
    UNAVAILABLE = "unavailable"  # a failure of the service: waiting may help
    MODERATED = "moderated"  # refused because of the content
    INVALID_REQUEST = "invalid request"  # the request is wrong
    NOT_FOUND = "not found"  # it does not exist, or no longer
    REDIRECTED = "redirected"  # sent on to an address that is not followed
    PROXY = "proxy"  # refused on the way: the proxy wants a user and password, or does not reach the service
    OTHER_SERVER = "another server answers"  # a proxy, or the login page of a network
    CERTIFICATE = "certificate"  # the host cannot prove that it is the service


RETRYABLE = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.UNAVAILABLE})
"""Errors that may end by waiting."""


@dataclass(frozen=True)
class ErrorResponse:
    """A classified error response.

    Attributes:
        kind: what it means.
        message: the service's explanation.
    """

    kind: ErrorKind
    message: str


class ServiceError(NilError):
    """A hosted service failed, or has not finished. Not the user's mistake: exit code 1."""

    exit_code = 1


class RejectedError(NilError):
    """A hosted service rejected a request, for a reason that the user can mend.

    Attributes:
        kind: the reason.
        service_message: the service's explanation.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        kind: ErrorKind = ErrorKind.INVALID_REQUEST,
        service_message: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.service_message = service_message


class NoResponseError(ServiceError):
    """No response came, or none that can be read: an order may have been accepted, and paid."""
