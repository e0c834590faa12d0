"""What a user can get wrong: two lines that say what and how to mend it, exit code 2, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.testing import moving_blob
from nil_core.video.files import write_png, write_video

LEGLESS = """
from dataclasses import replace
from nil_core.api import ComponentCard
from nil_core.testing import ToyQuadruped

CARD = ComponentCard(kind="robot", summary="It has no feet.", target="legless:Legless")

class Legless(ToyQuadruped):
    def __init__(self, options):
        super().__init__()
        self.spec = replace(self.spec, feet=())
"""
MASKERS = """
import numpy as np
from nil_core.api import ComponentCard

EMPTY = ComponentCard(kind="segmenter", summary="Sees no robot from the fourth frame on.", target="maskers:Empty")
FULL = ComponentCard(kind="segmenter", summary="Sees nothing but robot.", target="maskers:Full")
WRONG = ComponentCard(kind="segmenter", summary="Does not keep the contract.", target="maskers:Wrong")

class Empty:
    def __init__(self, options): pass
    def segment(self, video, first_mask, progress):
        masks = video.masks.copy()
        masks[3:] = False
        return masks

class Full:
    def __init__(self, options): pass
    def segment(self, video, first_mask, progress):
        return np.ones_like(video.masks)

class Wrong:
    def __init__(self, options): pass
    def segment(self, video, first_mask, progress):
        return video.masks[:-1]
