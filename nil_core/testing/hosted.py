"""The contract of hosted generators: nothing paid is lost and nothing is paid twice, whatever the service does.

A plugin's test derives a :class:`nil_core.testing.vendor.Protocol` from its vendor's pages, and runs every check::

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
from nil_core.hosted.generator import HostedGenerator
from nil_core.hosted.troubles import NoAnswer, Refusal, Trouble, VendorError
from nil_core.storage.cache import cache_root
from nil_core.testing.vendor import Answer, Protocol, Vendor, after_taking, hangup, lost_answer
from nil_core.types import GenerationRequest, Video, no_progress

KILLED = """
import sys
from nil_core import registry
from nil_core.testing.hosted import hosted_request
from nil_core.types import no_progress
import json
name, options = sys.argv[1], json.loads(sys.argv[2])
registry.build("generator", name, options).generate(hosted_request(), no_progress)
"""


def hosted_request(**changes: Any) -> GenerationRequest:
    """A gray robot of two legs on blue, 64 x 64."""
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
    """A generator, its service on loopback, and time that passes only by sleeping.

    Args:
        name: of the generator.
        make: builds it from its options and a clock.
        options: beside ``base_url``.
        protocol: of the service.

    Attributes:
        slept: s, every pause.
        interrupted: the next pause is a Ctrl-C.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Any, Clock], HostedGenerator],
        options: Mapping[str, Any],
        protocol: Protocol,
    ) -> None:
        self.name, self.make, self.options = name, make, options
        self.time, self.slept = time.time(), list[float]()
        self.clock = Clock(lambda: self.time, self._sleep, lambda: 0.5)
        self.service = Vendor(protocol, lambda: self.time)
        self.interrupted = False

    def _sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        self.time += seconds

    @property
    def all_options(self) -> dict[str, Any]:
        """With the address of the service."""
        return {**self.options, "base_url": self.service.url}

    def generator(self) -> HostedGenerator:
        """A new one, as a new process would have."""
        return self.make(registry.options("generator", self.name, self.all_options), self.clock)

    def generate(self, **changes: Any) -> Video:
        """What a new process would get."""
        return self.generator().generate(hosted_request(**changes), no_progress)

    def failure(self, **changes: Any) -> NilError:
        """How that ends, if not well."""
        try:
            self.generate(**changes)
        except NilError as error:
            return error
        raise AssertionError("it went well")

    @property
    def paid(self) -> int:
        """Orders that the service took."""
        return len(self.service.tasks)

    def refuse(self, kind: str, **headers: str) -> Callable[[], Answer | None]:
        """A happening: the documented error."""
        answer = self.service.protocol.refusal(kind)
        answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda: answer

    def killed_while(self, reached: Callable[[], bool]) -> None:
        """Start the generator in a process of its own, and kill it (SIGKILL) when something is reached."""
        command = [sys.executable, "-c", KILLED, self.name, json.dumps(self.all_options)]
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE)
        while process.poll() is None and not reached():
            time.sleep(0.01)
        assert process.returncode is None, f"it ended by itself: {process.communicate()[1].decode()}"
        process.send_signal(signal.SIGKILL)
        process.communicate()


