"""What becomes of a task that is paid: failed, slow, interrupted, or of an order without a response."""

from __future__ import annotations

from contextlib import suppress
from unittest.mock import patch

from nil_core.hosted.errors import ErrorKind, NoResponseError, RejectedError, ServiceError
from nil_core.testing.fake_service import accept_and_drop, after_accepting
from nil_core.testing.hosted.bench import Bench, hosted_request


def check_failed_task(bench: Bench) -> None:
    """With the service's message; the next call is a new order, which costs money."""
    bench.service.end = "failed"
    error = bench.failure()
    assert isinstance(error, ServiceError) and "the GPU fell over" in str(error), error
    assert not bench.generator().estimate(hosted_request()).paid
    bench.service.end = "done"
    bench.generate()
    assert bench.paid == 2


def check_moderated_task(bench: Bench) -> None:
    """With the service's message; the same order is not sent again."""
    bench.service.end = "moderated"
    for _ in range(2):
        error = bench.failure()
        assert isinstance(error, RejectedError) and error.kind is ErrorKind.MODERATED, error
        assert "safety" in str(error)
    assert bench.paid == 1


def check_deadline(bench: Bench) -> None:
    """A task that never finishes fails at the deadline, and a later call continues it."""
    bench.service.end = "never"
    error = bench.failure()
    assert isinstance(error, ServiceError) and "1800" in error.message and error.exit_code == 1
    assert bench.generator().estimate(hosted_request()).paid
    bench.service.end = "done"
    bench.generate()
    assert bench.paid == 1


def check_interrupted(bench: Bench) -> None:
    """Ctrl-C while connecting, before the order is accepted, while waiting for its task; the same command continues."""
    with patch("socket.create_connection", side_effect=KeyboardInterrupt), suppress(KeyboardInterrupt):
        bench.generate()
        raise AssertionError("it was not interrupted")
    bench.service.order_faults.append(bench.error_response("rate limit"))
    bench.interrupt_next_sleep = True
    for paid in (0, 1):
        with suppress(KeyboardInterrupt):
            bench.generate()
            raise AssertionError("it was not interrupted")
        assert bench.paid == paid
    bench.interrupt_next_sleep = False
    bench.generate()
    assert bench.paid == 1


def check_lost_response(bench: Bench) -> None:
    """The order was accepted, the response lost: the task is found, or a person must look; never paid twice."""
    bench.service.order_faults.append(accept_and_drop)
    if bench.generator().findable:
        bench.generate()
    else:
        for _ in range(2):
            error = bench.failure()
            assert isinstance(error, NoResponseError) and "rm " in error.hint, error
    assert bench.paid == 1


def check_killed_while_waiting(bench: Bench) -> None:
    """SIGKILL between order and download; the next process gets the same task's video."""
    bench.service.end = "never"
    bench.kill_when(lambda: bench.paid > 0 and bench.service.tasks[0].polls > 0)
    bench.service.end = "done"
    assert bench.generate().facts["task"] == bench.service.tasks[0].id
    assert bench.paid == 1


def check_killed_before_response(bench: Bench) -> None:
    """SIGKILL between the order and the response."""
    bench.service.order_faults.append(after_accepting(bench.service.hold))
    bench.kill_when(lambda: bench.paid > 0)
    with suppress(NoResponseError):
        assert bench.generate().facts["task"] == bench.service.tasks[0].id and bench.generator().findable
    assert bench.paid == 1
