"""A generator of a service beside a fake of that service, for the checks of their contract."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nil_core import registry
from nil_core.errors import NilError
from nil_core.hosted.clock import Clock
from nil_core.hosted.generator import HostedGenerator
from nil_core.storage.cache import cache_root
from nil_core.testing.fake_service import FakeProtocol, FakeResponse, FakeService
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

    def answer(self, body: bytes, status: int = 200, kind: str = "text/html") -> Callable[[], FakeResponse | None]:
        """A fault: a response that is no JSON."""
        return lambda: FakeResponse(body, status, {"Content-Type": kind})

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
