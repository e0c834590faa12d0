"""Names of 0.1 that the field has better words for are gone from code, messages and docs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SELF = Path(__file__).relative_to(ROOT).as_posix()

NAMES = (
    "class World", "Examiner", "mode_of", "FLOORS", "Slots", "EnvironmentPlan", "AgentSetting", "Tally",
    "PendingTransitions", "_take_in", "_look_around", "Imagined", "imagine", "RollingWindows", "at_hand",
    "clear_of_disk_trouble", "blaming", "unsample", "by_u", "on_a_cpu", "compiled_step", "told_run", "peculiarities",
    "robot_alone", "_Ear", "SPOKEN", "Verdict", "unseemly", "optimist", "continuations", "BoxFraming.windows",
)  # fmt: skip
BRITISH = (
    "grey", "behaviours?", "neighbours?", "licence", "optimiser", "regulari[s]", "normali[s]ed", "centre",
    "artefact", "favour", "initiali[s]e",
)  # fmt: skip
PHRASES = ("what flows through the house", "the ears of a run", "side door", "the eyes of")
MAY_NAME_THEM = ("CHANGELOG.md", "benchmarks/history/", "nil_core/renamed_keys.py", SELF)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    suffixes = (".py", ".md", ".toml")
    return [ROOT / name for name in listed.stdout.splitlines() if name.endswith(suffixes) and not _exempt(name)]


def _exempt(name: str) -> bool:
    return any(name.startswith(each) for each in MAY_NAME_THEM)


@pytest.mark.parametrize(
    "pattern",
    [
        rf"\b(?:{'|'.join(map(re.escape, NAMES))})\b",
        rf"\b(?:{'|'.join(BRITISH)})\w*",
        r"\b[Cc]olour\w*",
        "|".join(map(re.escape, PHRASES)),
    ],
    ids=["names", "spelling", "colour", "phrases"],
)
def test_no_former_word_is_left(pattern: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked()
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := re.search(pattern, line))
    ]
    assert not found, "\n".join(found)
