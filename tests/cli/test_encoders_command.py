"""``nil encoders rank``: what it prints, and what it says of eyes that cannot see."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nil_core import registry
from nil_core.cli.main import app
from nil_core.errors import NilError

pytest.importorskip("nil_encoder_hog")
pytest.importorskip("nil_generator_gait")
pytest.importorskip("nil_robot_a1")


def rank(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["encoders", "rank", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_ranks_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    names = registry.names
    monkeypatch.setattr(registry, "names", lambda kind: ("lost", "hog") if kind == "encoder" else names(kind))
    lines = rank("--robot", "a1", "--set", "environment.render_size=64").splitlines()
    assert any(line.startswith("warning: lost is skipped: no encoder is called 'lost'") for line in lines)
    table = lines[lines.index("Similarity to a walk of a1") + 1 :]
    assert table[0].split() == ["behavior", "distance", "cm", "IoU", "hog"]
    assert table[1].split() == ["the", "walk", "itself", "0.0", "1.000", "1.000"]
    distances = [float(line.split()[-3]) for line in table[1:17]]
    assert distances == sorted(distances)
    (row,) = (line.split() for line in lines if line.strip().startswith("hog "))
    assert row[1] == "yes" and float(row[3]) > 0.8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["hogg"], "did you mean 'hog'"), (["--mocap", "nowhere.npz"], "nowhere.npz"), (["--robot", "a2"], "'a2'")],
)
def test_mistakes_are_named(arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nil_generator_mocap")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NilError, match=says):
        rank(*(["hog"] if arguments[0].startswith("--") else []), *arguments)
