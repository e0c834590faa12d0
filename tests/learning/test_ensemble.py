"""The batched layers against one ordinary layer per member."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nil_core.learning import EnsembleLayerNorm, EnsembleLinear


@pytest.mark.parametrize("outputs", [1, 5])
@pytest.mark.parametrize("shared", [True, False])
def test_linear_equals_one_layer_per_member(outputs: int, shared: bool) -> None:
    ensemble = EnsembleLinear(3, 7, outputs)
    x = torch.randn(4, 7) if shared else torch.randn(3, 4, 7)
    y = ensemble(x)
    assert y.shape == (3, 4, outputs)
    for member in range(3):
        single = nn.Linear(7, outputs)
        single.load_state_dict({"weight": ensemble.weight[member].T, "bias": ensemble.bias[member, 0]})
        torch.testing.assert_close(y[member], single(x if shared else x[member]))


def test_layer_norm_equals_one_layer_per_member() -> None:
    ensemble = EnsembleLayerNorm(3, 7)
    nn.init.normal_(ensemble.weight)
    nn.init.normal_(ensemble.bias)
    x = torch.randn(3, 4, 7) * 3 + 1
    y = ensemble(x)
    for member in range(3):
        single = nn.LayerNorm(7)
        single.load_state_dict({"weight": ensemble.weight[member, 0], "bias": ensemble.bias[member, 0]})
        torch.testing.assert_close(y[member], single(x[member]))


def test_members_are_initialized_differently_and_within_torchs_bound() -> None:
    ensemble = EnsembleLinear(2, 16, 64)
    assert not torch.equal(ensemble.weight[0], ensemble.weight[1])
    assert 0.2 < ensemble.weight.abs().max() <= 0.25
    assert 0.2 < ensemble.bias.abs().max() <= 0.25