def kept_text() -> str:
    """Everything that is on disk of hosted generators, films apart."""
    files = [path for path in (cache_root() / "hosted").rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def check_all_well(bench: Bench) -> None:
    """Ordered once, delivered as asked, with its provenance; the second time nothing is asked of the service."""
    generator = bench.generator()
    assert not generator.estimate(hosted_request()).paid
    told: list[str] = []
    video = generator.generate(hosted_request(), lambda done, total, what: told.append(what))
    assert bench.paid == 1 and told
    assert abs(video.seconds - 2.5) <= 1.5 / video.fps, video.seconds
    left, top, side = video.crop_box or (0, 0, 0)
    corner = video.frames[0, int(top) + 2, int(left) + 2].astype(int)
    assert np.abs(corner - (20, 30, 200)).max() < 40, f"the first frame's background, not {corner}"
    legs = video.frames[0, int(top + 0.4 * side), int(left + 0.5 * side)].astype(int)
    assert np.abs(legs - (150, 140, 130)).max() < 40, f"the first frame's robot, not {legs}"
    facts = json.dumps(dict(video.facts), allow_nan=False)
    for known in (bench.service.tasks[0].id, hosted_request().prompt, "sha256", "cost", "seed"):
        assert known in facts, f"{known} is part of the provenance"
    asked = len(bench.service.requests)
    assert bench.generator().estimate(hosted_request()).paid
    assert (bench.generate().frames == video.frames).all()
    assert len(bench.service.requests) == asked and not bench.service.leaks
    assert bench.service.protocol.key not in kept_text() + facts


def check_another_seed_is_another_order(bench: Bench) -> None:
    """Also where the service takes no seed: who asks for another wants another video."""
    bench.generate()
    bench.generate(seed=1)
    assert bench.paid == 2


def check_wrong_key(bench: Bench) -> None:
    """Refused at once, the key not repeated, nothing noted; it works once the key does."""
    bench.service.order_faults.append(bench.refuse("key"))
    error = bench.failure()
    assert isinstance(error, Refusal) and error.trouble is Trouble.KEY and error.exit_code == 2
    assert bench.service.protocol.key not in str(error) and not bench.slept
    bench.generate()
    assert bench.paid == 1


def check_no_credit(bench: Bench) -> None:
    """Told from "slow down": no waiting."""
    bench.service.order_faults.append(bench.refuse("credit"))
    error = bench.failure()
    assert isinstance(error, Refusal) and error.trouble is Trouble.CREDIT and error.exit_code == 2, error
    assert not bench.slept and bench.paid == 0


def check_slow_down(bench: Bench) -> None:
    """Waited out: as long as the service says, else longer and longer."""
    bench.service.order_faults.extend([bench.refuse("slow down")] * 4)
    bench.service.order_faults.append(bench.refuse("slow down", Retry_After="77"))
    bench.generate()
    first = bench.slept[:5]
    assert bench.paid == 1 and first[:4] == sorted(set(first[:4])) and first[4] >= 77


def check_slow_down_until_the_deadline(bench: Bench) -> None:
    """In the end it is given up, and nothing was paid."""
    bench.service.order_faults.extend([bench.refuse("slow down", Retry_After="600")] * 9)
    error = bench.failure()
    assert isinstance(error, VendorError) and bench.paid == 0 and sum(bench.slept) <= 1800
    bench.service.order_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_server_errors(bench: Bench) -> None:
    """Waited out, before the order and while waiting."""
    bench.service.order_faults.extend([bench.refuse("busy")] * 2)
    bench.service.look_faults.extend([bench.refuse("busy"), bench.refuse("slow down"), hangup])
    bench.generate()
    assert bench.paid == 1


def check_server_that_only_fails(bench: Bench) -> None:
    """An order is not tried for ever."""
    bench.service.order_faults.extend([bench.refuse("busy")] * 50)
    error = bench.failure()
    assert isinstance(error, VendorError) and bench.paid == 0 and len(bench.service.order_faults) > 30


def check_failed_task(bench: Bench) -> None:
    """In the vendor's words; the next call is a new order, which asks for money."""
    bench.service.end = "failed"
    error = bench.failure()
    assert isinstance(error, VendorError) and "the GPU fell over" in str(error), error
    assert not bench.generator().estimate(hosted_request()).paid
    bench.service.end = "done"
    bench.generate()
    assert bench.paid == 2


def check_moderated_task(bench: Bench) -> None:
    """In the vendor's words; the same order is not made again."""
    bench.service.end = "moderated"
    for _ in range(2):
        error = bench.failure()
        assert isinstance(error, Refusal) and error.trouble is Trouble.MODERATED, error
        assert "safety" in str(error)
    assert bench.paid == 1


def check_moderated_order(bench: Bench) -> None:
    """Refused before it was taken."""
    bench.service.order_faults.append(bench.refuse("moderated"))
    error = bench.failure()
    assert isinstance(error, Refusal) and error.trouble is Trouble.MODERATED, error
    assert "safety" in str(error) and bench.paid == 0


def check_never_finishing(bench: Bench) -> None:
    """Given up at the deadline, and gone on with later."""
    bench.service.end = "never"
    error = bench.failure()
    assert isinstance(error, VendorError) and "1800" in error.message and error.exit_code == 1
    assert bench.generator().estimate(hosted_request()).paid
    bench.service.end = "done"
    bench.generate()
    assert bench.paid == 1


def check_interrupted(bench: Bench) -> None:
    """Ctrl-C while waiting; the same command goes on."""
    bench.interrupted = True
    with suppress(KeyboardInterrupt):
        bench.generate()
        raise AssertionError("it was not interrupted")
    bench.interrupted = False
    bench.generate()
    assert bench.paid == 1


def check_expired_address(bench: Bench) -> None:
    """A fresh one is asked for."""
    bench.service.file_faults.extend(["expired", "expired"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_broken_download(bench: Bench) -> None:
    """Gone on with where it broke off, not begun again."""
    bench.service.file_faults.extend(["cut", "reset"])
    bench.generate()
    whole = next((cache_root() / "hosted" / "videos").iterdir()).stat().st_size
    assert bench.paid == 1 and bench.service.served <= whole


def check_damaged_file(bench: Bench) -> None:
    """Looked at before it counts: half files, damaged ones and pages to sign in are fetched again."""
    bench.service.file_faults.extend(["short", "corrupt", "page"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_file_that_stays_damaged(bench: Bench) -> None:
    """Given up, but not forgotten: it is paid."""
    for fault, told in (("short", "damaged"), ("page", "text/html instead of a video")):
        bench.service.file_faults.extend([fault] * 50)
        error = bench.failure()
        assert isinstance(error, VendorError) and "paid" in error.hint and told in error.message, error
        bench.service.file_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_lost_file(bench: Bench) -> None:
    """The stored video is gone or damaged: it is fetched again, not paid again."""
    bench.generate()
    for damage in (Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:1000])):
        damage(next((cache_root() / "hosted" / "videos").iterdir()))
        bench.generate()
    assert bench.paid == 1


def check_lost_answer(bench: Bench) -> None:
    """The order was taken and nobody saw the answer: it is found again, or a person has to look; never paid twice."""
    bench.service.order_faults.append(lost_answer)
    if bench.generator().findable:
        bench.generate()
    else:
        for _ in range(2):
            error = bench.failure()
            assert isinstance(error, NoAnswer) and "rm " in error.hint, error
    assert bench.paid == 1


def check_killed_while_waiting(bench: Bench) -> None:
    """SIGKILL between order and download; the next process gets the same task's video."""
    bench.service.end = "never"
    bench.killed_while(lambda: bench.paid > 0 and bench.service.tasks[0].looks > 0)
    bench.service.end = "done"
    assert bench.generate().facts["task"] == bench.service.tasks[0].id
    assert bench.paid == 1


def check_killed_before_the_answer(bench: Bench) -> None:
    """SIGKILL between the order and its note."""
    bench.service.order_faults.append(after_taking(bench.service.hold))
    bench.killed_while(lambda: bench.paid > 0)
    with suppress(NoAnswer):
        assert bench.generate().facts["task"] == bench.service.tasks[0].id and bench.generator().findable
    assert bench.paid == 1


def check_key_repeated_by_the_service(bench: Bench) -> None:
    """A service that says which key was wrong does not make us say it."""
    key = bench.service.protocol.key
    answer = bench.service.protocol.refusal("key")
    said = json.loads(json.dumps(answer.body).replace("key", f"key {key}"))
    bench.service.order_faults.append(lambda: Answer(said, answer.status))
    error = bench.failure()
    assert key not in str(error) and key not in repr(error) and "***" in str(error), error


def check_no_key(bench: Bench, forget: Callable[[str], None]) -> None:
    """Said before anybody is asked for money, with the variable to set.

    Args:
        bench: the usual.
        forget: unsets an environment variable.
    """
    variables = [name for name in os.environ if os.environ[name] == bench.service.protocol.key]
    for name in variables:
        forget(name)
    for call in (bench.generator().estimate, lambda request: bench.generate()):
        try:
            call(hosted_request())
        except NilError as error:
            assert any(name in str(error) for name in variables) and error.exit_code == 2
        else:
            raise AssertionError("no key, and no complaint")
    assert not bench.service.requests


CHECKS: tuple[Callable[[Bench], None], ...] = (
    check_all_well,
    check_another_seed_is_another_order,
    check_wrong_key,
    check_no_credit,
    check_slow_down,
    check_slow_down_until_the_deadline,
    check_server_errors,
    check_server_that_only_fails,
    check_failed_task,
    check_moderated_task,
    check_moderated_order,
    check_never_finishing,
    check_interrupted,
    check_expired_address,
    check_broken_download,
    check_damaged_file,
    check_file_that_stays_damaged,
    check_lost_file,
    check_lost_answer,
    check_killed_while_waiting,
    check_killed_before_the_answer,
    check_key_repeated_by_the_service,
)
