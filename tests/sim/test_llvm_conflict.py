"""triton cannot be imported where it would crash beside Mesa's LLVM, and stays where it is of use."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from nil_core.sim.llvm_conflict import block_triton_beside_llvm, block_triton_without_device


@pytest.fixture(autouse=True)
def unseen_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "triton", sys)  # which restores what was there
    del sys.modules["triton"]


@pytest.mark.parametrize(
    "device, blocked", [("null", True), ("nvidia0", False), ("kfd", False), ("dri/renderD128", False)]
)
def test_triton_is_blocked_where_it_has_no_device(tmp_path: Path, device: str, blocked: bool) -> None:
    (tmp_path / device).parent.mkdir(exist_ok=True)
    (tmp_path / device).touch()
    block_triton_without_device(tmp_path)
    assert ("triton" in sys.modules) == blocked


@pytest.mark.parametrize("library, blocked", [("/usr/lib/libLLVM-15.so.1", True), ("/usr/lib/libGLX_nvidia.so", False)])
def test_triton_is_blocked_beside_llvm(tmp_path: Path, library: str, blocked: bool) -> None:
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r-xp 0000 00:00 1 {library}\n")
    block_triton_beside_llvm(maps)
    block_triton_beside_llvm(tmp_path / "no-such-file")
    assert ("triton" in sys.modules) == blocked


def test_triton_that_is_imported_stays(tmp_path: Path) -> None:
    sys.modules["triton"] = sys
    block_triton_without_device(tmp_path)
    assert sys.modules["triton"] is sys


def test_blocked_triton_is_missing_to_libraries_that_look_for_it(tmp_path: Path) -> None:
    block_triton_without_device(tmp_path)
    assert find_spec("triton") is None
