"""Whether files are still what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from nil_core.storage import digests


def filled(folder: Path) -> Path:
    (folder / "deep").mkdir()
    (folder / "a.txt").write_text("one")
    (folder / "deep" / "b.bin").write_bytes(bytes(range(256)))
    return folder


def test_what_is_as_it_was_written_passes(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    assert not digests.verify(folder), "there are none yet"
    digests.record(folder, ["a.txt"])
    digests.record(folder, ["deep/b.bin"])
    (folder / ".DS_Store").write_text("what file managers leave")
    assert digests.verify(folder) and digests.verify(folder, ["a.txt"])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "a.txt").write_text("two"), "a.txt is not what was written"),
        (lambda folder: (folder / "deep/b.bin").write_bytes(b""), "deep/b.bin is not what was written"),
        (lambda folder: (folder / "deep/b.bin").unlink(), "deep/b.bin is missing"),
        (lambda folder: (folder / digests.NAME).write_text("{"), "digests.json cannot be read"),
        (lambda folder: (folder / digests.NAME).write_text("[]"), "digests.json cannot be read"),
        (lambda folder: (folder / digests.NAME).write_text('{"sha256": 1}'), "digests.json cannot be read"),
        (lambda folder: (folder / digests.NAME).write_bytes(b"\xff"), "digests.json cannot be read"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: object, says: str) -> None:
    folder = filled(tmp_path)
    digests.record(folder, ["a.txt", "deep/b.bin"])
    damage(folder)
    with pytest.raises(ValueError, match=says):
        digests.verify(folder)


def test_a_file_that_is_asked_for_has_to_have_one(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    digests.record(folder, ["a.txt"])
    with pytest.raises(ValueError, match=r"deep/b.bin is not among the files of digests.json"):
        digests.verify(folder, ["deep/b.bin"])
