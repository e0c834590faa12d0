"""HTTP to one service: signs every request, waits when told to, and tells refusals apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx2

from nil_core.hosted.clock import Clock
from nil_core.hosted.troubles import PASSING, NoAnswer, Refusal, Trouble, VendorError, Verdict

TRIES = 6
"""Times that an order is sent to a service that fails; one that says "slow down" is asked until the deadline."""

TIMEOUT = httpx2.Timeout(30.0, read=120.0)  # s; orders carry an image

_POOR = re.compile(r"credit|balance|insufficient|quota|arrears|billing|top up", re.IGNORECASE)
_UNSEEMLY = re.compile(r"moderat|polic(y|ies)|safety|sensitive|prohibited|risk control", re.IGNORECASE)

HINTS = {
    Trouble.KEY: "check the key, and what it may do, at {page}",
    Trouble.TOKEN: "this computer's clock is wrong; set it",
    Trouble.CREDIT: "add credit at {page}; what is ordered and paid is kept",
    Trouble.MODERATED: "say it in other words (--prompt), or choose another generator",
    Trouble.INVALID: "change what it complains of; `nil plugins show {name}` lists the options",
    Trouble.MISSING: "check the model and the address; `nil plugins show {name}` lists the options",
}


@dataclass(frozen=True)
class Reply:
    """An answer, read.

    Attributes:
        status: of HTTP.
        body: the JSON object, else ``{}``.
        text: the whole text.
        headers: names in lower case.
    """

    status: int
    body: Mapping[str, Any]
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def find(self, *path: str | int) -> Any:
        """What lies at a path of keys and indices, None where there is nothing."""
        value: Any = self.body
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def need(self, *path: str | int) -> Any:
        """What lies at a path.

        Raises:
            NoAnswer: nothing does, so the service does not speak the protocol we know.
        """
        value = self.find(*path)
        if value is None:
            where = ".".join(map(str, path))
            raise NoAnswer(f"an answer of the service lacks {where}: {brief(self.text)}", "check generator.base_url")
        return value


def judge(reply: Reply, words: str) -> Verdict | None:
    """What HTTP's status means in most services; their words tell an empty account from too much haste.

    Args:
        reply: any.
        words: the service's explanation.
    """
    status = reply.status
    if status < 400:
        return None
    if status == 402 or (status in (400, 403, 429) and _POOR.search(words)):
        return Verdict(Trouble.CREDIT, words)
    if status in (400, 403, 422) and unseemly(words):
        return Verdict(Trouble.MODERATED, words)
    if status in (401, 403):
        return Verdict(Trouble.KEY, words)
    if status in (404, 410):
        return Verdict(Trouble.MISSING, words)
    if status == 429:
        return Verdict(Trouble.SLOW_DOWN, words)
    if status >= 500 or status == 408:
        return Verdict(Trouble.BUSY, words)
    return Verdict(Trouble.INVALID, words)


def unseemly(words: str) -> bool:
    """Whether a service's words speak of moderation; some have no other sign for it."""
    return bool(_UNSEEMLY.search(words))


