"""oneDNN's matrix products against torch's own, gradients included."""

from __future__ import annotations

import pytest
import torch

from nil_core.learning.matmul import MIN_MULTIPLICATIONS, affine


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(256, 256), (3, 3)])  # large enough for oneDNN, too small
def test_equals_torchs_own(inputs: int, outputs: int, shared: bool) -> None:
    rows = 64
    assert (rows * inputs * outputs >= MIN_MULTIPLICATIONS) == (inputs == 256)
    x = torch.randn(1 if shared else 2, rows, inputs).expand(2, -1, -1)
    tensors = [x, torch.randn(2, inputs, outputs), torch.randn(2, 1, outputs)]
    ours, torchs = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    results = affine(*ours), torch.baddbmm(torchs[2], torchs[0], torchs[1])
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)
    upstream = torch.randn_like(results[0])
    gradients = (torch.autograd.grad(y, of, upstream) for y, of in zip(results, (ours, torchs), strict=True))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_double_precision_is_kept() -> None:
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 64, 256), (2, 256, 256), (2, 1, 256)))
    torch.testing.assert_close(affine(x, weight, bias), torch.baddbmm(bias, x, weight))
