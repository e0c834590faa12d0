"""A paid generator on the command line: consent is asked once, it is paid once, and no key is shown or stored."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nil_core import registry
from nil_core.cli import options
from nil_core.cli.main import main
from nil_core.config import RunConfig, resolve
from nil_core.errors import ConfigError
from nil_core.experiment.generate import generate
from nil_core.hosted import Clock, RejectedError
from nil_core.payment import Estimate
from nil_core.testing.fake_service import FakeResponse, FakeService
from nil_core.testing.fal import FalProtocol
from nil_core.testing.hosted import hosted_request

FIELDS = {"seed", "negative_prompt", "resolution", "duration"}
Nil = Callable[..., int]


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("meshes")


@pytest.fixture
def service(tmp_path: Path, meshes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "meshes").symlink_to(meshes)  # computed once for all tests
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FAL_KEY", FalProtocol.key)
    monkeypatch.setattr("nil_core.hosted.generator.Clock", lambda: Clock(sleep=lambda seconds: None))
    monkeypatch.chdir(tmp_path)
    service = FakeService(FalProtocol(FIELDS))
    yield service
    service.close()


def settings(service: FakeService) -> dict[str, object]:
    return {
        "generator": {"name": "pika", "base_url": service.url},
        "segmenter": "chroma",
        "video": {"seconds": 0.4, "first_frame_size": 64},
        "environment": {"render_size": 32},
    }


@pytest.fixture
def nil(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Nil:
    """Runs a command in this process and returns its exit code."""
    Path("paid.toml").write_text(RunConfig.model_validate(settings(service)).to_toml())

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["nil", *words, "--config", "paid.toml"])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def test_asked_once_paid_once(nil: Nil, service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    assert nil("generate", "--out", "refused") == 2
    error = capsys.readouterr().err
    assert "0.20 USD for pika 2.2 720p, 5 s" in error and "--yes" in error
    assert not Path("refused").exists() and not service.requests
    assert nil("generate", "--out", "first", "--yes") == 0
    assert "paying about 0.20 USD" in capsys.readouterr().out
    assert nil("generate", "--out", "second") == 0
    assert "(from cache)" in capsys.readouterr().out
    assert len(service.tasks) == 1
    provenance = json.loads(Path("second/provenance.json").read_text())
    facts = provenance["video"]["facts"]
    assert facts["cost"]["estimate"] == 0.2 and facts["request"]["prompt"] == provenance["prompt"]
    assert facts["sha256"] and facts["model"] and facts["ordered"] and facts["task"] == service.tasks[0].id


def test_a_setting_that_is_not_part_of_the_order_costs_nothing(service: FakeService) -> None:
    config = resolve(options=settings(service)).config
    estimates: list[Estimate] = []
    generate(config, Path("first"), consent=estimates.append)
    patient = resolve(options=settings(service) | {"generator.deadline": 9}).config
    generate(patient, Path("second"))  # the default refuses to pay
    assert len(service.tasks) == 1 and [each.amount for each in estimates] == [0.2]


LOGIN = "<title>Sign in to HotelNet</title>"


@pytest.mark.parametrize(
    ("page", "kind"),
    [(f"<!DOCTYPE html><html><head>{LOGIN}", "text/html; charset=utf-8"), (f"\n<HTML>{LOGIN}", "text/plain")],
)
def test_a_web_page_in_answer_to_an_order_is_not_of_the_service(
    nil: Nil, service: FakeService, capsys: pytest.CaptureFixture[str], page: str, kind: str
) -> None:
    service.order_faults.append(lambda: FakeResponse(page.encode(), headers={"Content-Type": kind}))
    assert nil("generate", "--out", "walk", "--yes") == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert "another server answers" in message and "nothing is paid" in message and "HotelNet" in message
    assert "may have been" not in message and "log in to the network" in hint
    assert nil("generate", "--out", "walk", "--yes") == 0 and len(service.tasks) == 1


def test_consent_is_asked_at_a_terminal(nil: Nil, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(options.typer, "confirm", lambda question: next(answers))
    assert nil("generate", "--out", "refused") == 2 and not service.tasks
    assert nil("generate", "--out", "first") == 0 and len(service.tasks) == 1


def test_a_key_in_a_message_of_the_service_is_in_no_log_and_no_traceback(
    nil: Nil, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = FalProtocol.key
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("NIL_DEBUG", "1")
    response = FakeResponse({"detail": f"No user found for the key {key}"}, 401)
    service.order_faults.append(lambda: response)
    with pytest.raises(RejectedError) as error:
        nil("generate", "--out", "refused", "--yes")
    shown = "".join(traceback.format_exception(error.value))
    assert "refuses (key): No user found for the key ***" in shown and key not in shown + caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and [str(path) for path in files if key.encode() in path.read_bytes()] == []


def test_hosted_generators_import_no_torch() -> None:
    code = (
        "import sys; from nil_core import registry\n"
        "for name in ('kling', 'runway', 'pika', 'fal', 'sora'):\n"
        "    registry.build('generator', name, {'base_url': 'https://service.example'})\n"
        "assert not {'torch', 'transformers', 'diffusers', 'mujoco'} & set(sys.modules), sys.modules.keys()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_an_estimate_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="FAL_KEY is not set"):
        registry.build("generator", "pika", {}).estimate(hosted_request())
