"""Where weights are found, what is said when they are not, and what tells two apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from nil_core import weights
from nil_core.card import Weights
from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import DataError, RunError
from nil_core.experiment.manifest import check_versions, manifest, versions

BASE = Weights("base", "owner/model-base", "CC-BY-NC-4.0", 486)
PARTED = Weights("parted", "owner/parted", "MIT", 7, files=("*.json", "unet/*.safetensors"))
KNOWN = (BASE, PARTED)
COMMIT = "0123456789abcdef0123456789abcdef01234567"

Lay = Callable[[str, dict[str, bytes]], Path]


@pytest.fixture(autouse=True)
def nil_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "nil"))
    return tmp_path / "nil"


@pytest.fixture
def lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lay:
    """Writes a model into a hub cache as the hub's client does: blobs by hash, a snapshot of links, a ref."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def write(repository: str, files: dict[str, bytes]) -> Path:
        root = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        snapshot = root / "snapshots" / COMMIT
        for name, content in files.items():
            blob = root / "blobs" / hashlib.sha256(content).hexdigest()
            link = snapshot / name
            for path in (blob, link, root / "refs" / "main"):
                path.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(content)
            link.symlink_to(blob)
        (root / "refs" / "main").write_text(COMMIT)
        return snapshot

    return write


def local(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


FILES = {"config.json": b"{}", "model.safetensors": b"numbers"}


@pytest.mark.parametrize("name", ["base", "owner/model-base"])
def test_a_model_of_the_card_is_found_in_the_hubs_cache(name: str, lay: Lay) -> None:
    assert lay("owner/model-base", FILES) == weights.locate(name, KNOWN)


def test_any_model_of_the_hub_and_any_folder_will_do(lay: Lay, tmp_path: Path) -> None:
    assert lay("some.one/else_2", FILES) == weights.locate("some.one/else_2", KNOWN)
    mine = local(tmp_path / "mine", FILES)
    assert weights.locate(str(mine), KNOWN) == mine


def test_what_is_not_here_is_named_with_the_ways_to_get_it(lay: Lay) -> None:
    with pytest.raises(DataError, match=r"owner/model-base \(486 MB\)") as caught:
        weights.locate("base", KNOWN)
    for way in ("nil models fetch owner/model-base", "folder"):
        assert way in caught.value.hint


def test_half_a_download_is_not_a_model(lay: Lay, tmp_path: Path) -> None:
    lay("owner/model-base", {"config.json": b"{}"})
    with pytest.raises(DataError, match=r"is not \(completely\)"):
        weights.locate("base", KNOWN)
    snapshot = lay("owner/parted", {"model_index.json": b"{}", "unet/a.safetensors": b"1"})
    tree = {"format_version": 1, "files": {}}
    for name in ("model_index.json", "unet/a.safetensors", "unet/b.safetensors"):
        tree["files"][name] = {"size": 1, "blob_id": "0" * 40}  # type: ignore[index]
    listing = snapshot.parents[1] / "trees" / f"{COMMIT}.json"  # what the client wrote down before it began
    listing.parent.mkdir()
    listing.write_text(json.dumps(tree))
    with pytest.raises(DataError, match="owner/parted"):
        weights.locate("parted", KNOWN)


@pytest.mark.parametrize("name", ["bse", "/no/such/folder", "a/b/c", "../x", ""])
def test_a_name_that_is_none_is_answered_with_the_names(
    name: str, lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError) as caught:
        weights.locate(name, KNOWN)
    assert "base, parted, random-tiny" in caught.value.hint


def test_an_empty_folder_holds_no_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no weights"):
        weights.locate(str(local(tmp_path / "mine", {"config.json": b"{}"})), KNOWN)


def test_a_copy_has_the_same_fingerprint_and_other_numbers_another(lay: Lay, tmp_path: Path) -> None:
    cached = lay("owner/model-base", FILES)
    copy = local(tmp_path / "copy", FILES | {"README.md": b"words", ".cache/x": b"traces"})
    assert weights.fingerprint(cached) == weights.fingerprint(copy)
    assert weights.fingerprint(local(tmp_path / "c", FILES | {"config.json": b"{ }"})) != weights.fingerprint(copy)
    renamed = local(tmp_path / "d", {"config.json": b"{}", "other.safetensors": b"numbers"})
    assert weights.fingerprint(renamed) != weights.fingerprint(copy)


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = local(tmp_path / "mine", FILES)
    first = weights.fingerprint(folder)
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)  # nobody may hash
        assert weights.fingerprint(folder) == first
    (folder / "model.safetensors").write_bytes(b"numbers!")
    assert weights.fingerprint(folder) != first


def test_hashes_need_no_cache(tmp_path: Path, nil_cache: Path) -> None:
    nil_cache.write_text("a file where the cache should be")
    folder = local(tmp_path / "mine", FILES)
    assert weights.fingerprint(folder) == weights.fingerprint(folder)


PLUGIN = """
from pydantic import Field
from nil_core.api import ComponentCard, Options, Weights

class EyeOptions(Options):
    weights: str = Field("base", description="Which.")

CARD = ComponentCard(kind="encoder", summary="Sees.", target="weighty:Eye", config=EyeOptions,
                     weights=(Weights("base", "owner/model-base", "MIT", 1),))

class Eye:
    clip_length, frame_size = 8, 16
    def __init__(self, options): self.options = options
    def encode(self, clips): return clips.reshape(len(clips), -1).astype("float32")
"""


@pytest.fixture(scope="module")
def weighty(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-encoder-weighty", "[nil.encoders]\nweighty = weighty:CARD\n", weighty=PLUGIN)
    with visible(site.install()):
        yield


def chosen(name: str = "base") -> Any:
    return choose(RunConfig(encoder={"name": "weighty", "weights": name}))


@pytest.mark.usefixtures("weighty")
class TestOfAComponent:
    def test_its_identity_is_that_of_its_weights_wherever_they_lie(self, lay: Lay, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="owner/model-base"):
            chosen()["encoder"].identity()
        lay("owner/model-base", FILES)
        identity = chosen()["encoder"].identity()
        assert json.loads(json.dumps(identity)) == identity
        mine = local(tmp_path / "mine", FILES)
        assert chosen(str(mine))["encoder"].identity() == identity
        (mine / "model.safetensors").write_bytes(b"others")
        assert chosen(str(mine))["encoder"].identity()["weights"] != identity["weights"]

    def test_a_run_goes_on_with_the_same_weights_only(self, tmp_path: Path) -> None:
        mine = local(tmp_path / "mine", FILES)
        choice = chosen(str(mine))
        saved = manifest(RunConfig(), choice)
        check_versions(saved, choice)
        assert saved["components"]["encoder"]["options"]["weights"] == str(mine)
        (mine / "model.safetensors").write_bytes(b"others")
        with pytest.raises(RunError, match="other weights of the encoder weighty"):
            check_versions(saved, choice)

    def test_a_manifest_needs_no_weights(self, lay: Lay) -> None:
        choice = chosen()
        made = manifest(RunConfig(), choice)
        assert made["components"]["encoder"]["weights"] is None and "weights" not in made
        check_versions({"versions": versions(choice)} | made, choice)

    def test_random_weights_are_loud(self, caplog: pytest.LogCaptureFixture) -> None:
        choice = chosen("random-tiny")
        choice["encoder"].build()
        assert "RANDOM WEIGHTS: the encoder weighty" in caplog.text
        assert next(iter(manifest(RunConfig(), choice).items())) == ("weights", "random-tiny")
        assert choice["encoder"].identity()["weights"] == "random-tiny"
