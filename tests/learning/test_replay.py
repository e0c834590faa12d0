"""The replay buffer against a plain list of transitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nil_core.errors import MachineError, RunError
from nil_core.learning import ReplayBuffer
from nil_core.types import Transitions


def transitions(first: int, count: int) -> Transitions:
    """Transition i has entries i + a fraction; every third terminates, every second is truncated."""
    number = np.arange(first, first + count, dtype=np.float32)
    return Transitions(
        observations=np.stack([number, number + 0.1, number + 0.2], 1),
        actions=np.stack([number + 0.3, number + 0.4], 1),
        rewards=number + 0.5,
        next_observations=np.stack([number + 0.6, number + 0.7, number + 0.8], 1),
        terminations=number % 3 == 0,
        truncations=number % 2 == 0,
    )


def stored(buffer: ReplayBuffer) -> set[int]:
    batches = buffer.sample(4, 500, torch.Generator().manual_seed(0))
    return {int(number) for batch in batches for number in batch.observations[:, 0]}


@given(buffer_size=st.integers(1, 12), counts=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any))
def test_keeps_the_last_of_any_sequence(buffer_size: int, counts: list[int]) -> None:
    buffer, total = ReplayBuffer(buffer_size, 3, 2, 1.0, "cpu"), 0
    for count in counts:
        buffer.add(transitions(total, count))
        total += count
    assert len(buffer) == min(total, buffer_size)
    assert stored(buffer) == set(range(max(0, total - buffer_size), total))


def test_a_batch_has_every_column_in_its_place() -> None:
    buffer = ReplayBuffer(20, 3, 2, 1.0, "cpu")
    buffer.add(transitions(0, 20))
    batches = buffer.sample(3, 5, torch.Generator().manual_seed(1))
    assert len(batches) == 3
    for batch in batches:
        number = batch.observations[:, :1]
        torch.testing.assert_close(batch.observations, number + torch.tensor([0, 0.1, 0.2]))
        torch.testing.assert_close(batch.actions, number + torch.tensor([0.3, 0.4]))
        torch.testing.assert_close(batch.observations_actions, torch.cat((batch.observations, batch.actions), 1))
        torch.testing.assert_close(batch.next_observations, number + torch.tensor([0.6, 0.7, 0.8]))
        torch.testing.assert_close(batch.rewards, number[:, 0] + 0.5)
        # Truncations (even numbers) bootstrap, terminations (multiples of 3) do not.
        torch.testing.assert_close(batch.discounts, (number[:, 0] % 3 != 0).float())
    assert len({tuple(batch.rewards.tolist()) for batch in batches}) == 3


def test_continues_exactly_after_loading(tmp_path: Path) -> None:
    buffer, copy = ReplayBuffer(10, 3, 2, 1.0, "cpu"), ReplayBuffer(10, 3, 2, 1.0, "cpu")
    buffer.add(transitions(0, 13))
    buffer.save(tmp_path / "replay.safetensors")
    copy.load(tmp_path / "replay.safetensors")
    for each in (buffer, copy):
        each.add(transitions(13, 4))
    expected, restored = (each.sample(1, 50, torch.Generator().manual_seed(2))[0] for each in (buffer, copy))
    assert torch.equal(expected.rewards, restored.rewards)
    assert stored(copy) == set(range(7, 17))


def test_on_a_disk_it_is_the_same_and_leaves_no_file(tmp_path: Path) -> None:
    mapped, plain = ReplayBuffer(10, 3, 2, 1.0, "cpu", str(tmp_path)), ReplayBuffer(10, 3, 2, 1.0, "cpu")
    for buffer in (mapped, plain):
        buffer.add(transitions(0, 13))
    if (maps := Path("/proc/self/maps")).exists():
        assert str(tmp_path) in maps.read_text()
    mapped.save(tmp_path / "replay.safetensors")
    resumed = ReplayBuffer(10, 3, 2, 1.0, "cpu", str(tmp_path))
    resumed.load(tmp_path / "replay.safetensors")
    assert torch.equal(mapped._rows, plain._rows) and torch.equal(resumed._rows, plain._rows)
    assert [path.name for path in tmp_path.iterdir()] == ["replay.safetensors"]


def test_logs_its_full_size(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "nil.learning"):
        ReplayBuffer(1000, 120, 8, 1.0, "cpu")
    assert "1,000 transitions, up to 0.00 GB of memory" in caplog.text


@pytest.mark.parametrize("folder", ["", "here"])
def test_refuses_a_size_that_does_not_fit(folder: str, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"takes [\d.]+ GB") as caught:
        ReplayBuffer(10**13, 100, 10, 1.0, "cpu", folder and str(tmp_path))
    assert "agent.buffer_size" in caught.value.hint


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="No such file"):
        ReplayBuffer(10, 3, 2, 1.0, "cpu", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("sizes", [(11, 3, 2), (10, 2, 4), (10, 3, 3)])
def test_refuses_a_buffer_of_other_sizes(tmp_path: Path, sizes: tuple[int, int, int]) -> None:
    buffer = ReplayBuffer(10, 3, 2, 1.0, "cpu")
    buffer.add(transitions(0, 4))
    buffer.save(tmp_path / "replay.safetensors")
    with pytest.raises(RunError, match=r"10, 3, 2"):
        ReplayBuffer(*sizes, 1.0, "cpu").load(tmp_path / "replay.safetensors")
