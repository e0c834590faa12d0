"""A script without the main guard fails at once with a hint, and leaves no files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """from pathlib import Path
from nil_core import RunConfig, generate, run
config = RunConfig(steps=20, agent="random", video={"seconds": 0.2}, environment={"render_size": 64},
                   evaluation={"episodes": 1}, simulation={"workers": WORKERS})
"""
SAYS = 'calls nil without `if __name__ == "__main__":`'
MENDS = 'put the call under `if __name__ == "__main__":`'


def execute(folder: Path, *lines: str, workers: int = 1) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text("\n".join([CONFIG.replace("WORKERS", str(workers)), *lines]))
    return subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=600)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "script.py")


@pytest.mark.parametrize("call", ["run(config)", "run(config, out=Path('out'))", "generate(config)"])
def test_a_call_without_the_guard(tmp_path: Path, call: str) -> None:
    done = execute(tmp_path, f"def main(): {call}", "main()")
    assert done.returncode == 1 and f"script.py, line 7, {SAYS}" in done.stderr and MENDS in done.stderr
    assert left(tmp_path) == [] and "walking" not in done.stdout


def test_one_that_looks_guarded_is_found_out_by_its_worker(tmp_path: Path) -> None:
    done = execute(tmp_path, "if 'current_process':", "    run(config, out=Path('runs/out'))")
    assert done.returncode == 1 and f"the script {SAYS}" in done.stderr and MENDS in done.stderr
    assert done.stderr.count("Traceback") == 1, "the worker itself is silent"
    assert not (tmp_path / "runs" / "out").exists()


def test_in_one_process_no_guard_is_needed(tmp_path: Path) -> None:
    done = execute(tmp_path, "print(run(config, out=Path('out')).finished)", workers=0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True" and left(tmp_path) == ["out"]