class Connection:
    """Requests to one service, within one deadline.

    Args:
        name: of the generator, for what is said.
        page: where a person manages key and credit.
        base_url: what paths are appended to; only this host is ever sent the key.
        headers: makes the headers that carry the key, afresh for every request.
        judge: what an answer means: None for a success.
        resign: told the server's time (s since 1970) when it refuses a signed token as too old or too new.
        redact: takes keys out of a text.
        clock: time.
        seconds: how long to go on.
    """

    def __init__(
        self,
        name: str,
        page: str,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        judge: Callable[[Reply], Verdict | None],
        resign: Callable[[float], None],
        redact: Callable[[str], str],
        clock: Clock,
        seconds: float,
    ) -> None:
        self._name, self._page = name, page
        self._base = httpx2.URL(base_url.rstrip("/") + "/")
        self._headers, self._judge, self._resign, self._redact = headers, judge, resign, redact
        self._clock, self._seconds = clock, seconds
        self._end = clock.now() + seconds
        self._client = httpx2.Client(timeout=TIMEOUT)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def get(self, path: str) -> Reply:
        """Ask; a passing trouble is waited out until the deadline.

        Args:
            path: below the base URL, or a whole URL that the service gave.

        Raises:
            Refusal, VendorError: in the service's words.
        """
        return self._send("GET", path, None)

    def post(self, path: str, **content: Any) -> Reply:
        """Order; sent again only where it was certainly not taken.

        Args:
            path: as in :meth:`get`.
            content: ``json``, or ``data`` and ``files``, as httpx has them.

        Raises:
            Refusal, VendorError: in the service's words.
            NoAnswer: nobody knows whether it was taken.
        """
        return self._send("POST", path, TRIES, **content)

    def backoff(self) -> Iterator[float]:
        """Growing pauses, s."""
        return self._clock.backoff(1.0)

    def pause(self, seconds: float, why: str) -> None:
        """Sleep, unless that would pass the deadline.

        Raises:
            VendorError: it would.
        """
        if self._clock.now() + seconds > self._end:
            raise VendorError(
                f"{self._name} has not finished within generator.deadline={self._seconds:g} s ({why})",
                f"the same command goes on, paying nothing twice; or --set generator.deadline={2 * self._seconds:g}",
            )
        self._clock.sleep(seconds)

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """A file, piece by piece; the key goes along to the service's own host only."""
        target = self._base.join(url)
        keys = self._headers() if self._is_ours(target) else {}
        headers = {**keys, "Accept-Encoding": "identity", **headers}
        with self._client.stream("GET", target, headers=headers, follow_redirects=True) as response:
            yield response

    def _send(self, method: str, path: str, tries: int | None, **content: Any) -> Reply:
        backoff = self.backoff()
        signed_again = False
        failures = 0
        while True:
            reply, verdict = self._once(method, path, content)
            if verdict is None:
                return reply
            if verdict.trouble is Trouble.TOKEN and not signed_again and (now := _date(reply)) is not None:
                signed_again = True
                self._resign(now)
                continue
            failures += verdict.trouble is Trouble.BUSY
            if verdict.trouble not in PASSING or (tries is not None and failures >= tries):
                self._refuse(verdict)
            self.pause(max(next(backoff), _retry_after(reply, self._clock.now())), f"it says: {verdict.words}")

    def _once(self, method: str, path: str, content: dict[str, Any]) -> tuple[Reply, Verdict | None]:
        target = self._base.join(path)
        headers = dict(self._headers()) if self._is_ours(target) else {}
        try:
            response = self._client.request(method, target, headers=headers, **content)
        except httpx2.TransportError as error:
            words = f"{type(error).__name__}: {self._redact(str(error))}"
            if method != "GET" and not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise NoAnswer(f"{self._name} gave no answer to the order ({words})") from None
            return Reply(0, {}), Verdict(Trouble.BUSY, words)
        reply = _read(response)
        verdict = self._judge(reply)
        if verdict is not None:
            verdict = Verdict(verdict.trouble, brief(self._redact(verdict.words)) or f"HTTP {reply.status}")
        return reply, verdict

    def _refuse(self, verdict: Verdict) -> NoReturn:
        trouble, words = verdict.trouble, verdict.words
        if trouble in PASSING:
            raise VendorError(f"{self._name} fails: {words}", "nothing was ordered, nothing was paid; try again later")
        hint = HINTS[trouble].format(page=self._page, name=self._name)
        raise Refusal(f"{self._name} refuses ({trouble}): {words}", hint, trouble, words)

    def _is_ours(self, url: httpx2.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)


def brief(text: str) -> str:
    """One line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def _read(response: httpx2.Response) -> Reply:
    try:
        body = response.json()
    except ValueError:
        body = {}
    return Reply(
        response.status_code, body if isinstance(body, dict) else {"list": body}, response.text, dict(response.headers)
    )


def _date(reply: Reply) -> float | None:
    return _timestamp(reply.headers.get("date", ""))


def _retry_after(reply: Reply, now: float) -> float:
    """Seconds that the service asks for, 0 where it does not: a number, or a date (RFC 9110, section 10.2.3)."""
    value = reply.headers.get("retry-after", "")
    if value.strip().isdecimal():
        return float(value)
    moment = _timestamp(value)
    return max(0.0, moment - now) if moment is not None else 0.0


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
