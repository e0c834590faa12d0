"""What a run logs is read back from the event files with TensorBoard's reader."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nil_core.api import write_video
from nil_core.hooks import Hooks
from nil_core.testing import check_light

CONFIG = {"skill": "walking", "track": [], "agent": {"name": "sac"}}
POLICIES = {"trained": {"return": 0.5, "return_ci95": [0.4, 0.6]}, "zero": {"return": 0.25, "return_ci95": None}}


@pytest.fixture
def hooks() -> Hooks:
    """Hooks with this tracker only."""
    from nil_tracker_tensorboard import TensorBoard

    hooks = Hooks()
    hooks.register(TensorBoard(), "tensorboard")
    return hooks


@pytest.fixture
def status(tmp_path: Path) -> Callable[[str, int], None]:
    """Writes ``status.json``, as a run does."""

    def write(state: str, step: int) -> None:
        (tmp_path / "status.json").write_text(json.dumps({"state": state, "step": step}))

    return write


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return reader.Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def texts(folder: Path, tag: str) -> list[str]:
    return [event.tensor_proto.string_val[0].decode() for event in read(folder).Tensors(tag)]


def test_a_whole_run(hooks: Hooks, tmp_path: Path, status: Callable[[str, int], None]) -> None:
    status("started", 0)
    hooks.fire("run_started", folder=tmp_path, config=CONFIG)
    hooks.fire("metrics", step=40, values={"reward": 0.5, "critic_loss": 0.25})
    hooks.fire("metrics", step=60, values={"eval.return": 1.5})
    assert scalars(tmp_path, "reward") == [(40, 0.5)], "metrics are readable during the run"
    status("finished", 80)
    frames = np.zeros((5, 16, 32, 3), np.uint8)
    frames[:, :, 16:] = np.arange(150, 250, 20, np.uint8)[:, None, None, None]
    write_video(tmp_path / "comparison.mp4", frames, 25.0)
    hooks.fire("video_written", path=tmp_path / "comparison.mp4", kind="comparison")
    Image.new("RGB", (20, 10), "red").save(tmp_path / "curve.png")
    hooks.fire("run_finished", folder=tmp_path, summary={"finished": True, "policies": POLICIES})
    assert scalars(tmp_path, "eval/return") == [(60, 1.5)]
    assert scalars(tmp_path, "critic_loss") == [(40, 0.25)]
    assert json.loads(texts(tmp_path, "config")[0].removeprefix("```json").removesuffix("```")) == CONFIG
    assert "| trained | 0.5 | [0.4, 0.6] |" in texts(tmp_path, "table")[0]
    assert texts(tmp_path, "end") == ["finished"]
    (curve,) = read(tmp_path).Images("curve")
    assert (curve.step, curve.width, curve.height) == (80, 20, 10)
    assert curve.encoded_image_string == (tmp_path / "curve.png").read_bytes()
    (video,) = read(tmp_path).Images("videos/comparison")
    gif = Image.open(io.BytesIO(video.encoded_image_string))
    assert (gif.format, gif.n_frames, gif.size, gif.info["duration"]) == ("GIF", 5, (32, 16), 40)
    shown = np.asarray(gif.convert("L"))
    assert shown[:, :12].max() < 20 and shown[:, 20:].min() > 130


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_a_resumed_run_continues_its_curves(
    hooks: Hooks, tmp_path: Path, status: Callable[[str, int], None], state: str
) -> None:
    """Killed at step 60 with a checkpoint at 20: repeated steps appear once."""
    status("started", 0)
    hooks.fire("run_started", folder=tmp_path, config=CONFIG)
    for step in (20, 40, 60):
        hooks.fire("metrics", step=step, values={"reward": step / 100})
    hooks.fire("run_finished", folder=tmp_path, summary={"finished": False, "state": state})
    assert texts(tmp_path, "end") == [state]
    status("learning", 20)
    hooks.fire("run_started", folder=tmp_path, config=CONFIG)
    for step in (40, 60, 80):
        hooks.fire("metrics", step=step, values={"reward": step / 10})
    assert [(step, round(value, 3)) for step, value in scalars(tmp_path, "reward")] == [
        (20, 0.2),
        (40, 4),
        (60, 6),
        (80, 8),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_full_disk_is_one_warning(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith("tensorboard is switched off: ") and "File too large" in line
    assert scalars(tmp_path, "reward") == [(20, 0.5)], "what was written before can be read"


FULL = """
import resource, sys
from pathlib import Path
from nil_core.hooks import Hooks
from nil_tracker_tensorboard import TensorBoard

folder, hooks = Path(sys.argv[1]), Hooks()
hooks.register(TensorBoard(), "tensorboard")
hooks.fire("run_started", folder=folder, config={})
hooks.fire("metrics", step=20, values={"reward": 0.5})
size = sum(file.stat().st_size for file in (folder / "tensorboard").iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
for step in (40, 60):
    hooks.fire("metrics", step=step, values={"reward": 0.5})
hooks.fire("run_finished", folder=folder, summary={"finished": False, "state": "failed"})
"""


def test_is_found_by_name_and_light_to_import() -> None:
    Hooks.load().require(["tensorboard"])
    check_light("nil_tracker_tensorboard")


def test_it_needs_no_torch_to_write(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nil_tracker_tensorboard.event_file import EventFile\n"
        f"file = EventFile(Path({str(tmp_path)!r})); file.scalars({{'a': 1.0}}, 1)\n"
        "assert not {'torch', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
