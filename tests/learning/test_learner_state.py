"""Saving and restoring networks, optimizers and random state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nil_core.errors import RunError
from nil_core.learning import FlatAdam, Part, load_state, save_state


class Learner:
    """Every step uses each kind of part."""

    def __init__(self, width: int = 4) -> None:
        self.network = nn.Linear(3, width)
        self.optimizer = FlatAdam(self.network.parameters(), 1e-2)
        self.generator = torch.Generator().manual_seed(1)

    def step(self) -> None:
        loss = self.network(torch.randn(5, 3, generator=self.generator)).square().mean()
        self.optimizer.minimize(loss)

    def parts(self) -> dict[str, Part]:
        return {"network": self.network, "optimizer": self.optimizer, "generator": self.generator}


@pytest.mark.parametrize("steps", [0, 7])
def test_continues_bit_for_bit(tmp_path: Path, steps: int) -> None:
    learner, restored = Learner(), Learner()
    for _ in range(steps):
        learner.step()
    save_state(tmp_path, learner.parts(), {"steps": steps, "pending": "1/3"})
    assert load_state(tmp_path, restored.parts()) == {"steps": steps, "pending": "1/3"}
    for each in (learner, restored):
        for _ in range(5):
            each.step()
    assert torch.equal(learner.network.weight, restored.network.weight)
    assert torch.equal(learner.generator.get_state(), restored.generator.get_state())


def test_other_sizes_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    learner, wider = Learner(), Learner(width=5)
    learner.step()
    save_state(tmp_path, learner.parts(), {})
    before = wider.network.weight.clone()
    with pytest.raises(RunError, match="network has other sizes"):
        load_state(tmp_path, wider.parts())
    with pytest.raises(RunError, match="optimizer has other sizes"):
        load_state(tmp_path, {"optimizer": wider.optimizer, "network": learner.network, "generator": learner.generator})
    assert torch.equal(wider.network.weight, before)


def test_a_state_saved_on_another_kind_of_device_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The state of CUDA's generators has 16 bytes."""
    learner, restored = Learner(), Learner()
    learner.step()
    save_state(tmp_path, learner.parts(), {})
    tensors = load_file(tmp_path / "state.safetensors")
    save_file(tensors | {"generator/state": torch.zeros(16, dtype=torch.uint8)}, tmp_path / "state.safetensors")
    with caplog.at_level("INFO"):
        load_state(tmp_path, restored.parts())
    assert torch.equal(restored.network.weight, learner.network.weight)
    assert "saved on another kind of device" in caplog.text
    restored.step()


def test_other_parts_are_refused(tmp_path: Path) -> None:
    learner = Learner()
    save_state(tmp_path, learner.parts(), {})
    with pytest.raises(RunError, match="generator"):
        load_state(tmp_path, {"network": learner.network, "optimizer": learner.optimizer})
    with pytest.raises(RunError, match="does not hold a part 'critic'"):
        load_state(tmp_path, {**learner.parts(), "critic": nn.Linear(1, 1)})


@pytest.mark.parametrize("damage", ["state.safetensors", "state.json"])
def test_missing_and_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    learner = Learner()
    save_state(tmp_path, learner.parts(), {})
    (tmp_path / damage).write_bytes(b"{")
    with pytest.raises(RunError, match="cannot be read"):
        load_state(tmp_path, learner.parts())
    (tmp_path / damage).unlink()
    with pytest.raises(RunError, match="cannot be read"):
        load_state(tmp_path, learner.parts())
