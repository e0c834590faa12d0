"""The contract of hosted generators as a user meets it: a run paid for on the command line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from nil_core.cli.main import main
from nil_core.storage.cache import cache_root
from nil_core.testing.hosted import Bench

SMALL = {
    "video.first_frame_size": 64,
    "simulation.workers": 0,
    "training.eval_every": 0,
    "agent.batch": 16,  # soon remembered, so that something is learned from
}


def check_run(bench: Bench) -> None:
    """``nil run`` pays once and learns; ``nil generate`` then has the video; no key is in what is written or said.

    The folder around the cache (``NIL_CACHE``) must be the test's own: it is written to, and searched for keys.
    """
    home = cache_root().parent
    code, said = nil(bench, "run", "--steps", "40", "--out", str(home / "run"), "--yes")
    assert code == 0 and "paying" in said, said
    assert bench.paid == 1 and not bench.service.leaks
    learned = json.loads((home / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert learned["step"] == 40 and learned["critic_loss"] > 0, learned
    made = json.loads((home / "run" / "reference" / "provenance.json").read_text())
    assert made["generator"]["name"] == bench.name, made["generator"]
    assert made["video"]["facts"]["task"] == bench.service.tasks[0].id, made["video"]["facts"]
    assert made["first_frame"]["overlap"] > 0.5, "the robot lies where the first frame showed it"
    asked = len(bench.service.requests)
    code, said_again = nil(bench, "generate", "--out", str(home / "again"))
    assert code == 0 and "(from cache)" in said_again, said_again
    assert len(bench.service.requests) == asked, "what is in the cache is asked of nobody"
    sent = {call.headers.get("Authorization", "").rpartition(" ")[2] for call in bench.service.requests}
    files = [path for path in home.rglob("*") if path.is_file()]
    assert home / "run" / "config.toml" in files
    for secret in {bench.service.protocol.key, *sent} - {""}:
        assert secret not in said + said_again, "a key is said"
        telling = [str(path) for path in files if secret.encode() in path.read_bytes()]
        assert not telling, f"a key is in {', '.join(telling)}"


def nil(bench: Bench, *words: str) -> tuple[int, str]:
    """A command line about the generator, in this process: its exit code, and all that was said and logged."""
    settings = {f"generator.{name}": value for name, value in bench.all_options.items()} | SMALL
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = ["nil", *words, "--preset", "smoke", "--generator", bench.name, *sets]
    code = 0
    with (
        overheard() as said,
        patch.object(sys, "argv", command),
        patch("nil_core.hosted.generator.Clock", lambda: bench.clock),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue()


@contextmanager
def overheard() -> Iterator[StringIO]:
    """What is printed and logged meanwhile, debugging included."""
    said, log = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            yield said
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
