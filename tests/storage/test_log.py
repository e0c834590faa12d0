"""Lines of JSON: appended, read after a crash, cut back to a checkpoint byte for byte."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nil_core.errors import MachineError
from nil_core.storage import log

numbers = st.floats() | st.integers(-(10**12), 10**12)
rows = st.lists(st.dictionaries(st.text(min_size=1, max_size=5), numbers, max_size=4), max_size=8)


def write(path: Path, count: int) -> bytes:
    path.unlink(missing_ok=True)
    for step in range(count):
        log.append(path, {"step": step, "kind": "train", "reward": step / 3})
    return path.read_bytes() if count else b""


def test_numbers_have_six_digits_and_nan_is_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log.append(
        path, {"step": 1234567, "kind": "eval", "a": 1 / 3, "b": 1234567.0, "c": float("nan"), "d": float("inf")}
    )
    assert path.read_text() == (
        '{"step": 1234567, "kind": "eval", "a": 0.333333, "b": 1234570.0, "c": null, "d": null}\n'
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows, st.integers(0, 8))
def test_cutting_back_gives_the_bytes_of_then(tmp_path: Path, rows: list[dict], at: int) -> None:
    path = tmp_path / "metrics.jsonl"
    path.unlink(missing_ok=True)
    then = b""
    for step, row in enumerate(rows):
        log.append(path, {**row, "step": step})
        if step <= at:
            then = path.read_bytes()
    log.cut_back(path, at)
    assert (path.read_bytes() if rows else b"") == then


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_cut_off_by_a_crash_is_left_out_and_mended(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = write(path, 3)
    path.write_bytes(write(path, 4)[:-cut] if cut > 1 else whole + b"{")
    assert [row["step"] for row in log.read(path)] == [0, 1, 2]
    log.cut_back(path, 100)
    assert path.read_bytes() == whole


def test_lines_after_a_damaged_one_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first, *others = write(path, 4).splitlines(keepends=True)
    path.write_bytes(first + b"\0\0{\n" + b"".join(others) + b'{"step": 4')
    rows, damaged = log.read_around_damage(path)
    assert ([row["step"] for row in rows], damaged) == ([0, 1, 2, 3], [2, 6])
    assert log.read_around_damage(path, growing=True) == (rows, [2])
    log.cut_back(path, 2)
    assert path.read_bytes() == first + b"".join(others[:2])


def test_what_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert log.read(path) == []
    log.cut_back(path, 3)
    assert not path.exists()


def test_a_line_without_its_line_break_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = write(path, 2)
    path.write_bytes(whole[:-1])
    log.cut_back(path, 5)
    assert path.read_bytes() == whole


def test_a_full_disk_is_said_in_words_and_leaves_no_part_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.jsonl"
    before = write(path, 2)

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(MachineError, match="the disk is full"):
        log.append(path, {"step": 3})
    assert path.read_bytes() == before
