"""Keys are read from the environment or a private file, and are never shown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.errors import ConfigError
from nil_core.hosted.keys import REDACTED, Keys, key_file

PAGE = "https://service.example/keys"


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SOME_KEY", raising=False)


def write(text: str, mode: int = 0o600) -> Path:
    path = key_file("SOME_KEY")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_takes_precedence_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("from-file\n")
    assert Keys(PAGE).get("SOME_KEY").get_secret_value() == "from-file"
    monkeypatch.setenv("SOME_KEY", " from-environment ")
    assert Keys(PAGE).get("SOME_KEY").get_secret_value() == "from-environment"


def test_the_error_for_a_missing_key_names_both_ways_to_set_it() -> None:
    with pytest.raises(ConfigError) as error:
        Keys(PAGE).get("SOME_KEY")
    message = str(error.value)
    assert "export SOME_KEY=" in message and str(key_file("SOME_KEY")) in message and PAGE in message


@pytest.mark.parametrize(
    "value",
    [
        '"a-key"', "'a-key'", "a-key\r\n", "  a-key\t", "Bearer a-key", "bearer  a-key\n", "Key a-key",
        '"Bearer a-key"', "Bearer 'a-key'", "\u201ca-key\u201d", "\ufeffa-key", "\xa0a-key\u200b",
    ],
)  # fmt: skip
def test_what_env_files_and_web_pages_leave_around_a_key_is_not_part_of_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(value)
    assert Keys(PAGE).get("SOME_KEY").get_secret_value() == "a-key"
    monkeypatch.setenv("SOME_KEY", value)
    assert Keys(PAGE).get("SOME_KEY").get_secret_value() == "a-key"


def test_hints_hold_in_a_folder_with_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "it's mine"))
    path = write("a-key", 0o644)
    with pytest.raises(ConfigError) as error:
        Keys(PAGE).get("SOME_KEY")
    subprocess.run(error.value.hint, shell=True, check=True)
    assert path.stat().st_mode & 0o777 == 0o600 and Keys(PAGE).get("SOME_KEY")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_access_is_rejected(mode: int) -> None:
    path = write("a-key", mode)
    with pytest.raises(ConfigError) as error:
        Keys(PAGE).get("SOME_KEY")
    assert error.value.hint == f"chmod 600 {path}" and "a-key" not in str(error.value)


@pytest.mark.parametrize(
    "value", ["", "two words", "line\nbreak", "schlüssel", '""', "Bearer two words", "a\x1bkey", "a\x7fkey"]
)
def test_an_invalid_key_is_rejected_without_being_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(value)
    with pytest.raises(ConfigError) as error:
        Keys(PAGE).get("SOME_KEY")
    assert len(value) < 3 or value not in str(error.value)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.text(), st.text())
def test_keys_are_removed_from_any_text(key: str, before: str, after: str) -> None:
    keys = Keys(PAGE)
    secret = keys.add_secret(key)
    assert key not in repr(secret) and key not in str(secret)
    assert keys.redact(f"{before}{key}{after}").count(REDACTED) >= 1
    assert key not in keys.redact(f"{before} {key} {after}").replace(REDACTED, "\0")
