"""Which rules apply, and what sizes and frame counts they allow."""

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
from nil_generator_diffusers.choosing import choose_model, choose_size, count_frames
from nil_generator_diffusers.models import MODELS, NAMES, PARTS


def test_card() -> None:
    check_card(CARD)
    check_light("nil_generator_diffusers")


def test_the_table_is_consistent() -> None:
    assert len(NAMES) == len(MODELS), "names are unique"
    for model in MODELS:
        assert model.width % model.multiple == 0 and model.height % model.multiple == 0, model.weights.name
        assert model.weights.license and model.weights.megabytes > 0
        assert {part.weights for part in model.parts} <= {weights.name for weights in PARTS}
    assert {weights.name for weights in CARD.weights} == {*NAMES, *(weights.name for weights in PARTS)}


@given(st.sampled_from(MODELS), st.floats(0.04, 30))
def test_frames_last_as_long_as_asked_if_the_model_can(model: Any, seconds: float) -> None:
    count = count_frames(model, None, seconds)
    assert count in model.frames
    fewer = [other for other in model.frames if other < count]
    assert (count - 1) / model.fps >= seconds - 1e-6 or count == model.frames[-1]
    assert all((other - 1) / model.fps < seconds for other in fewer), "no more than needed"


def test_a_count_the_model_cannot_make_names_its_neighbors() -> None:
    assert count_frames(NAMES["wan2.1-480p"], 81, 1.0) == 81
    with pytest.raises(ConfigError, match="cannot make 80 frames") as refusal:
        count_frames(NAMES["wan2.1-480p"], 80, 1.0)
    assert refusal.value.hint == "--set generator.frames=77 or --set generator.frames=81"
    with pytest.raises(ConfigError) as refusal:
        count_frames(NAMES["wan2.1-480p"], 200, 1.0)
    assert refusal.value.hint == "--set generator.frames=81"


def test_a_size_the_model_cannot_make_names_its_neighbors() -> None:
    assert choose_size(NAMES["ltx"], None, None) == (704, 512)
    assert choose_size(NAMES["ltx"], 512, None) == (512, 512)
    with pytest.raises(ConfigError, match="multiple of 32, not 500") as refusal:
        choose_size(NAMES["ltx"], 500, None)
    assert refusal.value.hint == "--set generator.width=480 or --set generator.width=512"


def folder_of(place: Path, pipeline: str) -> Path:
    (place / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    return place


def test_the_model_by_name_by_repository_by_folder_or_as_said(tmp_path: Path) -> None:
    assert choose_model(DiffusersOptions(weights="wan2.2-5b"), tmp_path) is NAMES["wan2.2-5b"]
    assert choose_model(DiffusersOptions(weights="Lightricks/LTX-2"), tmp_path) is NAMES["ltx-2"]
    assert DiffusersOptions(model="wan2.2-5b").weights == "wan2.2-5b" and DiffusersOptions().weights == "ltx"
    ltx = folder_of(tmp_path, "LTXImageToVideoPipeline")
    assert choose_model(DiffusersOptions(weights=str(ltx)), ltx) is NAMES["ltx"]
    assert choose_model(DiffusersOptions(weights=str(ltx), model="ltx-2"), ltx) is NAMES["ltx-2"]


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [("WanImageToVideoPipeline", "several models share"), ("FluxPipeline", "no model here has")],
)
def test_a_folder_that_does_not_say_whose_rules_it_follows(tmp_path: Path, pipeline: str, says: str) -> None:
    folder = folder_of(tmp_path, pipeline)
    with pytest.raises(ConfigError, match=says) as refusal:
        choose_model(DiffusersOptions(weights=str(folder)), folder)
    assert "--set generator.model=" in refusal.value.hint and "wan2.1-720p" in refusal.value.hint


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "not json"])
def test_a_folder_without_a_pipeline(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(DataError, match="holds no pipeline"):
        choose_model(DiffusersOptions(weights=str(tmp_path)), tmp_path)


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(ValidationError, match=r"one of ltx, ltx-2"):
        DiffusersOptions(model="wan9")
