"""Stage 1 alone, and references that come from elsewhere: other rates, other sizes, other programs."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.config import resolve
from nil_core.experiment.generate import generate
from nil_core.reporting import Silent
from nil_core.video.files import read_video, write_video


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference of one second at another rate and size than the smoke run's."""
    sets = ["environment.tick_hz=12.5", "environment.render_size=96", "video.seconds=1"]
    config = resolve(options={"skill": "trotting", "seed": 3}, sets=sets).config
    return generate(config, tmp_path_factory.mktemp("generated") / "trot", Silent())


def test_generate_leaves_a_folder_to_look_at(generated: Path) -> None:
    assert {file.name for file in generated.iterdir()} == {
        "config.toml",
        "first_frame.png",
        "first_mask.png",
        "prompt.txt",
        "video.mp4",
        "masks.mp4",
        "source.npz",
        "provenance.json",
        "digests.json",
        "motion.json",
        "motion.mp4",
    }
    video = read_video(generated / "video.mp4")
    assert (video.fps, video.frames.shape) == (12.5, (13, 96, 96, 3))
    assert (generated / "prompt.txt").read_text() == "The Unitree A1 agent is trotting, camera follows.\n"
    assert json.loads((generated / "provenance.json").read_text())["seed"] == 3


def test_a_run_takes_it_and_aligns_it(
    generated: Path, nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    unused = ["--generator", "file", "--set", "generator.path=missing.mp4", "--segmenter", "chroma"]
    options = ["--agent", "zero", "--set", "video.seconds=1"]
    outcome = nil("run", *fast, *options, *unused, "--reference", generated, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"reference {generated}: encoder hog, robot a1, agent zero, reward imitation;")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    made = {kind: manifest["components"][kind]["name"] for kind in ("generator", "segmenter", "agent")}
    assert made == {"generator": "gait", "segmenter": "sim_mask", "agent": "zero"}, (
        "what made it, not what was not used"
    )
    assert "nil-generator-gait" in manifest["versions"] and "nil-generator-file" not in manifest["versions"]
    assert "reference: 13 frames of 96x96 at 12.5 fps: The Unitree A1 agent is trotting, camera follows." in outcome.out
    assert "frames drawn" not in outcome.out, "stage 1 is skipped"
    with np.load(generated / "source.npz") as source, np.load(tmp_path / "run/reference/aligned.npz") as aligned:
        assert (aligned["frames"].shape, aligned["masks"].shape) == ((25, 64, 64, 3), (25, 64, 64))
        assert aligned["tick_hz"] == 25.0
        shown = np.arange(25) // 2  # at twice the rate every frame is held for two ticks
        centers = (np.arange(64) * 96 + 48) // 64
        nearest = source["robot"][shown][:, centers[:, None], centers]
        assert (aligned["masks"] == nearest).mean() > 0.97
        assert (aligned["frames"][0:24:2] == aligned["frames"][1:24:2]).all()
        assert (aligned["frames"].max(axis=-1)[~aligned["masks"]] == 0).all(), "robot on black"
    kept = json.loads((tmp_path / "run/reference/provenance.json").read_text())
    aligned = kept.pop("aligned")
    assert kept == json.loads((generated / "provenance.json").read_text())
    assert (aligned["alignment"], aligned["framing"], aligned["tick_hz"]) == ("hold", "whole", 25.0)
    assert aligned["first_frame"]["overlap"] > 0.9, "the same robot, drawn at another size"


def test_the_video_alone_serves_too(
    generated: Path, nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    """Keyed against black instead of drawn; and of an odd size, wide, as another program might have left it."""
    video = read_video(generated / "video.mp4")
    wide = np.pad(video.frames, [(0, 0), (0, 5), (20, 21), (0, 0)])
    assert wide.shape[1:3] == (101, 137)
    write_video(tmp_path / "odd.mp4", wide, video.fps)
    options = ["--generator", "file", "--segmenter", "chroma", "--agent", "random", "--set", "generator.path=odd.mp4"]
    outcome = nil("run", *fast, *options, "--out", "run")
    assert outcome.code == 0, outcome.err
    with np.load(tmp_path / "run/reference/source.npz") as mine, np.load(generated / "source.npz") as source:
        keyed = mine["robot"][:, :96, 20:116]
        drawn = source["robot"][: len(keyed)]  # what this run asks for is read
        both = (keyed & drawn).sum(axis=(1, 2)) / (keyed | drawn).sum(axis=(1, 2))
        assert both.min() > 0.8
    provenance = json.loads((tmp_path / "run/reference/provenance.json").read_text())
    assert provenance["video"]["facts"]["source"] == "odd.mp4"
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["target_speed"] is None
    assert "environment_reward" not in summary["policies"]["standing"], "nobody knows the speed of a film"


def test_nothing_is_made_twice_until_the_file_changes(nil: Callable[..., Any], generated: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").write_bytes((generated / "video.mp4").read_bytes())
    options = ["--preset", "smoke", "--generator", "file", "--segmenter", "chroma", "--set", "generator.path=walk.mp4"]
    first = nil("generate", *options, "--out", "1").out
    assert "(from cache)" not in first
    assert first.splitlines()[-1] == "video: 1/video.mp4; to train on it: nil run --reference 1"
    assert "(from cache)" in nil("generate", *options, "--out", "2").out
    os.utime(tmp_path / "walk.mp4", ns=(1, 1))
    assert "(from cache)" not in nil("generate", *options, "--out", "3").out


def test_the_command_it_prints_holds_in_a_folder_with_blanks_and_quotes(nil: Callable[..., Any]) -> None:
    out = "it's a [walk] :smile:"
    command = ["generate", "--preset", "smoke", "--set", "motion.source=none", "--out", out]
    said = nil(*command).out
    words = shlex.split(said.partition("to train on it: ")[2].splitlines()[0])
    assert words == ["nil", "run", "--reference", out] and f"video: {out}/video.mp4" in said
    outcome = nil(*command)
    outcome.complains("exists already", "another --out")
    assert "--resume" not in outcome.err, "it is no run"


def test_a_reference_of_another_skill_is_named_by_itself(
    generated: Path, nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    options = ["--agent", "zero", "--set", "generator.path=ignored.mp4", "--set", "generator.name=file"]
    outcome = nil("run", *fast, *options, "--segmenter", "chroma", "--reference", generated, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "run/reference/prompt.txt").read_text() == (generated / "prompt.txt").read_text()


def test_what_the_simulator_drew_is_found_again_by_another_process(
    nil: Callable[..., Any], nil_process: Callable[..., Any], tmp_path: Path
) -> None:
    """Whose hashes are seeded differently."""
    options = ["generate", "--preset", "smoke", "--seed", "78", "--out"]
    assert "(from cache)" not in nil(*options, "1").out
    assert "(from cache)" in nil_process(*options, "2", cwd=tmp_path, PYTHONHASHSEED="2").out


SEVERAL = ("generate", "--preset", "smoke", "--segmenter", "chroma", "--generator", "gait,file", "--out", "both")


def test_several_are_made_to_choose_from(
    nil: Callable[..., Any], fast: Sequence[str], generated: Path, tmp_path: Path
) -> None:
    """One fails, the others are made; the same command makes what was missing; a run takes the one chosen."""
    failed = nil(*SEVERAL, "--set", "file.path=walk.mp4")
    assert failed.code == 2
    assert "warning: file failed: walk.mp4 does not exist" in failed.out + failed.err
    page = (tmp_path / "both/index.html").read_text()
    assert 'src="gait/video.mp4"' in page and 'src="file/video.mp4"' not in page and "walk.mp4 does not exist" in page
    drawn = (tmp_path / "both/gait/source.npz").stat().st_mtime_ns

    (tmp_path / "walk.mp4").write_bytes((generated / "video.mp4").read_bytes())
    outcome = nil(*SEVERAL, "--set", "file.path=walk.mp4")
    assert outcome.code == 0, outcome.err
    assert "both/gait already exists" in outcome.out and "nil run --reference both/gait" in outcome.out
    assert (tmp_path / "both/gait/source.npz").stat().st_mtime_ns == drawn
    page = (tmp_path / "both/index.html").read_text()
    for name in ("gait", "file"):
        for video in ("video.mp4", "masks.mp4"):
            assert f'src="{name}/{video}"' in page and (tmp_path / "both" / name / video).exists()
    assert "does not exist" not in page

    options = [
        "--preset",
        "smoke",
        "--set",
        "simulation.workers=0",
        "--set",
        "training.eval_every=0",
        "--agent",
        "zero",
    ]
    assert nil("run", *options, "--reference", "both/file", "--out", "run").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--generator", "gait,gait"], "contains a duplicate or empty name"),
        (["--generator", "gait,"], "contains a duplicate or empty name"),
        (["--generator", "gait,fiel"], "no generator is called 'fiel'"),
        (["--set", "file.pth=walk.mp4"], "has no option 'pth'"),
        (["--set", "generator.crop=[0,0,9,9]"], "'gait' has no option 'crop'"),
        (["--segmenter", "sim_mask"], "sim_mask hands on masks"),
        (["--out", "full"], "exists already"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    nil: Callable[..., Any], tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/index.html").write_text("<p>somebody's page</p>")
    nil(*SEVERAL, *options).complains(message)
    assert {path.name for path in tmp_path.iterdir()} == {"full"}
    assert (tmp_path / "full/index.html").read_text() == "<p>somebody's page</p>"


def test_where_all_fail_nothing_is_left(nil: Callable[..., Any], tmp_path: Path) -> None:
    outcome = nil(*SEVERAL[:-4], "--generator", "file,mocap", "--set", "generator.path=no.npz", "--out", "none")
    assert outcome.code == 2 and list(tmp_path.iterdir()) == []


def test_every_picture_may_be_drawn_between_frames_and_follow_the_robot(
    generated: Path, nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    pytest.importorskip("cv2")
    settings = ["video.seconds=1", "video.alignment=flow", "video.framing=box", "video.align_first_frame=true"]
    options = ["--agent", "zero", *(word for each in settings for word in ("--set", each))]
    outcome = nil("run", *fast, *options, "--reference", generated, "--out", "run")
    assert outcome.code == 0, outcome.err
    with np.load(tmp_path / "run/reference/aligned.npz") as aligned:
        frames, masks = aligned["frames"], aligned["masks"]
    assert frames.shape == (25, 64, 64, 3)
    assert (frames[1:24:2] != frames[0:23:2]).any(axis=(1, 2, 3)).all(), "no tick holds the frame before"
    rows, columns = np.nonzero(masks[0])
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert abs(longest - 64 / 1.2) < 3, "the robot fills the square, but for a tenth on each side"
    aligned = json.loads((tmp_path / "run/reference/provenance.json").read_text())["aligned"]
    assert (aligned["alignment"], aligned["framing"], aligned["first_frame_aligned"]) == ("flow", "box", True)
    standing = json.loads((tmp_path / "run/summary.json").read_text())["policies"]["standing"]
    assert standing["iou"] > 0.5, "reference and rollout are framed alike"


def test_rife_without_weights_is_refused_before_anything_is_drawn(nil: Callable[..., Any], tmp_path: Path) -> None:
    outcome = nil("run", "--preset", "smoke", "--set", "video.alignment=rife", "--out", "run")
    outcome.complains("rife_weights", "video.alignment=flow")
    assert list(tmp_path.iterdir()) == []


def test_no_cache_makes_a_video_anew(nil: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))

    def from_cache(name: str, *options: str) -> bool:
        outcome = nil("generate", "--preset", "smoke", "--seed", "77", "--out", name, *options)
        assert outcome.code == 0, outcome.err
        provenance = json.loads((tmp_path / name / "provenance.json").read_text())
        return bool(provenance["video"]["from_cache"])

    assert not from_cache("first")
    assert from_cache("second")
    assert not from_cache("third", "--no-cache")
    assert from_cache("fourth")
