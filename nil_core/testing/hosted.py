"""The contract of hosted generators: nothing paid is lost or paid twice, whatever the service does.

A plugin's test implements a :class:`nil_core.testing.fake_service.FakeProtocol` as the service documents it, and runs
every check::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, bench):
        check(bench)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from nil_core import registry
from nil_core.errors import NilError
from nil_core.hosted.clock import Clock
from nil_core.hosted.errors import ErrorKind, NoResponseError, RejectedError, ServiceError
from nil_core.hosted.generator import HostedGenerator
from nil_core.storage.cache import cache_root
from nil_core.testing.fake_service import (
    FakeProtocol,
    FakeResponse,
    FakeService,
    accept_and_drop,
    after_accepting,
    drop_connection,
)
from nil_core.types import GenerationRequest, Video, no_progress

GENERATE_SCRIPT = """
import sys
from nil_core import registry
from nil_core.testing.hosted import hosted_request
from nil_core.types import no_progress
import json
name, options = sys.argv[1], json.loads(sys.argv[2])
registry.build("generator", name, options).generate(hosted_request(), no_progress)
"""


def hosted_request(**changes: Any) -> GenerationRequest:
    """A gray robot with two legs on blue, 64 x 64."""
    mask = np.zeros((64, 64), np.bool_)
    mask[16:40, 24:40] = mask[40:56, 24:28] = mask[40:56, 36:40] = True
    frame = np.where(mask[..., None], np.array([150, 140, 130], np.uint8), np.array([20, 30, 200], np.uint8))
    values: dict[str, Any] = {
        "prompt": "The Unitree A1 agent is walking, camera follows.",
        "skill": "walking",
        "first_frame": frame,
        "first_mask": mask,
        "fps": 25.0,
        "seconds": 2.5,
        "seed": 0,
        "background": (20, 30, 200),
    }
    return GenerationRequest(**(values | changes))


class Bench:
    """A test bench: a generator, its fake service on this machine, and a clock that only sleeping advances.

    Args:
        name: of the generator.
        make: builds it from its options and a clock.
        options: without ``base_url``.
        protocol: of the service.

    Attributes:
        slept: every pause, s.
        interrupt_next_sleep: whether the next pause raises KeyboardInterrupt.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Any, Clock], HostedGenerator],
        options: Mapping[str, Any],
        protocol: FakeProtocol,
    ) -> None:
        self.name, self.make, self.options = name, make, options
        self.time, self.slept = time.time(), list[float]()
        self.clock = Clock(lambda: self.time, self._sleep, lambda: 0.5)
        self.service = FakeService(protocol, lambda: self.time)
        self.interrupt_next_sleep = False

    def _sleep(self, seconds: float) -> None:
        if self.interrupt_next_sleep:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        self.time += seconds

    @property
    def all_options(self) -> dict[str, Any]:
        """The options with the URL of the service."""
        return {**self.options, "base_url": self.service.url}

    def generator(self) -> HostedGenerator:
        """A new generator, as in a new process."""
        return self.make(registry.options("generator", self.name, self.all_options), self.clock)

    def generate(self, **changes: Any) -> Video:
        """The video that a new process would get."""
        return self.generator().generate(hosted_request(**changes), no_progress)

    def failure(self, **changes: Any) -> NilError:
        """The error of :meth:`generate`, which must fail."""
        try:
            self.generate(**changes)
        except NilError as error:
            return error
        raise AssertionError("it did not fail")

    @property
    def paid(self) -> int:
        """Number of orders that the service accepted."""
        return len(self.service.tasks)

    def error_response(self, kind: str, **headers: str) -> Callable[[], FakeResponse | None]:
        """A fault: the documented error."""
        response = self.service.protocol.error_response(kind)
        response.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda: response

    def kill_when(self, condition: Callable[[], bool]) -> None:
        """Start the generator in a subprocess, and send it SIGKILL when a condition holds."""
        command = [sys.executable, "-c", GENERATE_SCRIPT, self.name, json.dumps(self.all_options)]
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE)
        while process.poll() is None and not condition():
            time.sleep(0.01)
        assert process.returncode is None, f"it ended by itself: {process.communicate()[1].decode()}"
        process.send_signal(signal.SIGKILL)
        process.communicate()


