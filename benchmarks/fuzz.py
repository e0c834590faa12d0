"""Feeds nil damaged files and answers: every case must end in success, or in an error that speaks to a person.

    python benchmarks/fuzz.py [--minutes 10] [--seed 0] [--kinds mjcf,video] [--processes 1]
    python benchmarks/fuzz.py --kinds mjcf --seed 0 --case 17       # one case again, with its traceback

Inputs are whole ones with small damages, drawn from ``seed/kind/case``: MJCF, URDF, npz (recordings, references,
checkpoints), the small files of runs, TOML, videos, and the answers of a hosted service. ``properties`` are the tests
of hypothesis, with other examples than ``make test`` has. nil runs in a process of its own, whose memory is limited. A
failure is a traceback of another kind than NilError, a message that is not one line, a hang, a crash, or a file half
written. It is stored under ``--failures``: the input, and ``why.txt`` with the line that repeats it. Prints a Markdown
table; leaves with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

KINDS = ("mjcf", "urdf", "recording", "reference", "checkpoint", "run", "config", "video", "service")
PROPERTIES = "properties"
MEMORY = 6 * 2**30  # bytes of data that a process may have
START_SECONDS = 600.0  # for the imports and the whole inputs
ROOT = Path(__file__).parents[1]


@dataclass
class Outcomes:
    """Number of cases of a kind by their end, and the seconds they took."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join((*KINDS, PROPERTIES)), help="default: all")
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which a case hangs")
    parser.add_argument("--failures", type=Path, default=Path("runs/fuzz"), help="where failures are stored")
    chosen = parser.parse_args()
    kinds = chosen.kinds.split(",")
    if unknown := set(kinds) - {*KINDS, PROPERTIES}:
        parser.error(f"no kind is called {', '.join(sorted(unknown))}; kinds: {', '.join((*KINDS, PROPERTIES))}")
    outcomes = {kind: Outcomes() for kind in kinds}
    share = 60 * chosen.minutes / len(kinds)
    if PROPERTIES in kinds:
        search_properties(chosen.seed, time.monotonic() + share, outcomes[PROPERTIES])
    damaged = [kind for kind in kinds if kind != PROPERTIES]
    with tempfile.TemporaryDirectory() as home:
        fuzz(chosen, damaged, outcomes, share * len(damaged), Path(home))
    print("\n| kind | cases | success | refused | failures | seconds |\n| --- | --- | --- | --- | --- | --- |")
    for kind, found in outcomes.items():
        good, refused, cases = found.counts["success"], found.counts["refused"], found.counts.total()
        print(f"| {kind} | {cases} | {good} | {refused} | {cases - good - refused} | {found.seconds:.0f} |")
    sys.exit(any(set(found.counts) - {"success", "refused"} for found in outcomes.values()))


def fuzz(
    chosen: argparse.Namespace, kinds: list[str], outcomes: dict[str, Outcomes], seconds: float, home: Path
) -> None:
    """Spread cases over processes, each kind in turn, for so many seconds after the start."""
    if not kinds:
        return
    cases = ((kind, number) for number in itertools.count() for kind in kinds)
    if chosen.case is not None:
        cases = ((kind, chosen.case) for kind in kinds)
    workers = [Worker(home / str(i), chosen.patience, kinds) for i in range(chosen.processes)]
    ends, last = time.monotonic() + seconds, time.monotonic()
    try:
        while time.monotonic() < ends or chosen.case is not None:
            busy = [(worker, *case) for worker, case in zip(workers, cases, strict=False)]
            if not busy:
                break
            for worker, kind, number in busy:
                worker.begin(kind, chosen.seed, number)
            for worker, kind, number in busy:
                end, why, seconds = worker.finish()
                outcomes[kind].counts[end] += 1
                outcomes[kind].seconds += seconds
                if end not in ("success", "refused"):
                    store(chosen.failures, worker.folder, kind, chosen.seed, number, why)
                if chosen.case is not None:
                    print(f"{kind} {number}: {end}\n{why}")
            if time.monotonic() > last + 30:
                last = time.monotonic()
                print(" ".join(f"{kind}:{found.counts.total()}" for kind, found in outcomes.items()), flush=True)
    finally:
        for worker in workers:
            worker.stop()


def store(failures: Path, folder: Path, kind: str, seed: int, number: int, why: str) -> None:
    """Keep the input of a failure, and how to repeat it."""
    where = failures / f"{kind}-{seed}-{number}"
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(folder, where, ignore=shutil.ignore_patterns("cache", "out"))
    line = f"python benchmarks/fuzz.py --kinds {kind} --seed {seed} --case {number}"
    (where / "why.txt").write_text(f"{line}\n\n{why}\n", encoding="utf-8", errors="replace")
    print(f"FAILED {line}   ({where}): {why.strip().splitlines()[-1][:200]}", flush=True)