"""
ENTRY_POINTS = """[nil.robots]
legless = legless:CARD
[nil.segmenters]
empty = maskers:EMPTY
full = maskers:FULL
wrong = maskers:WRONG
"""


@pytest.fixture(scope="module")
def strange(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    site.add("nil-strange", ENTRY_POINTS, legless=LEGLESS, maskers=MASKERS)
    folder: Path = site.install()
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Any:
    """After every test: no run, no reference, no temporary file."""
    yield
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "runs").exists() and not (tmp_path / "references").exists()
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.parametrize(
    ("options", "says", "remedy"),
    [
        (["--set", "reward.iuo=0"], "no option 'iuo': did you mean 'iou'", "--set reward.iou"),
        (["--set", "reward=imitatoin"], "did you mean 'imitation'", "--reward imitation"),
        (["--set", "reward.terms.grace=1"], "no reward term is called 'grace'", "leave out reward.terms.grace"),
        (
            ["--set", "reward.terms.grace=-1"],
            "reward.terms.grace=-1: input should be greater",
            "--set reward.terms.grace",
        ),
        (["--set", "rewrad.iou=0"], "'rewrad'", "reward"),
        (["--set", "agent.gama=0.9"], "no option 'gama': did you mean 'gamma'", "--set agent.gamma"),
        (["--set", "reward.iou"], "is not of the form a.b=c", "--set reward.iou=0"),
        (["--set", "reward.iou=much"], "reward.iou=much: input should be a valid number", "--set reward.iou"),
        (["--set", "reward.video=-1"], "reward.video", "--set reward.video"),
        (["--set", "reward.iou=nan"], "reward.iou", "--set reward.iou"),
        (["--set", "reward.iou=inf"], "reward.iou", "--set reward.iou"),
        (["--set", "agent.gamma=high"], "agent.gamma", ""),
        (["--set", "agent.batch=64"], "agent.batch is now agent.batch_size", "--set agent.batch_size=64"),
        (["--set", "environment.tick_hz=7"], "control_hz must be a multiple of tick_hz", "nil config show"),
        (["--steps", "0"], "steps", "nil config show"),
        (["--seed", "-1"], "seed", "nil config show"),
        (["--preset", "smoek"], "'smoek'", "quickstart, smoke"),
        (["--agent", "sca"], "did you mean 'sac'", "--agent sac"),
        (["--robot", "a2"], "no robot is called 'a2'; installed: a1", "pip install nil-robot-a2"),
        (["--config", "missing.toml"], "cannot read the config missing.toml", "path"),
        (["--config", "."], "cannot read the config", "path"),
        (["--skill", "jumping"], "cannot do 'jumping'", "walking, walking backwards, trotting"),
        (["--reference", "nowhere"], "nowhere is not a reference folder (it does not exist)", "nil generate"),
        (["--reference", "."], "is not a reference folder (source.npz: No such file or directory)", "nil generate"),
        (["--resume", "nowhere"], "nowhere is no run folder", "nil runs list"),
        (["--resume", "."], "is no run folder", "nil runs list"),
        (["--generator", "file", "--segmenter", "chroma"], "needs a video", "generator.path="),
        (["--generator", "file", "--segmenter", "sim_mask"], "segmenter sim_mask hands on", "--segmenter chroma"),
    ],
)
def test_options(nil: Callable[..., Any], options: Sequence[str], says: str, remedy: str) -> None:
    nil("run", *options).complains(says, remedy)


def test_an_option_that_does_not_exist(nil: Callable[..., Any]) -> None:
    outcome = nil("run", "--sede", "3")
    assert outcome.code == 2
    assert "No such option: --sede" in outcome.err and "--seed" in outcome.err


def test_a_config_file_that_is_not_toml(nil: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("steps: 3\n")
    nil("run", "--config", "run.toml").complains("run.toml is not TOML", "nil config show --toml")
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    nil("run", "--config", "run.toml").complains("run.toml is not TOML")
    (tmp_path / "run.toml").write_text("[reward]\niou = 'much'\n")
    nil("run", "--config", "run.toml").complains("reward.iou")


def test_nothing_is_ever_written_over(nil: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for command in ("run", "generate"):
        for out in ("mine", "file"):
            nil(command, "--preset", "smoke", "--out", out).complains(f"{out} exists already", "another --out")
        nil(command, "--preset", "smoke", "--out", "file/below").complains("a part of the path is a file", "--out")
        nil(command, "--preset", "smoke", "--out", "x" * 300).complains("the name is too long", "--out")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--robot", "legless"], "feet"),
        (["--segmenter", "empty"], "the robot's mask is empty in frame 3 (8 of 11 frames)"),
        (["--segmenter", "full"], "the robot's mask fills more than 90% of the frame in frame 0 (11 of 11 frames)"),
        (["--segmenter", "wrong"], "segmenter wrong gave bool (10, 64, 64), not bool (11, 64, 64)"),
    ],
)
def test_components_that_do_not_serve(
    nil: Callable[..., Any], visible: Callable[[Path], Any], strange: Path, options: Sequence[str], says: str
) -> None:
    with visible(strange):
        nil("run", "--preset", "smoke", *options, "--out", "out").complains(says)


def broken_videos(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Name to content and complaint."""
    video = moving_blob(frames=30)
    write_video(folder / "whole.mp4", video.frames, 12.0)
    write_video(folder / "still.mp4", video.frames[:1], 12.0)
    write_video(folder / "brief.mp4", video.frames[:2], 60.0)
    write_video(folder / "black.mp4", np.zeros_like(video.frames), 12.0)
    whole = (folder / "whole.mp4").read_bytes()
    return {
        "empty.mp4": (b"", "empty.mp4 is empty"),
        "text.mp4": (b"no film at all, but long enough to look at", "no video that can be read"),
        "noise.mp4": (np.random.default_rng(0).bytes(5000), "no video that can be read"),
        "truncated.mp4": (whole[: len(whole) // 2], "breaks off"),
        "headless.mp4": (whole[300:], "no video that can be read"),
        "one-frame.mp4": ((folder / "still.mp4").read_bytes(), "fewer than two frames"),
        "too-short.mp4": ((folder / "brief.mp4").read_bytes(), "too short: 2 frame(s) at 60 fps"),
        "nobody.mp4": ((folder / "black.mp4").read_bytes(), "no robot differs"),
    }


def test_video_files(nil: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--generator", "file", "--segmenter", "chroma", "--out", "out"]
    for name, (content, says) in broken_videos(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        nil("run", *options, "--set", f"generator.path={name}").complains(says)
    nil("run", *options, "--set", "generator.path=nowhere.mp4").complains(
        "nowhere.mp4 does not exist", "check the path"
    )
    cut = ["--set", "generator.path=whole.mp4", "--set", "generator.start=99"]
    nil("run", *options, *cut).complains("fewer than two frames between the cuts")
    crop = ["--set", "generator.path=whole.mp4", "--set", "generator.crop=[0,0,640,10]"]
    nil("run", *options, *crop).complains("leaves the picture")
    (tmp_path / "images").mkdir()
    images = ["--set", "generator.path=images"]
    nil("run", *options, *images).complains("no frame rate", "generator.fps=25")
    nil("run", *options, *images, "--set", "generator.fps=25").complains("holds no images")
    write_png(tmp_path / "images" / "1.png", moving_blob().frames[0])
    write_png(tmp_path / "images" / "2.png", moving_blob(height=30).frames[0])
    nil("run", *options, *images, "--set", "generator.fps=25").complains("frame 1 (2.png) is 64 x 30", "one size")


def test_debug_shows_the_traceback(nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_core.errors import RunError

    monkeypatch.setenv("NIL_DEBUG", "1")
    with pytest.raises(RunError, match="is no run folder"):
        nil("run", "--resume", "nowhere")
