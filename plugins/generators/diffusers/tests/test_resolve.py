"""The model whose rules apply, and the sizes and frame counts that it allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nil_core.api import ConfigError, DataError
from nil_core.testing import check_card, check_light
from nil_generator_diffusers import CARD, DiffusersOptions
from nil_generator_diffusers.models import EXTERNAL_WEIGHTS, MODELS, MODELS_BY_NAME
from nil_generator_diffusers.resolve import resolve_frame_count, resolve_model, resolve_size


def test_card() -> None:
    check_card(CARD)
    check_light("nil_generator_diffusers")


def test_the_table_is_consistent() -> None:
    assert len(MODELS_BY_NAME) == len(MODELS), "names are unique"
    for model in MODELS:
        assert model.width % model.multiple == 0 and model.height % model.multiple == 0, model.weights.name
        assert model.weights.license and model.weights.megabytes > 0
        assert {part.weights for part in model.external_parts} <= {weights.name for weights in EXTERNAL_WEIGHTS}
    assert {weights.name for weights in CARD.weights} == {
        *MODELS_BY_NAME,
        *(weights.name for weights in EXTERNAL_WEIGHTS),
    }


@given(st.sampled_from(MODELS), st.floats(0.04, 30))
def test_frames_last_as_long_as_requested_if_possible(model: Any, seconds: float) -> None:
    count = resolve_frame_count(model, None, seconds)
    assert count in model.frames
    fewer = [other for other in model.frames if other < count]
    assert (count - 1) / model.fps >= seconds - 1e-6 or count == model.frames[-1]
    assert all((other - 1) / model.fps < seconds for other in fewer), "no more than needed"


def test_an_impossible_count_names_the_nearest_ones() -> None:
    assert resolve_frame_count(MODELS_BY_NAME["wan2.1-480p"], 81, 1.0) == 81
    with pytest.raises(ConfigError, match="cannot make 80 frames") as error:
        resolve_frame_count(MODELS_BY_NAME["wan2.1-480p"], 80, 1.0)
    assert error.value.hint == "--set generator.frames=77 or --set generator.frames=81"
    with pytest.raises(ConfigError) as error:
        resolve_frame_count(MODELS_BY_NAME["wan2.1-480p"], 200, 1.0)
    assert error.value.hint == "--set generator.frames=81"


def test_an_impossible_size_names_the_nearest_ones() -> None:
    assert resolve_size(MODELS_BY_NAME["ltx"], None, None) == (704, 512)
    assert resolve_size(MODELS_BY_NAME["ltx"], 512, None) == (512, 512)
    with pytest.raises(ConfigError, match="multiple of 32, not 500") as error:
        resolve_size(MODELS_BY_NAME["ltx"], 500, None)
    assert error.value.hint == "--set generator.width=480 or --set generator.width=512"


def folder_of(place: Path, pipeline: str) -> Path:
    (place / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    return place


def test_the_model_by_name_by_repository_by_folder_or_by_option(tmp_path: Path) -> None:
    assert resolve_model(DiffusersOptions(weights="wan2.2-5b"), tmp_path) is MODELS_BY_NAME["wan2.2-5b"]
    assert resolve_model(DiffusersOptions(weights="Lightricks/LTX-2"), tmp_path) is MODELS_BY_NAME["ltx-2"]
    assert DiffusersOptions(model="wan2.2-5b").weights == "wan2.2-5b" and DiffusersOptions().weights == "ltx"
    ltx = folder_of(tmp_path, "LTXImageToVideoPipeline")
    assert resolve_model(DiffusersOptions(weights=str(ltx)), ltx) is MODELS_BY_NAME["ltx"]
    assert resolve_model(DiffusersOptions(weights=str(ltx), model="ltx-2"), ltx) is MODELS_BY_NAME["ltx-2"]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [("WanImageToVideoPipeline", "several models use"), ("FluxPipeline", "no known model uses")],
)
def test_a_folder_of_an_ambiguous_model_is_rejected(tmp_path: Path, pipeline: str, message: str) -> None:
    folder = folder_of(tmp_path, pipeline)
    with pytest.raises(ConfigError, match=message) as error:
        resolve_model(DiffusersOptions(weights=str(folder)), folder)
    assert "--set generator.model=" in error.value.hint and "wan2.1-720p" in error.value.hint


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "not json"])
def test_a_folder_without_a_pipeline_is_rejected(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(DataError, match="has no pipeline"):
        resolve_model(DiffusersOptions(weights=str(tmp_path)), tmp_path)


def test_the_error_for_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"one of ltx, ltx-2"):
        DiffusersOptions(model="wan9")
