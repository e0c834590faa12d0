"""``nil run --preset smoke`` as a stranger types it, and everything one can do with the folder it leaves."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from nil_core.config import RunConfig, resolve
from nil_core.video.files import read_video

CHECKPOINT = {
    "agent/replay.safetensors",
    "agent/state.json",
    "agent/state.safetensors",
    "digests.json",
    "loop.json",
    "loop.npz",
}
PROMISED = {
    "config.toml",
    "lock",
    "manifest.json",
    "status.json",
    "metrics.jsonl",
    "timing.jsonl",
    "curve.png",
    "summary.json",
    "videos/comparison.mp4",
    "videos/contact_sheet.png",
    "reference/first_frame.png",
    "reference/first_mask.png",
    "reference/prompt.txt",
    "reference/video.mp4",
    "reference/masks.mp4",
    "reference/source.npz",
    "reference/aligned.npz",
    "reference/provenance.json",
    "reference/digests.json",
    "reference/motion.json",
    "reference/motion.mp4",
    *(f"checkpoints/best/{name}" for name in ("agent/state.json", "agent/state.safetensors", "digests.json")),
    *(f"checkpoints/step-000000080/{name}" for name in CHECKPOINT),
    *(f"checkpoints/step-000000160/{name}" for name in CHECKPOINT),
}
POLICIES = {"trained", "standing", "base", "random"}
MEANS = {
    *("return", "similarity", "iou", "speed", "environment_reward", "length"),
    *("locomujoco_1.25", "locomujoco_1.0", "locomujoco_0.5", "locomujoco_own"),
    *("reference_loss_deg", "reference_warp", "reference_shift_deg", "reference_keybody_mm"),
    *("joint_acceleration", "torque_change", "foot_slip", "cost_of_transport", "asymmetry"),
}
COLUMNS = {
    *MEANS,
    *(f"{name}_{part}" for name in MEANS for part in ("std", "ci95")),
    *("falls", "episodes", "seed", "locomujoco_own_speed"),
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory, nil_process: Callable[..., Any]) -> tuple[Path, str]:
    """The one real run of these tests: its folder, and what the terminal said."""
    home = tmp_path_factory.mktemp("home")
    outcome = nil_process("run", "--preset", "smoke", cwd=home)
    assert outcome.code == 0, outcome.err
    (folder,) = (home / "runs").iterdir()
    return folder, outcome.out


@pytest.fixture
def copy(smoke: tuple[Path, str], tmp_path: Path) -> Path:
    """A run to spoil, and one that needs no further process."""
    copy = Path(shutil.copytree(smoke[0], tmp_path / "copy"))
    config = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(config.replace("workers = 1", "workers = 0"))
    return copy


def rows(folder: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_it_leaves_exactly_the_files_promised(smoke: tuple[Path, str]) -> None:
    folder = smoke[0]
    assert folder.name.endswith("_a1-walking-s0")
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert {file for file in files if not file.startswith("tensorboard/")} == PROMISED
    assert "pickle" not in {file.suffix for file in folder.rglob("*")}


def test_its_config_gives_the_same_run_again(smoke: tuple[Path, str]) -> None:
    wanted = resolve("smoke").config
    assert RunConfig.model_validate(tomllib.loads((smoke[0] / "config.toml").read_text())) == wanted
    assert resolve(file=smoke[0] / "config.toml").config == wanted


def test_its_manifest_says_what_made_it(smoke: tuple[Path, str]) -> None:
    manifest = read(smoke[0], "manifest.json")
    assert manifest["command"][1:] == ["run", "--preset", "smoke"]
    assert manifest["seed"] == 0
    plugins = {"nil-agent-sac", "nil-encoder-hog", "nil-generator-gait", "nil-robot-a1", "nil-segmenter-sim-mask"}
    assert set(manifest["versions"]) == plugins | {"nil-core"}
    assert {"numpy", "mujoco", "torch"} <= set(manifest["libraries"])
    assert manifest["hardware"]["cores"] >= 1 and manifest["hardware"]["gl"]
    assert manifest["components"]["agent"]["options"]["gamma"] == 0.95, "defaults of components are resolved too"
    assert read(smoke[0], "status.json")["state"] == "finished"
    assert read(smoke[0], "status.json")["step"] == 160


def test_its_metrics_have_no_clock_and_its_timing_has(smoke: tuple[Path, str]) -> None:
    kinds = [(row["step"], row["kind"]) for row in rows(smoke[0])]
    assert kinds == [(40, "train"), (80, "train"), (80, "eval"), (120, "train"), (160, "train"), (160, "eval")]
    assert rows(smoke[0])[-2]["critic_loss"] > 0, "it has learned"
    for row in rows(smoke[0]):
        assert not {"seconds", "time", "at", "physics"} & set(row)
        assert all(np.isfinite(value) for name, value in row.items() if name != "kind")
    assert [row["step"] for row in rows(smoke[0], "timing.jsonl")] == [40, 80, 120, 160]
    for row in rows(smoke[0], "timing.jsonl"):
        assert {"seconds", "physics", "render", "encode", "update"} <= set(row)
        assert row["seconds"] > 0


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [("videos/comparison.mp4", 11, 512), ("reference/video.mp4", 11, 64), ("reference/masks.mp4", 11, 64)],
)
def test_a_browser_plays_its_videos(smoke: tuple[Path, str], name: str, frames: int, size: int) -> None:
    file = smoke[0] / name
    with av.open(str(file)) as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate or 0) == 25.0
    content = file.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it can be played while it loads"
    video = read_video(file)
    assert video.frames.shape == (frames, size, size, 3)


def test_the_comparison_shows_reference_rollout_and_their_masks(smoke: tuple[Path, str]) -> None:
    frames = read_video(smoke[0] / "videos" / "comparison.mp4").frames.astype(int)
    with np.load(smoke[0] / "reference" / "aligned.npz") as aligned:
        reference, masks = aligned["frames"], aligned["masks"]
    shown = frames[:, :256, :256].reshape(len(frames), 64, 4, 64, 4, 3).mean(axis=(2, 4))
    assert np.abs(shown - reference).mean() < 3
    below = frames[:, 256:, :256].reshape(len(frames), 64, 4, 64, 4, 3).mean(axis=(2, 4, 5)) > 127
    assert (below == masks).mean() > 0.99
    for panel in (frames[:, :256, 256:], frames[:, 256:, 256:]):
        assert 0.02 < (panel.max(axis=-1) > 40).mean() < 0.6, "the rollout and its mask show a robot on black"


def test_pictures(smoke: tuple[Path, str]) -> None:
    for name in ("curve.png", "videos/contact_sheet.png", "reference/first_frame.png", "reference/first_mask.png"):
        with Image.open(smoke[0] / name) as image:
            assert len(set(image.convert("L").tobytes())) > 1, f"{name} shows something"
    with Image.open(smoke[0] / "curve.png") as image:
        assert image.width > 2 * image.height, "return, S_v, IoU and speed stand side by side"


def test_the_summary_and_the_table_at_the_end_agree(smoke: tuple[Path, str]) -> None:
    folder, said = smoke
    summary = read(folder, "summary.json")
    assert summary["finished"] is True and summary["steps"] == 160
    assert set(summary["policies"]) == POLICIES
    for policy, row in summary["policies"].items():
        assert set(row) == COLUMNS
        line, scores, _, quality = (line.split() for line in said.splitlines() if line.split()[:1] == [policy])
        assert line[1:4] == [f"{row[name]:.3f}" for name in ("return", "similarity", "iou")]
        assert line[4:6] == [f"{row[name]:.3f}" for name in ("speed", "environment_reward")]
        assert scores[1] == f"{row['locomujoco_1.25']:.1f}" and quality[1] == f"{row['joint_acceleration']:.1f}"
        assert row["reference_loss_deg"] <= row["reference_shift_deg"] * (1 + 1e-9)  # rounding
        assert row["foot_slip"] >= 0
        assert row["locomujoco_own_speed"] == summary["reference_speed"] and row["seed"] == 0
    standing = summary["policies"]["standing"]
    assert abs(standing["speed"]) < 0.05
    assert standing["environment_reward"] == pytest.approx(np.exp(-(summary["target_speed"] ** 2)), abs=0.05)
    gain = summary["policies"]["trained"]["return"] / standing["return"] - 1
    assert summary["return_over_zero"] == pytest.approx(gain)
    assert f"return {gain:+.0%} relative to standing still, after 160 steps" in said


def test_the_terminal_shows_every_stage(smoke: tuple[Path, str]) -> None:
    folder, said = smoke
    where = Path("runs") / folder.name
    story = [
        "walking: generator gait, encoder hog, segmenter sim_mask, robot a1, agent sac, reward imitation; ",
        "160 steps, seed 0",
        "reference: 11 frames of 64x64 at 25 fps",  # from the cache, if another test came first
        ": The Unitree A1 agent is walking, camera follows.",
        "P_S   stability         0.1     rad^2 of torso tilt",
        "step 160/160",
        "\ntime: ",
        " bounds the run",
        "Evaluation",
        f"video: {where / 'videos/comparison.mp4'}",
        f"curve: {where / 'curve.png'}",
    ]
    places = [said.index(line) for line in story]
    assert places == sorted(places)


def test_stage_one_is_kept_with_its_provenance(smoke: tuple[Path, str]) -> None:
    folder = smoke[0] / "reference"
    assert (folder / "prompt.txt").read_text() == "The Unitree A1 agent is walking, camera follows.\n"
    provenance = read(folder, "provenance.json")
    assert provenance["seed"] == 0
    assert provenance["generator"]["name"] == "gait" and provenance["video"]["facts"]["speed"] > 0
    assert provenance["video"]["frames"] == 11 and provenance["video"]["fps"] == 25.0
    with np.load(folder / "aligned.npz") as aligned, np.load(folder / "source.npz") as source:
        assert (aligned["frames"] == source["frames"]).all(), "same rate and size: nothing to align"
        assert aligned["embeddings"].shape[0] == aligned["masks"].shape[0] == 11


def test_eval_gives_the_rows_of_the_summary_again(copy: Path, nil: Callable[..., Any]) -> None:
    outcome = nil("eval", copy, "--json")
    assert (outcome.code, json.loads(outcome.out)) == (0, read(copy, "summary.json")["policies"])
    other = nil("eval", copy, "--episodes", "2", "--seed", "7", "--checkpoint", "best")
    assert other.code == 0
    table = [line.split() for line in other.out.splitlines()]
    assert [line[-1] for line in table if line[:1] and line[0] in POLICIES][:4] == ["2"] * 4


def test_eval_measures_the_distance_from_a_recording(copy: Path, nil: Callable[..., Any]) -> None:
    """A second of a gait, with a cycle that is repeated."""
    pytest.importorskip("nil_generator_mocap")
    times = np.arange(101) / 100
    phases = 2 * np.pi * times[:, None] / 0.5
    joints = [f"{leg}_{part}_joint" for leg in ("FR", "FL", "RR", "RL") for part in ("hip", "thigh", "calf")]
    motion = {f"q_{name}": np.full(101, {"hip": 0.0, "thigh": 0.8, "calf": -1.6}[name[3:-6]]) for name in joints}
    for number, name in enumerate(joints):
        motion[f"q_{name}"] = motion[f"q_{name}"] + 0.1 * np.sin(phases[:, 0] + number)
    root = {f"q_trunk_{name}": np.zeros(101) for name in ("ty", "tz", "rotation", "list", "tilt")}
    np.savez("walk.npz", **motion, **root, q_trunk_tx=0.5 * times)
    files = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    said = ("--mocap", "walk.npz", "--set", "evaluation.mocap_options.rate=100", "--falls", "locomujoco")
    outcome = nil("eval", copy, *said, "--json", "--save")
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)
    saved = json.loads((copy / "evaluation.json").read_text())
    assert saved["policies"] == rows and saved["conditions"]["settings"]["evaluation.falls"] == "locomujoco"
    compared = json.loads(nil("runs", "compare", copy, "--json").out)
    assert compared["runs"][0]["metrics"]["mocap_loss_deg"] == rows["trained"]["mocap_loss_deg"]
    again = nil("eval", copy, *said, "--save")
    assert f"saved before: {copy / 'evaluation.json'}" in again.out
    nil("eval", copy, "--save", "--checkpoint", "best").complains("the policy after the last step", "--checkpoint best")
    assert set(rows["standing"]) == COLUMNS | {
        *(f"mocap_{name}" for name in ("loss_deg", "warp", "shift_deg", "keybody_mm")),
        *(f"mocap_{name}_std" for name in ("loss_deg", "warp", "shift_deg", "keybody_mm")),
        *(f"mocap_{name}_ci95" for name in ("loss_deg", "warp", "shift_deg", "keybody_mm")),
        *("locomujoco_falls", "locomujoco_falls_std", "locomujoco_falls_ci95"),
    }
    assert 2 < rows["standing"]["mocap_loss_deg"] < 12, "a stand is off by the mean of the swing, and its own pose"
    assert rows["standing"]["mocap_shift_deg"] == pytest.approx(rows["standing"]["mocap_loss_deg"], rel=0.2)
    short = {name: values[:2] for name, values in (motion | root | {"q_trunk_tx": 0.5 * times}).items()}
    np.savez("short.npz", **short)
    np.savez("other.npz", **{name.replace("FR_", "arm_"): values for name, values in motion.items()}, **root,
             q_trunk_tx=times)  # fmt: skip
    nil("eval", copy, "--mocap", "none.npz").complains("there is no recording none.npz", "--mocap walk.npz")
    nil("eval", copy, "--mocap", "other.npz").complains("does not move FR_hip_joint", "a recording of the robot a1")
    nil("eval", copy, "--mocap", "short.npz").complains("has 2 samples", "take a longer recording")
    nil("eval", copy, *said[:2], "--set", "evaluation.mocap_options.strat=1").complains(
        "has no option 'strat'", "start"
    )
    nil("run", "--preset", "smoke", "--set", "evaluation.mocap=none.npz").complains("there is no recording none.npz")
    assert not Path("runs").exists() and files == {path: path.read_bytes() for path in files}


def test_the_newest_policy_is_not_passed_off_as_the_best(copy: Path, nil: Callable[..., Any]) -> None:
    shutil.rmtree(copy / "checkpoints" / "best")
    for command in ("eval", "play", "export"):
        nil(command, copy, "--checkpoint", "best").complains("has no best policy", "--checkpoint newest")


def test_play_writes_a_video_with_the_floor_in_it(
    copy: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    outcome = nil("play", copy, "--out", "new/walk.mp4", "--size", "96")
    assert outcome.code == 0, outcome.err
    assert "video: new/walk.mp4" in outcome.out
    video = read_video("new/walk.mp4")
    assert video.fps == 25.0 and video.frames.shape[1:] == (96, 96, 3) and len(video.frames) >= 2
    corners = video.frames[:, -8:, [0, 1, 2, 3, -4, -3, -2, -1]]
    assert (corners.max(axis=-1) > 20).all(), "there is a floor below the robot, not black"


def test_runs_list_and_show(smoke: tuple[Path, str], nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = smoke[0]
    monkeypatch.setenv("COLUMNS", "200")
    listed = nil("runs", "list", "--root", folder.parent)
    trained = read(folder, "summary.json")["policies"]["trained"]
    (line,) = (line for line in listed.out.splitlines() if folder.name in line)
    assert "finished" in line and "160" in line and f"{trained['return']:.3f}" in line
    shown = nil("runs", "show", folder)
    for words in ("finished at step 160 of 160", "run --preset smoke", "camera follows.", "nil-agent-sac", "trained"):
        assert words in shown.out
    assert "no runs under runs" in nil("runs", "list").out
    nil("runs", "show", ".").complains("is no run folder", "nil runs list")


def test_one_worker_or_none_gives_the_same_bytes(
    smoke: tuple[Path, str], nil: Callable[..., Any], tmp_path: Path
) -> None:
    """With the same stage 1, so this is `--reference` on a run folder too."""
    sets = ["--set", "simulation.workers=0"]
    outcome = nil("run", "--preset", "smoke", *sets, "--reference", smoke[0], "--out", "again")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "again" / "metrics.jsonl").read_bytes() == (smoke[0] / "metrics.jsonl").read_bytes()
    kept = "reference/source.npz"
    with np.load(tmp_path / "again" / kept) as mine, np.load(smoke[0] / kept) as theirs:
        assert all((mine[name] == theirs[name]).all() for name in theirs.files)


def test_a_finished_run_wants_a_new_goal(copy: Path, nil: Callable[..., Any]) -> None:
    nil("run", "--resume", copy).complains("is already trained for 160 steps", f"nil run --resume {copy} --steps 320")
    nil("run", "--resume", copy, "--steps", "100").complains("is already trained for 160 steps")


@pytest.mark.parametrize(
    "options",
    [["--skill", "trotting"], ["--seed", "0"], ["--preset", "smoke"], ["--set", "reward.iou=0"], ["--out", "else"]],
)
def test_what_a_resumed_run_cannot_change(copy: Path, nil: Callable[..., Any], options: Sequence[str]) -> None:
    nil("run", "--resume", copy, *options).complains(f"combined with {options[0]}", f"nil run --resume {copy}")


def test_other_plugin_versions_do_not_go_on(copy: Path, nil: Callable[..., Any]) -> None:
    manifest = read(copy, "manifest.json")
    manifest["versions"]["nil-agent-sac"] = "0.0.1"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    for command in (["run", "--steps", "180", "--resume"], ["eval"], ["play"]):
        nil(*command, copy).complains("made with nil-agent-sac 0.0.1", "pip install nil-agent-sac==0.0.1")
    assert read(copy, "summary.json") and read(copy, "status.json")["state"] == "finished", "the run is untouched"


def test_a_damaged_checkpoint_can_be_stepped_over(copy: Path, nil: Callable[..., Any]) -> None:
    newest, before = copy / "checkpoints" / "step-000000160", copy / "checkpoints" / "step-000000080"
    for name, damaged in (("loop.npz", bytes(100)), ("agent/replay.safetensors", None)):
        whole = (newest / name).read_bytes()
        (newest / name).unlink()
        if damaged is not None:
            (newest / name).write_bytes(damaged)
        nil("run", "--resume", copy, "--steps", "180").complains(f"is damaged: {name} is", f"rm -r {newest}")
        (newest / name).write_bytes(whole)
    untouched = {"config.toml", "metrics.jsonl", "summary.json"}
    config = (copy / "config.toml").read_text()
    assert "steps = 160" in config and all((copy / name).exists() for name in untouched)
    shutil.rmtree(newest)
    (copy / "status.json").write_text(json.dumps({"state": "learning", "step": 80}))
    outcome = nil("run", "--resume", copy)
    assert outcome.code == 0, outcome.err
    assert "resuming from step 80" in outcome.out and before.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", "{", "manifest.json cannot be read"),
        ("manifest.json", "[]", "manifest.json cannot be read"),
        ("manifest.json", '{"nil": "run", "format": 99}', "format 99"),
        ("config.toml", "steps = ", "config.toml cannot be read"),
        ("config.toml", "stepz = 3", "'stepz'"),
        ("status.json", "", "status.json cannot be read"),
        ("reference/aligned.npz", "PK", "is damaged: aligned.npz is not what was written"),
    ],
)
def test_a_damaged_run_folder(copy: Path, nil: Callable[..., Any], name: str, content: str, says: str) -> None:
    (copy / name).write_text(content)
    nil("run", "--resume", copy, "--steps", "180").complains(says)
