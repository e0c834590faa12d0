"""What made a run, and whether this installation may continue it."""

from __future__ import annotations

import json

import pytest

from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import RunError
from nil_core.experiment.manifest import changed_sources, check_versions, manifest, versions

CONFIG = RunConfig(seed=11, encoder={"name": "hog", "cells": 4})
DISTRIBUTIONS = {
    "nil-core", "nil-generator-gait", "nil-encoder-hog", "nil-segmenter-sim-mask", "nil-robot-a1", "nil-agent-sac",
}  # fmt: skip


def test_a_manifest_names_every_part_and_is_json() -> None:
    made = manifest(CONFIG, choose(CONFIG))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert set(made["versions"]) == DISTRIBUTIONS and all(made["versions"].values())
    assert made["components"]["encoder"]["options"]["cells"] == 4
    assert made["seed"] == 11
    assert made["libraries"]["mujoco"] and made["hardware"]["cores"] >= 1 and made["hardware"]["memory_gib"] > 0


def test_the_same_versions_may_go_on() -> None:
    choice = choose(CONFIG)
    check_versions({"versions": versions(choice)}, choice)


def test_what_made_a_reference_before_need_not_be_here_again() -> None:
    choice = choose(CONFIG)
    svd = {"kind": "generator", "name": "svd", "distribution": "nil-generator-svd", "version": "0.0.1", "weights": "ab"}
    chroma = {"kind": "segmenter", "name": "chroma", "distribution": "nil-segmenter-chroma", "version": "0.0.1"}
    made = manifest(CONFIG, choice, {"generator": svd, "segmenter": {**chroma, "source": "of then"}})
    assert (made["components"]["generator"]["name"], made["versions"]["nil-generator-svd"]) == ("svd", "0.0.1")
    assert "nil-generator-gait" not in made["versions"]
    check_versions(made, choice, CONFIG)
    assert changed_sources(made, choice) == []
    made["versions"]["nil-encoder-hog"] = "0.0.1"
    with pytest.raises(RunError, match="nil-encoder-hog"):
        check_versions(made, choice, CONFIG)


@pytest.mark.parametrize(
    ("distribution", "then", "hint"),
    [
        ("nil-encoder-hog", "0.0.9", "pip install nil-encoder-hog==0.0.9"),
        ("nil-core", "0.0.9", "pip install nil-core==0.0.9"),
        ("nil-robot-a1", None, "start a new run"),
    ],
)
def test_other_versions_are_refused_by_name(distribution: str, then: str | None, hint: str) -> None:
    choice = choose(CONFIG)
    with pytest.raises(RunError, match=distribution) as caught:
        check_versions({"versions": versions(choice) | {distribution: then}}, choice)
    assert caught.value.hint == hint
    assert versions(choice)[distribution] in caught.value.message
