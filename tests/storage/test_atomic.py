"""Files are whole or not there, and the disk's errors speak."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nil_core.errors import MachineError
from nil_core.storage.atomic import read_arrays, write_arrays, write_json, write_text, writing

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "quota",
    errno.EROFS: "read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
}


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 4 kB: the system refuses the write as on a full disk, but for the error's number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() if path.is_file() else "folder" for path in folder.iterdir()}


def test_nothing_is_there_before_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "a.txt"
    with writing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent and temporary.suffix == path.suffix
        assert not path.exists()
    assert contents(path.parent) == {"a.txt": "new"}


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)), writing(tmp_path / "a.txt") as temporary:
        temporary.write_text("ne")
        raise error
    assert contents(tmp_path) == {"a.txt": "old"}


def test_folders_replace_folders_and_fail_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "step-1"
    for text in ("old", "new"):
        with writing(path) as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert contents(path) == {"new": "new"}
    with pytest.raises(RuntimeError), writing(path) as temporary:
        temporary.mkdir()
        (temporary / "worse").write_text("worse")
        raise RuntimeError
    assert contents(path) == {"new": "new"} and contents(tmp_path) == {"step-1": "folder"}


@pytest.mark.parametrize(("number", "reason"), REASONS.items(), ids=REASONS.values())
@pytest.mark.parametrize("where", ["mkdir", "replace"])
def test_disk_trouble_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str, where: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.txt"
    write_text(path, "old")
    owner = Path if where == "mkdir" else os
    with monkeypatch.context() as patch, pytest.raises(MachineError, match=reason) as caught:
        patch.setattr(owner, where, refuse)
        write_text(path, "new")
    assert str(path) in caught.value.message and caught.value.hint
    assert contents(tmp_path) == {"a.txt": "old"}


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), writing(tmp_path / "a"):
        raise IsADirectoryError(errno.EISDIR, "bug")


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    noise = {"noise": np.random.default_rng(0).random(5000)}
    for write in (
        lambda path: write_arrays(path, noise),
        lambda path: write_json(path, {"noise": noise["noise"].tolist()}),
        lambda path: write_text(path, "x" * 10_000),
    ):
        with pytest.raises(MachineError, match="the file is too large"):
            write(tmp_path / "a")
        assert contents(tmp_path) == {}


def test_arrays_come_back_with_dtype_and_shape(tmp_path: Path) -> None:
    arrays = {
        "masks": np.array([[True, False]]),
        "frames": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        "rate": np.array(12.5),
        "none": np.empty((3, 0), np.float32),
    }
    write_arrays(tmp_path / "a.npz", arrays)
    again = read_arrays(tmp_path / "a.npz")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(again[name], array) and (again[name].dtype, again[name].shape) == (
            array.dtype,
            array.shape,
        )


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a.npz", {"objects": np.array([{}], dtype=object)})
    assert contents(tmp_path) == {}
    np.savez(tmp_path / "b.npz", objects=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path / "b.npz")


def test_json_holds_numbers_exactly(tmp_path: Path) -> None:
    value = {"a": 0.1 + 0.2, "b": [2**70, None, "é"], "path": Path("x")}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value | {"path": "x"}
