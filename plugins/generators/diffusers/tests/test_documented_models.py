"""The documentation of every model agrees with the table of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from nil_generator_diffusers.models import MODELS, Model

PAGE = Path(__file__).parents[4] / "docs" / "generators.md"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.weights.name)
def test_the_page_agrees(model: Model) -> None:
    row = next(line for line in PAGE.read_text().splitlines() if f"`diffusers`, `{model.weights.name}`" in line)
    _, _, frames, fps, size, prompts, memory, license, _ = (cell.strip() for cell in row.split("|"))
    rule = f"{model.frames.step}k + 1, to {model.frames[-1]}" if len(model.frames) > 1 else str(model.frames[0])
    assert (frames, fps, size) == (rule, str(model.fps), f"{model.width}x{model.height}")
    assert prompts == f"yes, {'yes' if model.takes_negative_prompt else 'no'}"
    assert memory == model.memory
    assert license.split()[0] == model.weights.license.split()[0]
