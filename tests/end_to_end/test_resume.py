"""A run that was killed, interrupted or extended writes the very bytes of one that was not."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_core.config import resolve
from nil_core.experiment.run import run
from nil_core.hooks import Hooks
from nil_core.reporting import Silent

LEARNING = [
    *("--preset", "smoke", "--steps", "300", "--set", "training.log_every=10", "--set", "training.eval_every=150"),
    *("--set", "training.checkpoint_every=50", "--set", "agent.learning_starts=60", "--set", "agent.batch_size=16"),
    *("--set", "simulation.workers=2", "--set", "simulation.num_envs=3"),
]

HOOK = """
import multiprocessing, os, signal
from multiprocessing import connection
import pluggy

hookimpl = pluggy.HookimplMarker("nil")
orders = [order.split(":") for order in os.environ.get("TEST_SIGNAL", "").split(",") if order]
orders = [(int(step), int(number), name) for step, number, name in orders]

@hookimpl
def metrics(step, values):
    while orders and step >= orders[0][0]:
        _, number, name = orders.pop(0)
        if number == signal.SIGINT:
            os.killpg(0, number)
        elif not name:
            os.kill(os.getpid(), number)
        else:
            from nil_core.sim import worker_process
            worker_process.wait = wait_unless_stopped
            os.kill(next(c.pid for c in multiprocessing.active_children() if c.name == name), number)

def wait_unless_stopped(ends, seconds):  # a busy machine makes a process slow, which is no reason to replace it
    while not (ready := connection.wait(ends, 0.05)):
        number = next(c.pid for c in multiprocessing.active_children() if c.sentinel in ends)
        if os.waitid(os.P_PID, number, os.WSTOPPED | os.WNOHANG | os.WNOWAIT):
            return []
    return ready
"""
"""Orders ``step:signal:name``. Ctrl-C reaches every process in the terminal's group, a kill only the one it names."""


