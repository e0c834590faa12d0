"""The checks shipped for plugin authors: they pass on what keeps its promises and name what is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from nil_core.api import (
    AgentSpec,
    Capability,
    ComponentCard,
    Floats,
    Frames,
    GenerationRequest,
    Masks,
    Options,
    Progress,
    Robot,
    RunError,
    Transitions,
    Video,
    no_progress,
)
from nil_core.sim.scene import RobotScene
from nil_core.testing import (
    Source,
    ToyQuadruped,
    check_agent,
    check_card,
    check_encoder,
    check_falls,
    check_generator,
    check_light,
    check_mirrored,
    check_robot,
    check_seen,
    check_segmenter,
    check_source,
    check_stands,
    moving_blob,
    robot_scene,
    toy_request,
    toy_scene,
)

CARD = ComponentCard(
    kind="encoder", summary="Mean color.", target="a.b:C", capabilities=frozenset({Capability.OFFLINE})
)
FRAME_WISE = replace(CARD, capabilities=frozenset({Capability.FRAME_WISE}))


class Undescribed(Options):
    size: int = 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "sensor"}, "kind is one of"),
        ({"api": 0}, "API 0"),
        ({"summary": "two\nlines"}, "one line"),
        ({"summary": "x" * 101}, "longer than 100"),
        ({"target": "a.b"}, "package.module:Class"),
        ({"config": Undescribed}, "option 'size' needs a description"),
        ({"requires": ("torch",)}, "Requirement objects"),
        ({"capabilities": frozenset({"fast"})}, "enum Capability"),
    ],
)
def test_check_card(change: dict[str, Any], says: str) -> None:
    check_card(CARD)
    with pytest.raises(AssertionError, match=says):
        check_card(replace(CARD, **change))


def test_check_light() -> None:
    check_light("nil_core.api")
    with pytest.raises(AssertionError, match="imports mujoco"):
        check_light("mujoco")
    with pytest.raises(AssertionError, match="No module named"):
        check_light("no_such_module")


class MeanColor:
    clip_length, frame_size = 4, 32

    def encode(self, clips: Frames) -> Floats:
        means = np.stack([self.encode_frames(clip) for clip in clips])
        return means.reshape(len(clips), -1)

    def encode_frames(self, frames: Frames) -> Floats:
        return frames[:, :, :16].mean(axis=(1, 2), dtype=np.float32)


class Doubles(MeanColor):
    def encode(self, clips: Frames) -> Any:
        return super().encode(clips).astype(np.float64)


class BatchDependent(MeanColor):
    def encode(self, clips: Frames) -> Floats:
        return super().encode(clips) + len(clips)


class Constant(MeanColor):
    def encode(self, clips: Frames) -> Floats:
        return np.ones((len(clips), 5), np.float32)


class Writing(MeanColor):
    def encode(self, clips: Frames) -> Floats:
        embeddings = super().encode(clips)
        clips //= 2
        return embeddings


class NotFinite(MeanColor):
    def encode(self, clips: Frames) -> Floats:
        means = super().encode(clips)
        with np.errstate(divide="ignore", invalid="ignore"):
            return means / means.max(axis=1, keepdims=True)


class OtherFrames(MeanColor):
    def encode_frames(self, frames: Frames) -> Floats:
        return (
            super().encode_frames(frames) if len(frames) == self.clip_length else np.zeros((len(frames), 3), np.float32)
        )


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        (Doubles(), "float32, not float64"),
        (BatchDependent(), "alone and in a batch"),
        (Constant(), "different clips"),
        (Writing(), "never writes"),
        (NotFinite(), "black clip"),
        (OtherFrames(), "concatenated"),
        (object(), "an encoder has"),
    ],
)
def test_check_encoder(encoder: Any, says: str) -> None:
    check_encoder(MeanColor(), FRAME_WISE)
    with pytest.raises(AssertionError, match=says):
        check_encoder(encoder, FRAME_WISE)


class Threshold:
    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        return video.frames.max(axis=-1) > 10


class FirstFrameOnly(Threshold):
    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        return np.broadcast_to(first_mask, video.frames.shape[:3])


class OneFrame(Threshold):
    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        return first_mask


@pytest.mark.parametrize(("segmenter", "says"), [(FirstFrameOnly(), "overlaps the truth"), (OneFrame(), "masks are")])
def test_check_segmenter(segmenter: Any, says: str) -> None:
    check_segmenter(Threshold())
    with pytest.raises(AssertionError, match=says):
        check_segmenter(segmenter)


class Drawing:
    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        assert request.scene is not None
        frames, masks = request.scene.render(np.repeat(request.scene.standing_qpos[None], 5, axis=0), progress)
        return Video(frames, request.fps, masks=masks)


class Silent:
    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        return moving_blob()


class Still:
    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        progress(1, 1, "frames")
        return Video(request.first_frame[None], request.fps)


class Scribbling:
    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        progress(1, 1, "frames")
        request.first_frame[:] = 0
        return moving_blob()


@pytest.mark.parametrize(
    ("generator", "says"), [(Silent(), "progress"), (Still(), "more than one frame"), (Scribbling(), "never writes")]
)
def test_check_generator(generator: Any, says: str) -> None:
    scene = toy_scene()
    assert len(check_generator(Drawing(), toy_request(scene)).frames) == 5
    with pytest.raises(AssertionError, match=says):
        check_generator(generator, toy_request(scene))


def test_the_toy_scene_shows_a_standing_robot() -> None:
    request = toy_request()
    assert 0.03 < request.first_mask.mean() < 0.5
    assert (request.first_frame.any(axis=-1) == request.first_mask).all()


def remade(**change: Any) -> Robot:
    robot = ToyQuadruped()
    robot.spec = replace(robot.spec, **change)
    return robot


class Furnished(ToyQuadruped):
    def build(self) -> Any:
        spec = super().build()
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], group=3, conaffinity=1)
        return spec


class SolidPicture(ToyQuadruped):
    def build(self) -> Any:
        spec = super().build()
        next(geom for geom in spec.geoms if geom.group == 2).contype = 1
        return spec


class Reusing(ToyQuadruped):
    def __init__(self) -> None:
        super().__init__()
        self.draft = super().build()

    def build(self) -> Any:
        return self.draft


@pytest.mark.parametrize(
    ("robot", "says"),
    [
        (remade(root="FR_hip"), "on the root"),
        (remade(torso="chest"), "torso 'chest'"),
        (remade(feet=("FR_foot", "toe")), "foot 'toe'"),
        (remade(feet=()), "foot geoms"),
        (remade(standing_pose={"FR_calf": 1.0}), "cannot stand at"),
        (remade(standing_pose={"knee": 1.0}), "no joint 'knee'"),
        (remade(standing_height=0.6), "above the floor"),
        (remade(standing_height=0.2), "under the floor"),
        (remade(standing_height=0.1), "higher than fallen"),
        (remade(actuators=()), "one actuator"),
        (Furnished(), "floor is the core's"),
        (SolidPicture(), "contype 0"),
        (Reusing(), "new MjSpec"),
    ],
)
def test_check_robot(robot: Robot, says: str) -> None:
    check_robot(ToyQuadruped())
    with pytest.raises(AssertionError, match=says):
        check_robot(robot)


class Wanderer:
    """Random, and it remembers how often it learned."""

    def __init__(self, setting: AgentSpec) -> None:
        self.setting = setting
        self.rng = np.random.default_rng(setting.seed)
        self.updates = 0

    def act(self, observations: Floats, explore: bool) -> Floats:
        shape = (len(observations), self.setting.action_size)
        return self.rng.uniform(-1, 1, shape).astype(np.float32) if explore else np.zeros(shape, np.float32)

    def observe(self, transitions: Transitions) -> None: ...

    def update(self, steps: int) -> Mapping[str, float]:
        self.updates += 1
        return {"updates": self.updates}

    def save(self, folder: Path) -> None:
        state = self.rng.bit_generator.state["state"]
        text = f"{self.setting.action_size} {self.updates} {state['state']} {state['inc']}"
        (folder / "state.txt").write_text(text)

    def load(self, folder: Path) -> None:
        try:
            size, self.updates, state, inc = map(int, (folder / "state.txt").read_text().split())
        except OSError as error:
            raise RunError("nothing saved here") from error
        if size != self.setting.action_size:
            raise RunError("another robot")
        self.rng.bit_generator.state = self.rng.bit_generator.state | {"state": {"state": state, "inc": inc}}


class Loud(Wanderer):
    def act(self, observations: Floats, explore: bool) -> Floats:
        return super().act(observations, explore) * 2


class Unseeded(Wanderer):
    def __init__(self, setting: AgentSpec) -> None:
        super().__init__(setting)
        self.rng = np.random.default_rng()


class Forgetful(Wanderer):
    def load(self, folder: Path) -> None:
        updates = self.updates
        super().load(folder)
        self.updates = updates


class Pickling(Wanderer):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "policy.pt").touch()


class Careless(Wanderer):
    def load(self, folder: Path) -> None:
        if (folder / "state.txt").exists():
            super().load(folder)


class Diverging(Wanderer):
    def update(self, steps: int) -> Mapping[str, float]:
        return {"loss": float("nan")}


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (Loud, r"in \[-1, 1\]"),
        (Unseeded, "same seed"),
        (Forgetful, "to the byte"),
        (Pickling, "pickled: policy.pt"),
        (Careless, "an empty folder raises RunError"),
        (Diverging, "finite"),
    ],
)
def test_check_agent(agent: Callable[[AgentSpec], Any], says: str) -> None:
    check_agent(Wanderer)
    with pytest.raises(AssertionError, match=says):
        check_agent(agent)


PARTNERS = {"FR": "FL", "FL": "FR", "RR": "RL", "RL": "RR"}
TOY_MIRROR = {
    f"{leg}_{part}": (f"{partner}_{part}", -1 if part == "hip" else 1)
    for leg, partner in PARTNERS.items()
    for part in ("hip", "thigh", "calf")
}


@pytest.fixture(scope="module")
def held() -> RobotScene:
    return robot_scene(ToyQuadruped())


def test_check_stands(held: RobotScene) -> None:
    check_stands(held)
    pose = {**held.spec.standing_pose, "FR_calf": -1.5}
    for change, says in (
        ({"standing_pose": pose}, "FR_calf settles at"),
        ({"standing_height": 0.5}, "off its standing height"),
        ({"feet": ("FR_foot", "FL_foot", "RR_foot")}, "stands on RL_foot"),
    ):
        with pytest.raises(AssertionError, match=says):
            check_stands(replace(held, spec=replace(held.spec, **change)))


def test_check_falls(held: RobotScene) -> None:
    check_falls(robot_scene(ToyQuadruped(), "torque"))
    with pytest.raises(AssertionError, match="its root is still"):
        check_falls(held)


def test_check_mirrored(held: RobotScene) -> None:
    check_mirrored(held, TOY_MIRROR)
    for joint, says in (("FR_hip", "from the mirrored motion"), ("RL_calf", "stand unlike")):
        partner, sign = TOY_MIRROR[joint]
        with pytest.raises(AssertionError, match=says):
            check_mirrored(held, TOY_MIRROR | {joint: (partner, -sign)})


def test_check_seen() -> None:
    scene = toy_scene()
    near = replace(scene, spec=replace(scene.spec, camera=replace(scene.spec.camera, distance=0.9)))
    check_seen(near)
    for distance, says in ((0.5, "out of the picture"), (4.0, "fills")):
        with pytest.raises(AssertionError, match=says):
            check_seen(replace(scene, spec=replace(scene.spec, camera=replace(scene.spec.camera, distance=distance))))


def test_check_source() -> None:
    robot = ToyQuadruped()
    model = robot.build().compile()
    joints = [actuator.joint for actuator in robot.spec.actuators]
    ranges = {joint: tuple(model.joint(joint).range.tolist()) for joint in joints}
    source = Source(float(model.body_mass.sum()), ranges, dict.fromkeys(joints, 30.0))
    check_source(robot, source)
    for change, says in (
        ({"mass": source.mass + 0.1}, "kg, its source"),
        ({"ranges": ranges | {"FR_hip": (-0.8, 0.9)}}, "FR_hip has range"),
        ({"torques": dict.fromkeys(joints, 40.0)}, "30.0 N m, in the source 40.0"),
    ):
        with pytest.raises(AssertionError, match=says):
            check_source(robot, replace(source, **change))
    with pytest.raises(AssertionError, match="hinges without actuator"):
        check_source(remade(actuators=robot.spec.actuators[1:]), source)
