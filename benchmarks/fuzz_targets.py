"""What fuzz.py damages, and the calls of nil that then meet it. Each target makes whole inputs once, in its home."""

from __future__ import annotations

import json
import os
import random
import shutil
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import numpy as np
from fuzz_inputs import MJCF, urdf
from fuzz_mutations import damaged_bytes, damaged_json, damaged_npz, damaged_text, damaged_xml, npz
from PIL import Image

from nil_core import registry
from nil_core.cli import runs
from nil_core.components import choose
from nil_core.config import RunConfig, resolve
from nil_core.experiment.experiment import build_scene
from nil_core.experiment.generate import generate
from nil_core.reference.alignment import align
from nil_core.reference.folder import load_generated, load_reference, save_generated, save_reference
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.preparation import prepare
from nil_core.report import compare
from nil_core.report.text import markdown
from nil_core.reporting import Silent
from nil_core.storage import digests, log, run_folder
from nil_core.testing import ToyQuadruped, moving_blob, random_transitions, toy_request, toy_scene
from nil_core.testing.fake_service import FakeResponse, ReceivedRequest, Task
from nil_core.testing.fal import FalProtocol
from nil_core.testing.hosted import Bench
from nil_core.train import checkpoint
from nil_core.types import AgentSpec, Motion, Reference, no_progress
from nil_core.video.files import write_lossless, write_video
from nil_generator_fal.service import Fal

SEALED = 0.3  # share of cases in which the digests fit the damage, so that what lies behind them meets it


class Target(ABC):
    """A kind of input.

    Args:
        home: an empty folder that stays for all cases.
    """

    name: str
    codes: tuple[int, ...] = (2,)
    """Exit codes of the errors that are fine: 2 is the user's mistake."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @abstractmethod
    def damage(self, rng: random.Random, folder: Path) -> None:
        """Put damaged input into an empty folder."""

    @abstractmethod
    def drive(self, folder: Path) -> None:
        """Let nil read it. What it writes goes to ``out`` in the folder, whole or not at all."""

    def check_output(self, folder: Path) -> None:  # noqa: B027  most write nothing
        """Raise AssertionError where a success left too little."""


class RobotFile(Target):
    """A robot's model through ``--robot mjcf``: derived, put into the scene, settled."""

    text, suffix = MJCF, ".xml"

    def damage(self, rng: random.Random, folder: Path) -> None:
        (folder / f"robot{self.suffix}").write_text(damaged_xml(rng, self.text), encoding="utf-8", errors="replace")

    def drive(self, folder: Path) -> None:
        robot = {"name": "mjcf", "path": str(folder / f"robot{self.suffix}")}
        config = RunConfig.model_validate({"robot": robot, "environment": {"render_size": 48}})
        build_scene(config, choose(config))


class Mjcf(RobotFile):
    """MJCF."""

    name = "mjcf"


class Urdf(RobotFile):
    """URDF."""

    name, text, suffix = "urdf", urdf(), ".urdf"


class Recording(Target):
    """An npz of joint angles through the generator ``mocap``; the scene draws without OpenGL."""

    name = "recording"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._request = toy_request(toy_scene(size=32), seconds=0.4)
        joints = [actuator.joint for actuator in ToyQuadruped().spec.actuators]
        count, time = 300, np.arange(300) / 500
        qpos = np.zeros((count, 7 + len(joints)))
        qpos[:, 0], qpos[:, 2], qpos[:, 3] = 0.5 * time, 0.3, 1
        qpos[:, 7:] = 0.3 * np.sin(2 * np.pi * 2 * time)[:, None]
        old = {f"q_trunk_{axis}": np.zeros(count) for axis in ("tx", "ty", "tz", "tilt", "list", "rotation")}
        old |= {f"q_{joint}": qpos[:, 7 + i] for i, joint in enumerate(joints)}
        new = {"qpos": qpos, "joint_names": np.array(["root", *joints]), "frequency": np.array(500.0)}
        self._files = [npz(old), npz(new), npz(new | {"split_points": np.array([0, 150, 300])})]

    def damage(self, rng: random.Random, folder: Path) -> None:
        (folder / "walk.npz").write_bytes(damaged_npz(rng, rng.choice(self._files)))

    def drive(self, folder: Path) -> None:
        registry.build("generator", "mocap", {"path": str(folder / "walk.npz")}).generate(self._request, no_progress)


