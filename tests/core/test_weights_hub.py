"""Fetching from a hub on loopback that answers as the real one does, troubles included."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

from nil_core import weights
from nil_core.card import Weights
from nil_core.errors import DataError, MachineError

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class Hub(ThreadingHTTPServer):
    """A hub of models: repository to files. ``refuse`` answers whoever asks for a file with a status instead."""

    daemon_threads = True

    def __init__(self, models: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.models = models
        self.refuse: dict[str, int] = {}
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = urlsplit(self.path).path.strip("/").split("/")
        owner_model = path[2:4] if path[0] == "api" else path[:2]
        files = self.server.models.get("/".join(owner_model))
        if files is None:
            return self.reply(401, b"", {"X-Error-Code": "RepoNotFound"}, body)  # what the hub says to strangers
        if path[0] == "api":
            if path[4] == "revision":
                found: object = {"id": "/".join(owner_model), "sha": COMMIT, "siblings": []}
            else:
                found = [
                    {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                    for name, content in files.items()
                ]
            return self.reply(200, json.dumps(found).encode(), {"Content-Type": "application/json"}, body)
        name = "/".join(path[4:])
        if status := self.server.refuse.get(name):
            code = {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask first"} if status == 403 else {}
            return self.reply(status, b"", code, body)
        content = files[name]
        etag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        if body:
            self.server.sent.append(name)
        return self.reply(200, content, etag, body)

    def reply(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


MODELS = {
    "owner/model-base": {"config.json": b"{}", "model.safetensors": b"numbers", "pytorch_model.bin": b"the same"},
    "owner/old": {"config.json": b"{}", "pytorch_model.bin": b"numbers"},
    "owner/parted": {"a.json": b"{}", "unet/a.safetensors": b"1", "unet/a.fp16.safetensors": b"2"},
    "owner/words": {"README.md": b"words", "config.json": b"{}"},
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub(MODELS)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    files = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    server.shutdown()
    server.server_close()


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_was_fetched_is_found_and_not_fetched_again(hub: Hub) -> None:
    known = (Weights("base", "owner/model-base", "MIT", 1),)
    folder = weights.fetch("base", known)
    assert weights.locate("base", known) == folder
    assert names(folder) == {"config.json", "model.safetensors"}  # no older format beside safetensors
    assert (folder / "model.safetensors").read_bytes() == b"numbers"
    sent = list(hub.sent)
    assert weights.fetch("base", known) == folder and hub.sent == sent


def test_an_older_model_comes_as_it_is(hub: Hub) -> None:
    assert names(weights.fetch("owner/old", ())) == {"config.json", "pytorch_model.bin"}
    assert weights.locate("owner/old", ()).is_dir()


def test_only_the_files_of_the_card_are_fetched(hub: Hub) -> None:
    known = (Weights("parted", "owner/parted", "MIT", 1, files=("*.json", "*.fp16.safetensors")),)
    assert names(weights.fetch("parted", known)) == {"a.json", "unet/a.fp16.safetensors"}
    assert weights.locate("parted", known).is_dir()


def test_an_interrupted_download_goes_on_with_what_is_missing(hub: Hub) -> None:
    hub.refuse["model.safetensors"] = 404
    with pytest.raises(DataError, match="owner/model-base") as caught:
        weights.fetch("owner/model-base", ())
    assert "nil models fetch owner/model-base" in caught.value.hint and "folder" in caught.value.hint
    with pytest.raises(DataError, match=r"is not \(completely\)"):
        weights.locate("owner/model-base", ())
    hub.refuse.clear()
    weights.fetch("owner/model-base", ())
    assert sorted(hub.sent) == ["config.json", "model.safetensors"]


def test_models_that_are_not_for_everybody(hub: Hub) -> None:
    with pytest.raises(DataError, match="no model owner/nothing, or it is private"):
        weights.fetch("owner/nothing", ())
    hub.refuse["model.safetensors"] = 403
    with pytest.raises(DataError, match="accept") as caught:
        weights.fetch("owner/model-base", ())
    assert "HF_TOKEN" in caught.value.hint


def test_a_model_without_weights_is_none(hub: Hub) -> None:
    with pytest.raises(DataError, match="has no weights"):
        weights.fetch("owner/words", ())


def test_without_a_network_the_message_says_what_to_do(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="cannot download owner/model-base") as caught:
        weights.fetch("owner/model-base", ())
    assert "nil models fetch owner/model-base" in caught.value.hint and "copy its folder" in caught.value.hint


def test_a_full_disk_is_told_as_such(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **named: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(MachineError, match="the disk is full") as caught:
        weights.fetch("owner/model-base", ())
    assert "HF_HOME" in caught.value.hint


def test_the_command_fetches_into_hf_home_and_finds_it_there(hub: Hub, tmp_path: Path) -> None:
    """As a person types it: in a process of its own, with the environment's own settings."""
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
    env.pop("HF_HUB_CACHE", None)

    def nil(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nil_core.cli.main", "models", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True)

    fetched = nil("fetch", "owner/model-base")
    assert fetched.returncode == 0, fetched.stderr
    assert nil("where", "owner/model-base").stdout.strip() == fetched.stdout.splitlines()[-1]
    assert str(tmp_path / "home") in fetched.stdout
