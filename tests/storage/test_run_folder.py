"""The run folder: made once, opened again, refused when it is not one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from nil_core.config import RunConfig
from nil_core.errors import ConfigError, RunError
from nil_core.storage import run_folder
from nil_core.storage.run_folder import RunFolder

CONFIG = RunConfig(skill="walking", seed=7, steps=40, agent={"name": "sac", "gamma": 0.95})


def test_a_run_is_opened_as_it_was_made(tmp_path: Path) -> None:
    made = run_folder.create(tmp_path / "runs" / "a", CONFIG, {"versions": {"nil-core": "0.1"}})
    opened, config = run_folder.open_run(made.path)
    assert config == CONFIG and opened == made
    manifest = opened.read(opened.manifest)
    assert (manifest["nil"], manifest["format"], manifest["versions"]) == (
        "run",
        run_folder.FORMAT,
        {"nil-core": "0.1"},
    )
    status = opened.read(opened.status)
    assert (status["state"], status["step"]) == ("started", 0)


def test_the_status_follows(tmp_path: Path) -> None:
    folder = run_folder.create(tmp_path / "a", CONFIG, {})
    folder.write_status("interrupted", 120)
    status = folder.read(folder.status)
    assert (status["state"], status["step"]) == ("interrupted", 120)


def test_everything_in_a_run_has_a_name_of_its_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    names = [name for name, value in vars(RunFolder).items() if isinstance(value, property)]
    paths = {getattr(folder, name) for name in names}
    assert len(paths) == len(names) == 12
    assert all(path.parent == tmp_path for path in paths)


@pytest.mark.parametrize("occupant", ["file", "folder"])
def test_what_is_there_is_never_written_over(tmp_path: Path, occupant: str) -> None:
    path = tmp_path / "a"
    if occupant == "file":
        path.write_text("precious")
    else:
        path.mkdir()
        (path / "precious").write_text("precious")
    with pytest.raises(RunError, match="exists already") as caught:
        run_folder.create(path, CONFIG, {})
    assert caught.value.hint == "another --out", "it is no run that could be resumed"
    assert (path if occupant == "file" else path / "precious").read_text() == "precious"


def test_a_run_that_is_there_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "it's a"
    run_folder.create(path, CONFIG, {})
    with pytest.raises(RunError, match="exists already") as caught:
        run_folder.create(path, CONFIG, {})
    assert f"`nil run --resume {shlex.quote(str(path))}`" in caught.value.hint


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert run_folder.create(tmp_path / "a", CONFIG, {}).config.exists()


@pytest.mark.parametrize(
    "manifest", [None, "{}", '{"nil": "reference"}', "{", '{"nil": "run"}', '{"nil": "run", "format": 2}', "\xff"]
)
def test_what_is_no_run_of_ours_is_refused(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest.encode("latin-1"))
    with pytest.raises(RunError) as caught:
        run_folder.open_run(tmp_path)
    assert str(tmp_path) in caught.value.message and caught.value.hint


def test_a_path_that_is_not_there_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(RunError):
            run_folder.open_run(path)


def test_another_format_names_the_version_that_reads_it(tmp_path: Path) -> None:
    folder = run_folder.create(tmp_path / "a", CONFIG, {"versions": {"nil-core": "9.9"}})
    folder.manifest.write_text(json.dumps(folder.read(folder.manifest) | {"format": 99}))
    with pytest.raises(RunError, match="format 99") as caught:
        run_folder.open_run(folder.path)
    assert "nil-core 9.9" in caught.value.hint


@pytest.mark.parametrize(("text", "error"), [(None, RunError), ("= 1", RunError), ("stepz = 3", ConfigError)])
def test_a_damaged_config_is_refused(tmp_path: Path, text: str | None, error: type[Exception]) -> None:
    folder = run_folder.create(tmp_path / "a", CONFIG, {})
    folder.config.unlink()
    if text is not None:
        folder.config.write_text(text)
    with pytest.raises(error):
        run_folder.open_run(folder.path)


def test_a_fresh_path_tells_runs_apart_and_is_a_plain_name(tmp_path: Path) -> None:
    config = RunConfig(skill="walking back/wards: *fast*", robot="a1", seed=3)
    paths = []
    for _ in range(3):
        path = run_folder.fresh_path(tmp_path, config)
        path.mkdir()
        paths.append(path)
    assert len(set(paths)) == 3
    assert all(
        path.parent == tmp_path and "a1-walking-back-wards" in path.name and "-s3" in path.name for path in paths
    )
    assert not set(paths[0].name) & set("/:* ")


def test_runs_are_listed_oldest_first_and_nothing_else(tmp_path: Path) -> None:
    for name in ("2026-01-02_a", "2026-01-01_b"):
        run_folder.create(tmp_path / name, CONFIG, {})
    (tmp_path / "notes").mkdir()
    assert [folder.path.name for folder in run_folder.list_runs(tmp_path)] == ["2026-01-01_b", "2026-01-02_a"]
    assert run_folder.list_runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", ["[" * 100_000, '{"finished": tr', "[]", "\udcff"])
def test_a_damaged_file_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.summary.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(RunError, match=r"summary\.json cannot be read") as caught:
        folder.read(folder.summary)
    assert "\n" not in caught.value.message
