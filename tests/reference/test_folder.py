"""The folder of a reference: read back exactly, compared with its digests, and damage is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.errors import RunError
from nil_core.reference.folder import load_generated, load_reference, save_generated, save_reference
from nil_core.reference.generated import GeneratedReference
from nil_core.storage import digests
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.testing import moving_blob
from nil_core.types import Motion, Reference


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    video = replace(moving_blob(5, 16, 16), trajectory=np.zeros((5, 9)))
    assert video.masks is not None
    folder = tmp_path / "a reference"
    save_generated(
        folder, GeneratedReference(video, video.masks, video.frames[0], video.masks[0], {"prompt": "It walks."})
    )
    rows = np.zeros((5, 3), np.float32)
    motion = Motion(np.zeros((5, 9)), "video", True, {"reasons": []})
    save_reference(folder, Reference(video.frames, video.masks, rows, rows, 25.0, motion=motion))
    return folder


def test_what_was_saved_comes_back(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    generated, reference = load_generated(folder), load_reference(folder)
    assert np.array_equal(generated.video.frames, reference.frames) and generated.video.trajectory is not None
    assert reference.motion is not None and reference.motion.report == {"reasons": []}
    assert not caplog.records


@pytest.mark.parametrize("name", ["source.npz", "aligned.npz", "provenance.json", "motion.json"])
def test_a_byte_gone_bad_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) * 3 // 4] ^= 1
    (folder / name).write_bytes(content)
    loaders: list[Callable[[Path], Any]] = [load_generated] * (name in ("source.npz", "provenance.json"))
    loaders += [load_reference] * (name != "source.npz")
    for load in loaders:
        with pytest.raises(RunError, match=f"is damaged: {name} is not what was written") as caught:
            load(folder)
        assert caught.value.hint.endswith(f"rm '{folder / digests.NAME}'")


def test_one_without_digests_is_read_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / digests.NAME).unlink()
    load_generated(folder)
    load_reference(folder)
    assert len(caplog.messages) == 2 and all("has no digests.json" in message for message in caplog.messages)


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda arrays: arrays.pop(name)


def _with(**more: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda arrays: arrays.update(more)


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("source.npz", _without("facts"), "source.npz lacks the array facts"),
        ("source.npz", _with(nasks=np.zeros(1)), "source.npz holds an array that does not belong there: nasks"),
        ("source.npz", _with(robot=np.zeros((5, 16, 8), bool)), "source.npz holds pictures"),
        ("source.npz", _with(fps=np.array(0.0)), "a video needs a positive frame rate"),
        ("aligned.npz", _without("embeddings"), "aligned.npz lacks the array embeddings"),
        ("aligned.npz", _with(features=np.zeros((2, 3), np.float32)), "aligned.npz holds features of shape"),
        ("aligned.npz", _with(masks=np.zeros((5, 16, 16))), "aligned.npz holds pictures"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    folder: Path, file: str, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    arrays = read_arrays(folder / file)
    change(arrays)
    write_arrays(folder / file, arrays)
    digests.record(folder, [file])
    with pytest.raises(RunError, match=f"is damaged: {says}"):
        (load_generated if file == "source.npz" else load_reference)(folder)


def test_a_table_that_is_none_is_named(folder: Path) -> None:
    (folder / "provenance.json").write_text(json.dumps([]))
    digests.record(folder, ["provenance.json"])
    with pytest.raises(RunError, match=r"provenance.json contains no table"):
        load_generated(folder)