class ReferenceFolder(Target):
    """What ``nil generate`` leaves and what a run keeps of it."""

    name = "reference"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._config = resolve("smoke", sets=["environment.render_size=32", "motion.source=none"]).config
        self._choice = choose(self._config)
        video = replace(moving_blob(12, 32, 32), trajectory=np.zeros((12, 19)), crop_box=(0.0, 0.0, 32.0))
        assert video.masks is not None
        said = {"prompt": "A robot walks.", "seconds": 0.4, "seed": 0}
        made = GeneratedReference(video, video.masks, video.frames[0], video.masks[0], said)
        save_generated(home, made)
        ready: Reference = prepare(made, self._config, self._choice["encoder"], None)
        report = {"reasons": [], "overlap_mean": 0.9, "forward_speed": 0.5}
        save_reference(home, replace(ready, motion=Motion(np.zeros((ready.ticks + 1, 19)), "video", True, report)))

    def damage(self, rng: random.Random, folder: Path) -> None:
        shutil.copytree(self.home, folder, dirs_exist_ok=True)
        name = rng.choice(["source.npz", "aligned.npz", "provenance.json", "motion.json", digests.NAME])
        _damage_file(rng, folder / name)
        if name != digests.NAME and rng.random() < SEALED:
            digests.record(folder, [name])
        elif rng.random() < SEALED:
            (folder / digests.NAME).unlink()

    def drive(self, folder: Path) -> None:
        failure: Exception | None = None
        for read in (self._generated, load_reference):
            try:
                read(folder)
            except Exception as error:  # the other reader is tried, too
                failure = failure or error
        if failure:
            raise failure

    def _generated(self, folder: Path) -> None:
        align(load_generated(folder), self._config)


class Checkpoint(Target):
    """A checkpoint of ``sac`` and the state of its loop."""

    name = "checkpoint"
    spec = AgentSpec(observation_size=5, action_size=2, num_envs=2, horizon=10, total_steps=100, seed=0)

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        agent = self._agent()
        agent.observe(random_transitions(20, 5, 2))
        arrays = {
            "environments": np.arange(12.0),
            "collector.running.actions": np.zeros((2, 3)),
            "reward.mean": np.ones(1),
        }
        self._saved = checkpoint.save(home, agent, checkpoint.LoopState(40, {"best": 0.5, "metrics": {}}, arrays), 1)

    def _agent(self) -> Any:
        options = {"hidden_sizes": [8], "batch_size": 8, "buffer_size": 100}
        known = registry.card("agent", "sac").config.model_fields
        return registry.build("agent", "sac", {k: v for k, v in options.items() if k in known}, self.spec)

    def damage(self, rng: random.Random, folder: Path) -> None:
        shutil.copytree(self._saved, folder, dirs_exist_ok=True)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        file = rng.choice(files)
        _damage_file(rng, file)
        if file.name != digests.NAME and rng.random() < SEALED:
            digests.record(folder, [file.relative_to(folder).as_posix()])

    def drive(self, folder: Path) -> None:
        checkpoint.load(folder, self._agent())


class RunFiles(Target):
    """The small files of a run, as ``nil runs`` and ``--resume`` read them."""

    name = "run"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        config = resolve("smoke").config
        folder = run_folder.create(home / "run", config, {"versions": {"nil-core": "0"}, "created": "", "command": []})
        (folder.reference).mkdir()
        (folder.reference / "prompt.txt").write_text("A robot walks.\n")
        for step in (40, 80):
            log.append(folder.metrics, {"step": step, "kind": "eval", "return": 0.5, "speed": 0.1})
            log.append(folder.timing, {"step": step, "seconds": 1.0, "update": 0.5})
        row = {"return": 0.5, "speed": 0.1, "episodes": 1}
        summary = {"finished": True, "steps": 160, "policies": {"trained": row, "zero": row}, "return_over_zero": 0.1}
        folder.summary.write_text(json.dumps(summary))
        conditions = {"steps": 160, "seed": 0, "settings": {"evaluation.episodes": 2}, "reward": {"reward.iou": 0.5}}
        head = {"nil": "evaluation", "format": 1, "at": "", "conditions": conditions, "recording_sha256": "0"}
        folder.evaluation.write_text(json.dumps({**head, "policies": {"trained": row | {"episodes": 2}}}))

    def damage(self, rng: random.Random, folder: Path) -> None:
        shutil.copytree(self.home, folder, dirs_exist_ok=True)
        _damage_file(rng, rng.choice(sorted(path for path in (folder / "run").iterdir() if path.is_file())))

    def drive(self, folder: Path) -> None:
        opened, _ = run_folder.open_run(folder / "run")
        for file in (opened.status, opened.summary):
            opened.read(file)
        log.cut_back(opened.metrics, 40)
        runs.list_(folder)
        runs.show(folder / "run")
        markdown(compare([folder / "run"]))


