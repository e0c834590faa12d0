"""Everything the command line does is one call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pluggy
import pytest

from nil_core import RunConfig, evaluate, generate, resume, run
from nil_core.config import resolve
from nil_core.errors import RunError
from nil_core.hooks import Hooks
from nil_core.reporting import Silent

hookimpl = pluggy.HookimplMarker("nil")


class Ear(Silent):
    """Remembers what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[int] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        self.steps.append(step)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    chosen = {"agent.name": "random", "steps": 60, "training.eval_every": 60, "simulation.workers": 0}
    return resolve("smoke", options=chosen).config


@pytest.fixture
def reference(config: RunConfig, tmp_path: Path) -> Path:
    return generate(config, tmp_path / "reference", Silent())


def test_generate_run_resume_evaluate(config: RunConfig, reference: Path, tmp_path: Path) -> None:
    ear = Ear()
    result = run(config, tmp_path / "run", reference, ear)
    assert (result.folder, result.finished) == (tmp_path / "run", True)
    assert result.summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert ear.steps[-1] == 60 and any(line.startswith("video: ") for line in ear.lines)
    with pytest.raises(RunError, match="already trained for 60 steps"):
        resume(result.folder)
    longer = resume(result.folder, steps=80, reporter=Silent())
    assert longer.finished and longer.summary["steps"] == 80
    assert evaluate(result.folder, reporter=Silent()) == longer.summary["policies"]


def test_hooks_hear_the_whole_run(config: RunConfig, reference: Path, tmp_path: Path) -> None:
    heard: list[str] = []

    class Listener:
        @hookimpl
        def run_started(self, folder: Path) -> None:
            heard.append(f"started {folder.name}")

        @hookimpl
        def reference_ready(self, folder: Path) -> None:
            heard.append("reference")

        @hookimpl
        def metrics(self, step: int) -> None:
            heard.append(f"metrics {step}")

        @hookimpl
        def checkpoint_saved(self, folder: Path, step: int) -> None:
            assert (folder / "loop.json").exists()
            heard.append(f"checkpoint {step}")

        @hookimpl
        def video_written(self, path: Path, kind: str) -> None:
            assert path.exists()
            heard.append(kind)

        @hookimpl
        def run_finished(self, summary: Mapping[str, object]) -> None:
            heard.append(f"finished {summary['finished']}")

    hooks = Hooks()
    hooks.register(Listener(), "listener")
    run(config, tmp_path / "run", reference, Silent(), hooks)
    assert heard == [
        *("started run", "reference", "reference", "metrics 40", "metrics 60", "checkpoint 60"),
        *("comparison", "finished True"),
    ]


def test_a_script_needs_no_more_than_its_import(tmp_path: Path) -> None:
    """With workers, which import the script again: it stands behind the usual guard."""
    script = tmp_path / "script.py"
    script.write_text(
        "from nil_core import RunConfig, run\n"
        "if __name__ == '__main__':\n"
        "    config = RunConfig(steps=20, agent='random', video={'seconds': 0.2}, environment={'render_size': 64},\n"
        "                       evaluation={'episodes': 1})\n"
        "    result = run(config)\n"
        "    print('speed', result.summary['policies']['trained']['speed'])\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("speed ")
    assert done.stderr == ""


def test_the_calls_are_imported_in_any_order() -> None:
    modules = "import nil_core.experiment.run, nil_core.experiment.generate, nil_core.experiment.evaluate"
    code = f"{modules}; from nil_core import RunConfig, run, generate, evaluate; assert callable(evaluate)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_calls_imports_nothing_heavy() -> None:
    code = "import sys, nil_core; nil_core.RunConfig; print(sorted({'torch', 'mujoco', 'av'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
