"""The contract of hosted generators on the command line: a paid run."""

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
    "motion.source": "none",
    "agent.batch_size": 16,  # soon remembered, so that something is learned from
}


def check_run(bench: Bench) -> None:
    """``nil run`` pays once and learns; ``nil generate`` then has the video; no key is in any file or output.

    The parent of the cache folder (``NIL_CACHE``) must belong to the test: it is written to, and searched for keys.
    """
    home = cache_root().parent
    code, output = nil(bench, "run", "--steps", "40", "--out", str(home / "run"), "--yes")
    assert code == 0 and "paying" in output, output
    assert bench.paid == 1 and not bench.service.leaked_keys
    metrics = json.loads((home / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert metrics["step"] == 40 and metrics["critic_loss"] > 0, metrics
    provenance = json.loads((home / "run" / "reference" / "provenance.json").read_text())
    assert provenance["generator"]["name"] == bench.name, provenance["generator"]
    assert provenance["video"]["facts"]["task"] == bench.service.tasks[0].id, provenance["video"]["facts"]
    assert provenance["first_frame"]["overlap"] > 0.5, "the robot must be where the first frame shows it"
    requests = len(bench.service.requests)
    code, second_output = nil(bench, "generate", "--out", str(home / "again"))
    assert code == 0 and "(from cache)" in second_output, second_output
    assert len(bench.service.requests) == requests, "a cached video needs no request"
    tokens = {request.headers.get("Authorization", "").rpartition(" ")[2] for request in bench.service.requests}
    files = [path for path in home.rglob("*") if path.is_file()]
    assert home / "run" / "config.toml" in files
    for secret in {bench.service.protocol.key, *tokens} - {""}:
        assert secret not in output + second_output, "a key is printed"
        leaking = [str(path) for path in files if secret.encode() in path.read_bytes()]
        assert not leaking, f"a key is in {', '.join(leaking)}"


def nil(bench: Bench, *words: str) -> tuple[int, str]:
    """Run a command with the generator in this process: its exit code, and everything printed and logged."""
    settings = {f"generator.{name}": value for name, value in bench.all_options.items()} | SMALL
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = ["nil", *words, "--preset", "smoke", "--generator", bench.name, *sets]
    code = 0
    with (
        captured_output() as output,
        patch.object(sys, "argv", command),
        patch("nil_core.hosted.generator.Clock", lambda: bench.clock),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, output.getvalue()


@contextmanager
def captured_output() -> Iterator[StringIO]:
    """Everything that is printed and logged in the block, at level DEBUG too."""
    output, log = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(output), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(output), redirect_stderr(output):
            yield output
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
