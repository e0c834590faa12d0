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


def test_the_table_says_how_good_eyes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    names = registry.names
    monkeypatch.setattr(registry, "names", lambda kind: ("lost", "hog") if kind == "encoder" else names(kind))
    lines = rank("--robot", "a1", "--set", "environment.render_size=64").splitlines()
    assert any(line.startswith("warning: lost is left out: no encoder is called 'lost'") for line in lines)
    likeness = lines[lines.index("Likeness to a walk of a1") + 1 :]
    assert likeness[0].split() == ["behavior", "apart", "cm", "IoU", "hog"]
    assert likeness[1].split() == ["the", "walk", "itself", "0.0", "1.000", "1.000"]
    apart = [float(line.split()[-3]) for line in likeness[1:17]]
    assert apart == sorted(apart)
    (eyes,) = (line.split() for line in lines if line.strip().startswith("hog "))
    assert eyes[1] == "yes" and float(eyes[3]) > 0.8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["hogg"], "did you mean 'hog'"), (["--mocap", "nowhere.npz"], "nowhere.npz"), (["--robot", "a2"], "'a2'")],
)
def test_mistakes_are_named(arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nil_generator_mocap")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NilError, match=says):
        rank(*(["hog"] if arguments[0].startswith("--") else []), *arguments)