class Config(Target):
    """A ``--config`` file, and what it chooses."""

    name = "config"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        presets = [resolve(preset).config.to_toml() for preset in ("quickstart", "smoke")]
        self._texts = [*presets, 'robot = "a1"\nsteps = 40\n[reward]\niou = 0.5\n[agent]\nname = "sac"\ngamma = 0.9\n']

    def damage(self, rng: random.Random, folder: Path) -> None:
        text = damaged_text(rng, rng.choice(self._texts))
        (folder / "run.toml").write_text(text, encoding="utf-8", errors="replace")

    def drive(self, folder: Path) -> None:
        config = resolve(file=folder / "run.toml").config
        choose(config)
        RunConfig.model_validate(config.tree())


class VideoFile(Target):
    """A user's video through ``nil generate --generator file``: the folder is whole or not there."""

    name = "video"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        (home / "robot.xml").write_text(MJCF)
        video = moving_blob(14, 48, 64, 25.0)
        write_video(home / "walk.mp4", video.frames, video.fps)
        write_lossless(home / "walk.mkv", video.frames, video.fps)
        pictures = [Image.fromarray(frame) for frame in video.frames]
        for suffix in ("gif", "webp"):
            pictures[0].save(home / f"walk.{suffix}", save_all=True, append_images=pictures[1:], duration=40)
        self._files = sorted(home.glob("walk.*"))

    def damage(self, rng: random.Random, folder: Path) -> None:
        file = rng.choice(self._files)
        (folder / file.name).write_bytes(damaged_bytes(rng, file.read_bytes()))

    def drive(self, folder: Path) -> None:
        os.environ["NIL_CACHE"] = str(folder / "cache")
        (file,) = folder.glob("walk.*")
        tree = {
            "generator": {"name": "file", "path": str(file)},
            "segmenter": {"name": "chroma"},
            "robot": {"name": "mjcf", "path": str(self.home / "robot.xml")},
            "motion": {"source": "none"},
            "environment": {"render_size": 32},
            "video": {"first_frame_size": 64},
        }
        generate(RunConfig.model_validate(tree), folder / "out", Silent())

    def check_output(self, folder: Path) -> None:
        assert digests.verify(folder / "out", ["source.npz", "provenance.json"])
        load_generated(folder / "out")


class Service(Target):
    """The answers of a hosted service: the order, the polls, the file."""

    name = "service"
    codes = (1, 2)  # what a service does wrong is no mistake of the user

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        os.environ |= {"FAL_KEY": FalProtocol.key, "XDG_CONFIG_HOME": str(home / "config")}

    def damage(self, rng: random.Random, folder: Path) -> None:
        (folder / "seed.txt").write_text(str(rng.randrange(2**32)))

    def drive(self, folder: Path) -> None:
        os.environ["NIL_CACHE"] = str(folder / "cache")
        rng = random.Random((folder / "seed.txt").read_text())
        bench = Bench("fal", Fal, {"deadline": 600}, DamagingProtocol(rng))
        faults = ["", "", "", "expired", "page", "corrupt", "short", "cut", "reset"]
        bench.service.file_faults.extend(rng.choice(faults) for _ in range(3))
        try:
            bench.generate()
        finally:
            bench.service.close()


class DamagingProtocol(FalProtocol):
    """A fifth of the answers have another body, status or header."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__({"duration", "negative_prompt", "cfg_scale", "seed"})
        self._rng = rng

    def order_accepted(self, task: Task) -> FakeResponse:
        return self._damaged(super().order_accepted(task))

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        return self._damaged(super().task_response(request))

    def _damaged(self, response: FakeResponse) -> FakeResponse:
        rng = self._rng
        if rng.random() > 0.2:
            return response
        headers = {"Retry-After": rng.choice(["0", "-1", "nan", "x", "99999", ""])} if rng.random() < 0.3 else {}
        status = rng.choice([200, 200, 200, 202, 204, 400, 404, 408, 409, 422, 429, 500, 502, 503])
        return FakeResponse(damaged_json(rng, response.body), status, {**response.headers, **headers})


def _damage_file(rng: random.Random, file: Path) -> None:
    content = file.read_bytes()
    if file.suffix == ".npz":
        file.write_bytes(damaged_npz(rng, content))
    elif file.suffix == ".json" and rng.random() < 0.6:
        file.write_text(json.dumps(damaged_json(rng, json.loads(content))))
    elif file.suffix in (".toml", ".json", ".jsonl", ".txt"):
        file.write_text(damaged_text(rng, content.decode()), encoding="utf-8", errors="replace")
    else:
        file.write_bytes(damaged_bytes(rng, content))


TARGETS: dict[str, type[Target]] = {
    target.name: target
    for target in (Mjcf, Urdf, Recording, ReferenceFolder, Checkpoint, RunFiles, Config, VideoFile, Service)
}