@pytest.fixture(scope="module")
def signalling(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    site.add("nil-hook-signal", "[nil.hooks]\nsignal = signal_hook\n", signal_hook=HOOK)
    folder: Path = site.install()
    return folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In one process, which is faster: the runs in several must write the same bytes."""
    sets = [word for word in LEARNING if "=" in word] + ["simulation.workers=0"]
    config = resolve("smoke", options={"steps": 300}, sets=sets).config
    return run(config, tmp_path_factory.mktemp("unbroken") / "run", reporter=Silent(), hooks=Hooks()).folder


@pytest.fixture(scope="module")
def killed(
    tmp_path_factory: pytest.TempPathFactory, signalling: Path, nil_process: Callable[..., Any]
) -> tuple[Path, int]:
    """A run killed at step 170, between two checkpoints, and its exit code."""
    home, order = tmp_path_factory.mktemp("killed"), f"170:{signal.SIGKILL}:"
    outcome = nil_process("run", *LEARNING, "--out", "run", cwd=home, path=[signalling], TEST_SIGNAL=order)
    return home / "run", outcome.code


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_workers(folder: str | Path) -> Path:
    """The numbers are the same, and the tests are faster. Nothing changes where there are none already."""
    config = Path(folder) / "config.toml"
    config.write_text(config.read_text().replace("workers = 2", "workers = 0"))
    return config.parent


def assert_the_same(folder: Path, unbroken: Path) -> None:
    assert (folder / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes()
    agents = [f / "checkpoints/step-000000300/agent/state.safetensors" for f in (folder, unbroken)]
    assert agents[0].read_bytes() == agents[1].read_bytes(), "the weights are the same too"
    summaries = [json.loads((f / "summary.json").read_text())["policies"] for f in (folder, unbroken)]
    assert summaries[0] == summaries[1]


def test_it_learned_something_that_could_differ(unbroken: Path) -> None:
    rows = [row for row in metrics(unbroken) if row["kind"] == "train"]
    assert [row["step"] for row in rows] == [-(-step // 3) * 3 for step in range(10, 301, 10)], "three at once"
    assert "critic_loss" in rows[-1] and rows[-1]["critic_loss"] != rows[-2]["critic_loss"]
    assert (unbroken / "checkpoints" / "best").is_dir()


def test_killed_between_two_checkpoints(
    unbroken: Path, killed: tuple[Path, int], nil: Callable[..., Any], tmp_path: Path
) -> None:
    folder, code = Path(shutil.copytree(killed[0], tmp_path / "run")), killed[1]
    assert code == -signal.SIGKILL
    assert metrics(folder)[-1]["step"] == 171, "it wrote beyond the checkpoint"
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["step"]) == ("learning", 150)
    resumed = nil("run", "--resume", folder)
    assert resumed.code == 0, resumed.err
    assert "resuming from step 150" in resumed.out
    assert_the_same(folder, unbroken)


def test_killed_before_the_first_checkpoint(
    unbroken: Path, killed: tuple[Path, int], nil: Callable[..., Any], tmp_path: Path
) -> None:
    folder = without_workers(shutil.copytree(killed[0], tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints")
    nil("eval", folder).complains("holds no checkpoint yet")
    assert nil("run", "--resume", folder).code == 0
    assert_the_same(folder, unbroken)


def test_a_worker_killed_and_one_that_hangs_change_no_number(
    unbroken: Path, signalling: Path, nil_process: Callable[..., Any], tmp_path: Path
) -> None:
    harm = [(80, signal.SIGKILL, "simulation worker 1"), (200, signal.SIGSTOP, "simulation worker 0")]
    orders = ",".join(f"{step}:{number:d}:{name}" for step, number, name in harm)
    outcome = nil_process("run", *LEARNING, "--out", "run", cwd=tmp_path, path=[signalling], TEST_SIGNAL=orders)
    assert outcome.code == 0, outcome.err
    assert "simulation worker 1 died (signal SIGKILL)" in outcome.err
    assert "simulation worker 0 has not answered for 120 s" in outcome.err
    assert_the_same(tmp_path / "run", unbroken)


def test_no_pickle_is_loaded_from_a_run(
    unbroken: Path, nil: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    import torch

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a pickle was loaded")

    folder = without_workers(shutil.copytree(unbroken, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints" / "step-000000300")
    (folder / "summary.json").unlink()
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    (folder / "status.json").write_text(json.dumps({"state": "learning", "step": 252}))
    resumed = nil("run", "--resume", folder)
    assert resumed.code == 0, resumed.err
    assert nil("eval", folder, "--checkpoint", "best").code == 0
    assert_the_same(folder, unbroken)


def test_ctrl_c_saves_and_says_how_to_go_on(
    unbroken: Path, signalling: Path, nil_process: Callable[..., Any], nil: Callable[..., Any], tmp_path: Path
) -> None:
    folder, order = tmp_path / "run", f"130:{signal.SIGINT}:"
    outcome = nil_process("run", *LEARNING, "--out", "run", cwd=tmp_path, path=[signalling], TEST_SIGNAL=order)
    assert outcome.code == 130, outcome.err
    assert outcome.err == ""
    assert outcome.out.splitlines()[-1] == "saved at step 132; resume with: nil run --resume run"
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert not (folder / "summary.json").exists()
    without_workers(folder)
    # In two pieces, the second of which begins between two lines of the log.
    resumed = nil("run", "--resume", folder, "--steps", "166")
    assert resumed.code == 0, resumed.err
    again = nil("run", "--resume", folder, "--steps", "300")
    assert again.code == 0, again.err
    assert "resuming from step 168" in again.out
    assert "steps = 300" in (folder / "config.toml").read_text()
    assert_the_same(folder, unbroken)


def test_a_last_line_cut_off_by_the_crash(unbroken: Path, nil: Callable[..., Any], tmp_path: Path) -> None:
    """As a crash of the machine leaves it: half a line, and a checkpoint half-written."""
    folder = without_workers(shutil.copytree(unbroken, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints" / "step-000000300")
    (folder / "checkpoints" / ".step-000000290.1.tmp").mkdir()
    (folder / "summary.json").unlink()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 310, "ki')
    (folder / "status.json").write_text(json.dumps({"state": "learning", "step": 250}))
    assert nil("run", "--resume", folder).code == 0
    assert_the_same(folder, unbroken)


def test_ctrl_c_during_stage_one_leaves_nothing(
    fresh_site: Callable[[], Any], nil_process: Callable[..., Any], tmp_path: Path
) -> None:
    site = fresh_site()
    site.add("nil-generator-rude", "[nil.generators]\nrude = rude:CARD\n", rude=RUDE)
    options = ["--generator", "rude", "--segmenter", "chroma"]
    outcome = nil_process("run", *options, cwd=tmp_path, path=[site.install()])
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


RUDE = """
from nil_core.api import ComponentCard

CARD = ComponentCard(kind="generator", summary="Ctrl-C while it works.", target="rude:Rude")

class Rude:
    def __init__(self, options):
        pass

    def generate(self, request, progress):
        raise KeyboardInterrupt
"""
