"""Things made once: found again by what determined them, and made anew when what is stored is damaged."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nil_core.storage import cache
from nil_core.storage.cache import array_text, cache_in_use, cached, fingerprint, text_array

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.calls += 1
        return {"frames": np.arange(1000) * self.calls}


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_thing_is_made_once(root: Path) -> None:
    make = Maker()
    made, found = cached("videos", "k", make)
    again, found_again = cached("videos", "k", make)
    assert (found, found_again, make.calls) == (False, True, 1)
    assert np.array_equal(made["frames"], again["frames"])
    assert [path.name for path in root.rglob("*.npz")] == ["k.npz"]


def test_other_keys_and_other_sorts_are_other_things() -> None:
    make = Maker()
    for what, key in (("videos", "a"), ("videos", "b"), ("masks", "a")):
        assert not cached(what, key, make)[1]
    assert make.calls == 3


def test_a_cache_that_is_not_in_use_is_written_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()
    with cache_in_use(False), cache_in_use(True):
        cached("videos", "k", make)
        assert not cached("videos", "k", make)[1]
    made, found = cached("videos", "k", make)
    assert found and made["frames"][1] == make.calls == 2
    monkeypatch.setenv("NIL_NO_CACHE", "1")
    assert not cached("videos", "k", make)[1]
    monkeypatch.setenv("NIL_NO_CACHE", "0")
    assert cached("videos", "k", make)[0]["frames"][1] == 3


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"no zip at all", "cut", "flipped"])
def test_a_damaged_entry_is_made_anew(root: Path, damage: bytes | str) -> None:
    make = Maker()
    cached("videos", "k", make)
    path = root / "videos" / "k.npz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - b for b in whole[middle : middle + 9]) + whole[middle + 9 :]
    path.write_bytes({"cut": whole[:middle], "flipped": flipped}.get(damage, damage))
    made, found = cached("videos", "k", make)
    assert not found and np.array_equal(made["frames"], 2 * np.arange(1000))
    assert cached("videos", "k", make)[1]


def test_no_byte_that_goes_bad_hides_an_array(root: Path) -> None:
    """In the directory of the zip file, too: a video would have lost its masks, and nobody would have noticed."""
    arrays = {"frames": np.arange(5), "masks": np.ones(3, bool), "trajectory": np.zeros(2)}
    cached("videos", "k", lambda: arrays, ("frames",))
    path = root / "videos" / "k.npz"
    whole = path.read_bytes()
    for position in range(whole.index(b"PK\x01\x02"), len(whole)):
        bad = bytearray(whole)
        bad[position] ^= 2
        path.write_bytes(bad)
        found, was_stored = cached("videos", "k", lambda: {"frames": np.zeros(1)}, ("frames",))
        assert found.keys() == (arrays.keys() if was_stored else {"frames"})


def test_an_entry_of_before_digests_serves(root: Path) -> None:
    (root / "videos").mkdir(parents=True)
    np.savez_compressed(root / "videos" / "k.npz", frames=np.arange(3))
    found, was_stored = cached("videos", "k", Maker())
    assert was_stored and found["frames"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.EACCES])
def test_a_cache_that_cannot_be_reached_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, number: int
) -> None:
    root, make, real = tmp_path / str(number), Maker(), os.stat
    monkeypatch.setenv("NIL_CACHE", str(root))

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | Path) and str(path).startswith(str(root)):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **options)

    def refuse_open(self: Any, *arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse_open)
    monkeypatch.setattr("numpy.load", refuse_open)
    for key in "ab":
        assert not cached("videos", key, make)[1]
    assert make.calls == 2
    reason = "permission denied" if number == errno.EACCES else f"the folder {root} cannot be reached"
    assert [reason in message for message in caplog.messages] == [True], caplog.messages
    assert "NIL_CACHE=FOLDER chooses another" in caplog.text


def test_what_fails_to_be_made_is_not_remembered(root: Path) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no video")

    with pytest.raises(RuntimeError):
        cached("videos", "k", fail)
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_the_cache_is_the_users_unless_told(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert cache.cache_root() == root
    monkeypatch.setenv("NIL_CACHE", "")
    assert cache.cache_root().name == "nil"


def test_a_fingerprint_is_of_values_shapes_types_and_order() -> None:
    zeros = np.zeros(4, np.uint8)
    different = [
        (), ("",), (zeros,), (zeros.reshape(2, 2),), (zeros.astype(bool),), (zeros.astype(np.int8),), (zeros, zeros),
        (zeros[:2], zeros[2:]), (b"",), ("a", "b"), ("b", "a"), ("ab",), ({"a": 1},), ({"a": "1"},), ({"a": 1.5},),
        (None,),
    ]  # fmt: skip
    prints = {fingerprint(*parts) for parts in different}
    assert len(prints) == len(different)
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in prints)


@settings(deadline=None)
@given(hnp.arrays(np.uint8, (3, 4)), st.dictionaries(st.text(), st.integers(), min_size=2, max_size=5))
def test_a_fingerprint_knows_no_memory_layout_and_no_order_of_keys(array: np.ndarray, values: dict) -> None:
    swapped = dict(reversed(values.items()))
    assert fingerprint(array, values) == fingerprint(np.asfortranarray(array), swapped)
    assert fingerprint(array[:, ::2], values) == fingerprint(array[:, ::2].copy(), values)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_json_values_survive_as_an_array(value: dict) -> None:
    array = text_array(value)
    assert array.dtype == np.uint8 and array_text(array) == value