class Worker:
    """A process that runs cases, one at a time; replaced when it dies or hangs.

    Args:
        home: its folder.
        patience: seconds for a case.
        kinds: that will be run.
    """

    def __init__(self, home: Path, patience: float, kinds: list[str]) -> None:
        self._home, self._patience, self._kinds = home, patience, kinds
        self.folder = home / "case"
        self._process: multiprocessing.process.BaseProcess | None = None
        self._began = 0.0
        self._start()

    def begin(self, kind: str, seed: int, number: int) -> None:
        """Start a case."""
        if self._process is None:
            self._start()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._began = time.monotonic()
        self._pipe.send((kind, seed, number, self.folder))

    def finish(self) -> tuple[str, str, float]:
        """How the case ended, why, and after how many seconds."""
        assert self._process is not None
        end, why = "hang", f"no answer for {self._patience:.0f} s"
        if self._pipe.poll(self._patience):
            try:
                end, why = self._pipe.recv()
            except EOFError:
                self._process.join()
                end, why = "crash", f"the process died: exit code {self._process.exitcode}"
        if end in ("hang", "crash"):
            self.stop()
        return end, why, time.monotonic() - self._began

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._home.mkdir(parents=True, exist_ok=True)
        self._process = context.Process(target=run_cases, args=(theirs, self._home, self._kinds), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_SECONDS):
            sys.exit("the process that runs cases does not start")
        with contextlib.suppress(EOFError):
            self._pipe.recv()
            return
        sys.exit(f"the process that runs cases fails to start:\n{(self._home / 'printed.txt').read_text()}")


def run_cases(pipe: Connection, home: Path, kinds: list[str]) -> None:
    """Run cases until the pipe is closed; what they print goes to a file."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with open(home / "printed.txt", "w") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    os.environ["NIL_CACHE"] = str(home / "cache")
    from fuzz_targets import TARGETS

    targets = {}
    for kind in kinds:
        shutil.rmtree(home / kind, ignore_errors=True)
        (home / kind).mkdir()
        targets[kind] = TARGETS[kind](home / kind)
    pipe.send("ready")
    with contextlib.suppress(EOFError):
        while True:
            kind, seed, number, folder = pipe.recv()
            os.environ["NIL_CACHE"] = str(home / "cache")
            targets[kind].damage(random.Random(f"{seed}/{kind}/{number}"), folder)
            pipe.send(outcome(targets[kind], folder))


def outcome(target: object, folder: Path) -> tuple[str, str]:
    """How nil took a damaged input."""
    from nil_core.errors import NilError

    try:
        target.drive(folder)  # type: ignore[attr-defined]
        target.check_output(folder)  # type: ignore[attr-defined]
    except NilError as error:
        text = f"{type(error).__name__}: {error.message}\n{error.hint}"
        if error.exit_code not in target.codes or "\n" in error.message + error.hint or not error.message.strip():  # type: ignore[attr-defined]
            return "unclear", text
        if (folder / "out").exists():
            return "half-written", f"{text}\nout exists"
        end = "refused", text
    except BaseException:
        return "traceback", traceback.format_exc()
    else:
        end = "success", ""
    if left := [str(path) for path in folder.rglob("*.tmp*")]:
        return "half-written", ", ".join(left)
    return end


def search_properties(seed: int, ends: float, found: Outcomes) -> None:
    """Run the tests of hypothesis with seeds of their own; a failure prints the seed and the example that repeat it."""
    began = time.monotonic()
    files = sorted(
        path.relative_to(ROOT).as_posix()
        for pattern in ("tests/**/test_*.py", "plugins/*/*/tests/test_*.py")
        for path in ROOT.glob(pattern)
        if "@given" in path.read_text(encoding="utf-8")
    )
    random.Random(seed).shuffle(files)
    for number in itertools.count():
        for file in files:
            if time.monotonic() > ends:
                found.seconds = time.monotonic() - began
                return
            chosen = ["--hypothesis-profile=wide", f"--hypothesis-seed={seed + number}", "-n", "0", "-m", "hypothesis"]
            command = [sys.executable, "-m", "pytest", "-q", file, *chosen]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            found.counts["success" if done.returncode in (0, 5) else "failed"] += 1
            if done.returncode not in (0, 5):
                print(f"FAILED {' '.join(['python', *command[1:]])}\n{done.stdout[-3000:]}", flush=True)


if __name__ == "__main__":
    main()
