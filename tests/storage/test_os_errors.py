"""What the errors of disks and network folders mean, in one line; none of them is taken for an empty place."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_core.config import RunConfig
from nil_core.errors import MachineError, RunError
from nil_core.storage import log, run_folder
from nil_core.storage.os_errors import entries, exists, explain_os_errors, unforeseen, unreachable_part
from nil_core.storage.run_folder import RunFolder
from nil_core.train import checkpoint

GONE = {
    errno.ENOTCONN: "Transport endpoint is not connected",
    errno.ESTALE: "Stale file handle",
    errno.EIO: "Input/output error",
    errno.EHOSTDOWN: "Host is down",
}
Fail = Callable[[Path, int], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Makes everything below a folder answer with an error, as a mount does whose other end is gone."""

    def begin(folder: Path, number: int) -> None:
        def wrapped(call: Any) -> Any:
            def instead(path: Any, *arguments: Any, **options: Any) -> Any:
                if not isinstance(path, int) and os.path.abspath(os.fspath(path)).startswith(str(folder)):
                    raise OSError(number, os.strerror(number), str(path))
                return call(path, *arguments, **options)

            return instead

        for owner, names in ((os, ("stat", "lstat", "mkdir", "open", "listdir", "scandir")), ("builtins", ("open",))):
            for name in names:
                target = __import__(owner) if isinstance(owner, str) else owner
                monkeypatch.setattr(target, name, wrapped(getattr(target, name)))
        monkeypatch.setattr("io.open", open)

    return begin


@pytest.mark.parametrize(("number", "cause"), GONE.items())
def test_a_folder_that_cannot_be_reached_is_neither_empty_nor_damaged(
    tmp_path: Path, fail: Fail, number: int, cause: str
) -> None:
    mount = tmp_path / "mount"
    run = mount / "run"
    run_folder.create(run, RunConfig(), {})
    log.append(run / "metrics.jsonl", {"step": 1})
    (run / "checkpoints").mkdir()
    fail(mount, number)
    reads = [
        lambda: exists(run),
        lambda: entries(run),
        lambda: run_folder.open_run(run),
        lambda: RunFolder(run).read(run / "status.json"),
        lambda: run_folder.list_runs(mount),
        lambda: log.read(run / "metrics.jsonl"),
        lambda: checkpoint.steps(run / "checkpoints"),
    ]
    writes = [
        lambda: run_folder.refuse_occupied(mount / "new"),
        lambda: log.append(run / "metrics.jsonl", {"step": 2}),
        lambda: RunFolder(run).write_status("learning", 3),
    ]
    for call in reads + writes:
        with pytest.raises(MachineError) as caught:
            call()
        assert caught.value.message == f"the folder {mount} cannot be reached: {cause}"
        assert "mount it again" in caught.value.hint and ("--out" in caught.value.hint) == (call in writes)


def test_a_list_of_runs_goes_on_where_one_cannot_be_reached(tmp_path: Path, fail: Fail) -> None:
    for name in "ab":
        run_folder.create(tmp_path / name, RunConfig(), {})
    fail(tmp_path / "a", errno.ENOTCONN)
    assert [folder.path.name for folder in run_folder.list_runs(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.ENOLCK, "cannot lock files"),
    ],
)
def test_where_nothing_can_be_written_a_new_run_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(path: Any, *_: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(MachineError, match=reason) as caught:
        run_folder.refuse_occupied(tmp_path / "new")
    assert str(tmp_path / "new") in caught.value.message and caught.value.hint


def test_a_run_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, fail: Fail) -> None:
    run = run_folder.create(tmp_path / "run", RunConfig(), {})
    fail(run.config, errno.EACCES)
    with pytest.raises(MachineError, match=f"cannot read {run.config}: permission denied"):
        run_folder.open_run(run.path)


def test_the_place_of_the_mount_is_named(tmp_path: Path, fail: Fail) -> None:
    mount = tmp_path / "mount"
    fail(mount, errno.ESTALE)
    assert unreachable_part(mount / "deep" / "down") == mount
    assert unreachable_part(tmp_path / "here" / "file") == tmp_path / "here", "one that can be asked: the file's folder"


def test_an_error_that_escaped_is_explained_where_it_names_a_file() -> None:
    gone = unforeseen(OSError(errno.ENOTCONN, "", "/somewhere/file"))
    assert gone is not None and "cannot be reached" in gone.message
    full = unforeseen(OSError(errno.ENOSPC, ""))
    assert full is not None and "the disk is full" in full.message
    for other in (OSError(errno.EHOSTUNREACH, "of a socket"), OSError(errno.EISDIR, "bug", "x"), OSError("bug")):
        assert unforeseen(other) is None


def test_other_errors_pass(tmp_path: Path) -> None:
    for error in (FileNotFoundError(errno.ENOENT, "x"), ValueError("x"), RunError("x")):
        with pytest.raises(type(error)), explain_os_errors(tmp_path, "read"):
            raise error
    assert not exists(tmp_path / "nowhere") and entries(tmp_path / "nowhere") == []