def stored_text() -> str:
    """The text of all files that hosted generators stored."""
    files = [path for path in (cache_root() / "hosted").rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def check_success(bench: Bench) -> None:
    """Ordered once, delivered as requested, with its provenance; the second time without any request."""
    generator = bench.generator()
    assert not generator.estimate(hosted_request()).paid
    progress_texts: list[str] = []
    video = generator.generate(hosted_request(), lambda done, total, what: progress_texts.append(what))
    assert bench.paid == 1 and progress_texts
    assert abs(video.seconds - 2.5) <= 1.5 / video.fps, video.seconds
    left, top, side = video.crop_box or (0, 0, 0)
    corner = video.frames[0, int(top) + 2, int(left) + 2].astype(int)
    assert np.abs(corner - (20, 30, 200)).max() < 40, f"the first frame's background, not {corner}"
    legs = video.frames[0, int(top + 0.4 * side), int(left + 0.5 * side)].astype(int)
    assert np.abs(legs - (150, 140, 130)).max() < 40, f"the first frame's robot, not {legs}"
    facts = json.dumps(dict(video.facts), allow_nan=False)
    for expected in (bench.service.tasks[0].id, hosted_request().prompt, "sha256", "cost", "seed"):
        assert expected in facts, f"{expected} is part of the provenance"
    requests = len(bench.service.requests)
    assert bench.generator().estimate(hosted_request()).paid
    assert (bench.generate().frames == video.frames).all()
    assert len(bench.service.requests) == requests and not bench.service.leaked_keys
    assert bench.service.protocol.key not in stored_text() + facts


def check_another_seed_is_another_order(bench: Bench) -> None:
    """Also if the service takes no seed: another seed must give another video."""
    bench.generate()
    bench.generate(seed=1)
    assert bench.paid == 2


def check_wrong_key(bench: Bench) -> None:
    """Rejected at once, without the key in the message and without a record; it works with a valid key."""
    bench.service.order_faults.append(bench.error_response("key"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.KEY and error.exit_code == 2
    assert bench.service.protocol.key not in str(error) and not bench.slept
    bench.generate()
    assert bench.paid == 1


def check_no_credit(bench: Bench) -> None:
    """Distinguished from a rate limit: no waiting."""
    bench.service.order_faults.append(bench.error_response("credit"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.CREDIT and error.exit_code == 2, error
    assert not bench.slept and bench.paid == 0


def check_rate_limit(bench: Bench) -> None:
    """Waited out: as long as the service says, else with growing pauses."""
    bench.service.order_faults.extend([bench.error_response("rate limit")] * 4)
    bench.service.order_faults.append(bench.error_response("rate limit", Retry_After="77"))
    bench.generate()
    first = bench.slept[:5]
    assert bench.paid == 1 and first[:4] == sorted(set(first[:4])) and first[4] >= 77


def check_rate_limit_until_deadline(bench: Bench) -> None:
    """It fails at the deadline, and nothing was paid."""
    bench.service.order_faults.extend([bench.error_response("rate limit", Retry_After="600")] * 9)
    error = bench.failure()
    assert isinstance(error, ServiceError) and bench.paid == 0 and sum(bench.slept) <= 1800
    bench.service.order_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_server_errors(bench: Bench) -> None:
    """Waited out, before the order and while polling."""
    bench.service.order_faults.extend([bench.error_response("unavailable")] * 2)
    bench.service.poll_faults.extend(
        [bench.error_response("unavailable"), bench.error_response("rate limit"), drop_connection]
    )
    bench.generate()
    assert bench.paid == 1


def check_permanent_server_error(bench: Bench) -> None:
    """An order is not repeated forever."""
    bench.service.order_faults.extend([bench.error_response("unavailable")] * 50)
    error = bench.failure()
    assert isinstance(error, ServiceError) and bench.paid == 0 and len(bench.service.order_faults) > 30


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


def check_moderated_order(bench: Bench) -> None:
    """Rejected before it was accepted."""
    bench.service.order_faults.append(bench.error_response("moderated"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.MODERATED, error
    assert "safety" in str(error) and bench.paid == 0


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
    """Ctrl-C while waiting; the same command continues."""
    bench.interrupt_next_sleep = True
    with suppress(KeyboardInterrupt):
        bench.generate()
        raise AssertionError("it was not interrupted")
    bench.interrupt_next_sleep = False
    bench.generate()
    assert bench.paid == 1


def check_expired_url(bench: Bench) -> None:
    """A new URL is requested."""
    bench.service.file_faults.extend(["expired", "expired"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_interrupted_download(bench: Bench) -> None:
    """Resumed, not started again."""
    bench.service.file_faults.extend(["cut", "reset"])
    bench.generate()
    whole = next((cache_root() / "hosted" / "videos").iterdir()).stat().st_size
    assert bench.paid == 1 and bench.service.bytes_sent <= whole


def check_damaged_file(bench: Bench) -> None:
    """Checked before it is stored: truncated files, damaged ones and login pages are downloaded again."""
    bench.service.file_faults.extend(["short", "corrupt", "page"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_permanently_damaged_file(bench: Bench) -> None:
    """It fails, but the record is kept: it is paid."""
    for fault, message in (("short", "damaged"), ("page", "text/html instead of a video")):
        bench.service.file_faults.extend([fault] * 50)
        error = bench.failure()
        assert isinstance(error, ServiceError) and "paid" in error.hint and message in error.message, error
        bench.service.file_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_lost_file(bench: Bench) -> None:
    """The stored video is gone or damaged: it is downloaded again, not paid again."""
    bench.generate()
    for damage in (Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:1000])):
        damage(next((cache_root() / "hosted" / "videos").iterdir()))
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


def check_key_echoed_by_service(bench: Bench) -> None:
    """The key in a message of the service is not shown."""
    key = bench.service.protocol.key
    response = bench.service.protocol.error_response("key")
    body = json.loads(json.dumps(response.body).replace("key", f"key {key}"))
    bench.service.order_faults.append(lambda: FakeResponse(body, response.status))
    error = bench.failure()
    assert key not in str(error) and key not in repr(error) and "***" in str(error), error


def check_no_key(bench: Bench, unset: Callable[[str], None]) -> None:
    """Reported before anything is paid, with the variable to set.

    Args:
        bench: of the generator.
        unset: unsets an environment variable.
    """
    variables = [name for name in os.environ if os.environ[name] == bench.service.protocol.key]
    for name in variables:
        unset(name)
    for call in (bench.generator().estimate, lambda request: bench.generate()):
        try:
            call(hosted_request())
        except NilError as error:
            assert any(name in str(error) for name in variables) and error.exit_code == 2
        else:
            raise AssertionError("no key, and no error")
    assert not bench.service.requests


CHECKS: tuple[Callable[[Bench], None], ...] = (
    check_success,
    check_another_seed_is_another_order,
    check_wrong_key,
    check_no_credit,
    check_rate_limit,
    check_rate_limit_until_deadline,
    check_server_errors,
    check_permanent_server_error,
    check_failed_task,
    check_moderated_task,
    check_moderated_order,
    check_deadline,
    check_interrupted,
    check_expired_url,
    check_interrupted_download,
    check_damaged_file,
    check_permanently_damaged_file,
    check_lost_file,
    check_lost_response,
    check_killed_while_waiting,
    check_killed_before_response,
    check_key_echoed_by_service,
)
