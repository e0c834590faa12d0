"""A thread count inside a block, restored after it."""

from __future__ import annotations

import pytest
import torch

from nil_core.learning import cpu_threads


def test_the_former_count_returns_even_after_an_error() -> None:
    former = torch.get_num_threads()
    with pytest.raises(KeyError), cpu_threads(former + 1):
        assert torch.get_num_threads() == former + 1
        raise KeyError
    assert torch.get_num_threads() == former
