"""Records of orders are read back, are not overwritten if damaged, and are locked by one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nil_core.errors import ConfigError, DataError, MachineError
from nil_core.hosted.ledger import Entry, Ledger, Stage

ENTRY = Entry("f" * 32, "toy", "toy-1", request={"prompt": "walk"}, cost={"estimate": 0.2})


def test_records_are_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "toy")
    assert ledger.read(ENTRY.fingerprint) is None
    ledger.write(ENTRY)
    later = ledger.write(ENTRY, stage=Stage.UNDERWAY, ticket={"id": "7"})
    assert Ledger(tmp_path / "toy").read(ENTRY.fingerprint) == later and later.request == ENTRY.request
    ledger.drop(later)
    assert ledger.read(ENTRY.fingerprint) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stage": "underway"}', '{"stage": "paid", "fingerprint": "f"}', "\x00"]
)
def test_a_damaged_record_is_kept_and_named(text: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.path("f").write_text(text)
    with pytest.raises(DataError) as error:
        ledger.read("f")
    assert str(ledger.path("f")) in error.value.message and ledger.path("f").read_text() == text


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path).locked("f"):
        with Ledger(tmp_path).locked("g"):
            pass
        with pytest.raises(ConfigError, match="another nil process"), Ledger(tmp_path).locked("f"):
            pass
    with Ledger(tmp_path).locked("f"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MachineError):
        Ledger(tmp_path / "toy").write(ENTRY)


def test_no_two_orders_share_a_name() -> None:
    assert len({Entry("f", "toy", "m").name for _ in range(100)}) == 100
