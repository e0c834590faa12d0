"""The source of a plugin that was installed from a folder is part of its identity."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.experiment.manifest import changed_sources, check_versions, manifest
from nil_core.plugin_source import forget, source_hash
from nil_core.storage.cache import cached, fingerprint

CARD = """
from nil_core.api import ComponentCard
CARD = ComponentCard(kind="encoder", summary="Sees.", target="edited_eye.encoder:Eye")
"""
ENCODER = """
import numpy as np
class Eye:
    clip_length, frame_size = 1, 8
    def __init__(self, options): pass
    def encode(self, clips): return np.full((len(clips), 2), {value}, np.float32)
"""
FROM_A_FOLDER = json.dumps({"dir_info": {"editable": True}, "url": "file:///somewhere"})
FROM_AN_INDEX = json.dumps({"archive_info": {}, "url": "https://somewhere"})


def install(folder: Path, **metadata: str) -> Path:
    """An encoder whose files lie in a folder; gives the file that computes."""
    info = folder / "edited_eye-1.0.dist-info"
    info.mkdir(parents=True)
    about = {"METADATA": "Metadata-Version: 2.1\nName: edited-eye\nVersion: 1.0\n"}
    about["entry_points.txt"] = "[nil.encoders]\nedited = edited_eye:CARD\n"
    for name, text in (about | metadata).items():
        (info / name).write_text(text)
    package = folder / "edited_eye"
    package.mkdir()
    (package / "__init__.py").write_text(CARD)
    (package / "encoder.py").write_text(ENCODER.format(value=1))
    return package / "encoder.py"


@pytest.fixture
def installed(tmp_path: Path, visible: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))

    @contextmanager
    def installing(**metadata: str) -> Iterator[Path]:
        file = install(tmp_path / "site", **metadata)
        with visible(tmp_path / "site"):
            yield file

    return installing


def identity() -> dict[str, Any]:
    return choose(RunConfig(encoder="edited"))["encoder"].identity()


def edit(file: Path) -> None:
    """As between two processes."""
    file.write_text(ENCODER.format(value=2))
    forget()
    sys.modules.pop("edited_eye.encoder", None)
    for compiled in file.parent.glob("__pycache__/*"):
        compiled.unlink()


@pytest.mark.parametrize(
    "metadata", [{"RECORD": "", "direct_url.json": FROM_A_FOLDER}, {}, {"RECORD": "", "direct_url.json": "{"}]
)
def test_what_may_change_is_hashed(installed: Callable[..., Any], metadata: dict[str, str]) -> None:
    with installed(**metadata) as file:
        before = identity()
        assert len(before["source"]) == 32 and identity() == before
        edit(file)
        after = identity()
        assert after["source"] != before["source"]
        assert after | {"source": ""} == before | {"source": ""}
        (file.parent / "helper.py").touch()
        forget()
        assert identity()["source"] != after["source"]


@pytest.mark.parametrize("metadata", [{"RECORD": ""}, {"RECORD": "", "direct_url.json": FROM_AN_INDEX}])
def test_a_version_of_an_index_stands_for_its_source(installed: Callable[..., Any], metadata: dict[str, str]) -> None:
    with installed(**metadata):
        assert "source" not in identity()


def test_the_source_is_read_once_as_it_is_imported_once(installed: Callable[..., Any]) -> None:
    with installed() as file:
        before = identity()
        file.write_text(ENCODER.format(value=2))
        assert identity() == before


def test_the_core_is_known_by_its_version() -> None:
    assert source_hash("nil-core", "nil_core.baselines:ZERO", "nil_core.baselines:ZeroAgent") == ""
    assert source_hash("no-such-distribution", "nowhere:CARD") == ""


def test_an_edited_encoder_never_meets_embeddings_of_its_former_self(installed: Callable[..., Any]) -> None:
    frames = np.zeros((3, 8, 8, 3), np.uint8)

    def embeddings() -> np.ndarray:
        chosen = choose(RunConfig(encoder="edited"))["encoder"]
        key = fingerprint(frames, chosen.identity())
        return cached("embeddings", key, lambda: {"embeddings": chosen.build().encode(frames[:, None])})[0][
            "embeddings"
        ]

    with installed() as file:
        assert (embeddings() == 1).all()
        edit(file)
        assert (embeddings() == 2).all()


def test_a_run_may_go_on_with_an_edited_plugin_and_says_so(installed: Callable[..., Any]) -> None:
    with installed() as file:
        config = RunConfig(encoder="edited")
        saved = manifest(config, choose(config))
        assert changed_sources(saved, choose(config)) == []
        edit(file)
        check_versions(saved, choose(config))
        assert changed_sources(saved, choose(config)) == ["encoder edited"]
        assert changed_sources({}, choose(config)) == []
