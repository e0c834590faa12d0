"""Where torch computes, as an option's word says."""

from __future__ import annotations

import pytest
import torch

from nil_core.devices import available_device, find_device
from nil_core.errors import ConfigError, MachineError


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda", 1)


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(MachineError, match="no GPU cuda:63") as refusal:
        find_device("cuda:63", "generator.device")
    assert refusal.value.hint == "--set generator.device=auto"


def test_a_word_that_torch_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="device is auto, cpu, cuda or cuda:N, not 'gpu'"):
        find_device("gpu")


def test_what_named_a_gpu_that_is_not_here_makes_do(caplog: pytest.LogCaptureFixture) -> None:
    assert available_device("cuda:63", "encoder.device") == "auto"
    assert f"there is no GPU cuda:63: torch {torch.__version__} finds " in caplog.text
    assert f"; encoder.device is {find_device('auto')} instead" in caplog.text


def test_a_device_that_is_here_is_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [available_device(word) for word in ("cuda:1", "cuda", "cpu", "auto")] == ["cuda:1", "cuda", "cpu", "auto"]
    assert not caplog.text
