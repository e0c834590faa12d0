"""Stage 1 with fake components: requests, caching and rejected videos or masks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nil_core.card import Capability
from nil_core.components import Choice
from nil_core.config import RunConfig
from nil_core.errors import DataError, PluginError, RunError
from nil_core.reference.first_frame import BACKGROUND_COLORS, distance
from nil_core.reference.folder import load_generated, load_reference, save_generated, save_reference
from nil_core.reference.generated import GeneratedReference, pack, unpack
from nil_core.reference.generation import compose_request, generate_reference
from nil_core.reference.mask_quality import check_masks
from nil_core.reference.preparation import prepare
from nil_core.reference.prompt import prompt
from nil_core.testing import moving_blob, toy_scene
from nil_core.types import GenerationRequest, Masks, Progress, Video, no_progress
from nil_core.video.clips import ClipEmbedder
from nil_core.video.crop import to_square

SIZE = 32
CONFIG = RunConfig(seed=3, video={"seconds": 1.0}, environment={"render_size": SIZE})


@dataclass
class Component:
    """A chosen component that is its own implementation."""

    name: str
    tool: Any
    capabilities: frozenset[Capability] = frozenset()
    options: Any = None
    distribution: str = "fake"
    prompt_template: str = ""

    @property
    def card(self) -> SimpleNamespace:
        return SimpleNamespace(prompt_template=self.prompt_template)

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    def build(self) -> Any:
        return self.tool

    def identity(self) -> dict[str, Any]:
        return {"name": self.name}


class Imagination:
    """A generator that returns one video, and records its requests."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.requests: list[GenerationRequest] = []

    def generate(self, request: GenerationRequest, progress: object) -> Video:
        self.requests.append(request)
        return self.video


class Cutter:
    """A segmenter that returns fixed masks."""

    def __init__(self, masks: Masks) -> None:
        self.masks = masks
        self.first_masks: list[Masks] = []

    def segment(self, video: Video, first_mask: Masks, progress: Progress) -> Masks:
        self.first_masks.append(first_mask)
        return self.masks


class Means:
    clip_length, frame_size = 8, 16

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=2).reshape(len(frames), -1).astype(np.float32)

    def encode(self, clips: np.ndarray) -> np.ndarray:
        return np.concatenate([self.encode_frames(clips[:, i]) for i in range(8)], axis=1)


@pytest.fixture(scope="module")
def scene() -> Any:
    return toy_scene(size=SIZE)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))


def choice(video: Video, masks: Masks | None = None, **generator: Any) -> Choice:
    masks = video.masks if masks is None else masks
    return {
        "generator": Component("imagination", Imagination(video), **generator),
        "segmenter": Component("cutter", Cutter(masks)),
        "robot": Component("toy", None),
    }


def blob(frames: int = 31, fps: float = 30.0, **facts: Any) -> Video:
    return replace(moving_blob(frames, 48, 64, fps), facts=facts)


def generated(video: Video | None = None) -> GeneratedReference:
    video = video or blob(speed=0.8)
    first = moving_blob(1, SIZE, SIZE)
    return GeneratedReference(
        video, video.masks, first.frames[0], first.masks[0], {"prompt": "p", "video": {"from_cache": False}}
    )


def test_the_prompt_is_equation_1() -> None:
    assert prompt("Unitree H1", "walking") == "The Unitree H1 agent is walking, camera follows."


def test_the_request_has_what_the_run_needs(scene: Any) -> None:
    chosen = choice(blob(speed=0.8))
    made = generate_reference(CONFIG, chosen, scene, no_progress)
    (request,) = chosen["generator"].tool.requests
    assert request.prompt == "The toy quadruped agent is walking, camera follows."
    assert (request.skill, request.fps, request.seconds, request.seed) == ("walking", 25.0, 1.0, 3)
    assert (request.negative_prompt, request.scene) == ("", None)
    assert request.first_frame.shape == (768, 768, 3), "large, whatever the run's render size"
    assert (request.first_frame[~request.first_mask] == request.background).all()
    assert np.array_equal(made.video.frames, blob().frames) and np.array_equal(made.masks, blob().masks)
    provenance = json.loads(json.dumps(made.provenance, allow_nan=False))
    assert provenance["prompt"] == request.prompt and provenance["seed"] == 3
    assert [provenance[kind]["name"] for kind in ("generator", "segmenter", "robot")] == [
        "imagination",
        "cutter",
        "toy",
    ]
    assert provenance["video"]["facts"] == {"speed": 0.8} and provenance["video"]["fps"] == 30.0


def test_the_users_own_prompts_and_the_scene_are_passed_on(scene: Any) -> None:
    chosen = choice(blob(), capabilities=frozenset({Capability.NEEDS_SCENE}), prompt_template="Film this: {prompt}")
    config = CONFIG.model_copy(update={"prompt": "A dog runs.", "negative_prompt": "cats"})
    generate_reference(config, chosen, scene, no_progress)
    (request,) = chosen["generator"].tool.requests
    assert request.prompt == "A dog runs." and request.negative_prompt == "cats" and request.scene is scene
    frames, masks = scene.render(scene.standing_qpos[None])
    assert np.array_equal(request.first_frame, frames[0]) and np.array_equal(request.first_mask, masks[0])
    assert request.background == (0, 0, 0)


def test_a_generators_own_wording(scene: Any) -> None:
    drawer = Component("imagination", None, prompt_template="{prompt} Side view of a {robot}, {skill} {{slowly}}.")
    assert compose_request(CONFIG, drawer, scene).prompt == (
        "The toy quadruped agent is walking, camera follows. Side view of a toy quadruped, walking {slowly}."
    )
    for template in ("{mood} {prompt}", "{prompt", "{0}"):
        with pytest.raises(PluginError, match="cannot be filled in") as caught:
            compose_request(CONFIG, Component("imagination", None, prompt_template=template), scene)
        assert "--prompt" in caught.value.hint


def test_the_background_is_the_color_farthest_from_the_robot() -> None:
    """A few pixels are ignored: a dark robot with highlights is not put on black."""
    dark, bright, green = (np.full((500, 3), color, np.uint8) for color in (20, 235, (0, 150, 60)))
    dark[:10], bright[:10] = 255, 0
    for robot, wanted in ((dark, "white"), (bright, "black"), (np.concatenate([dark, bright]), "green")):
        assert max(BACKGROUND_COLORS, key=lambda name: distance(BACKGROUND_COLORS[name], robot)) == wanted
    assert max(BACKGROUND_COLORS, key=lambda name: distance(BACKGROUND_COLORS[name], green)) != "green"


@pytest.mark.parametrize(("wanted", "color"), [("white", (255, 255, 255)), ("#0a64FF", (10, 100, 255))])
def test_the_first_frame_has_the_requested_background(scene: Any, wanted: str, color: Any) -> None:
    config = RunConfig(video={"first_frame_size": 96, "background": wanted})
    request = compose_request(config, Component("imagination", None), scene)
    assert request.background == color and request.first_frame.shape == (96, 96, 3)
    assert (request.first_frame[~request.first_mask] == color).all() and request.first_mask.any()


@pytest.mark.parametrize(
    ("frames", "fps", "remark"),
    [(26, 25.0, None), (25, 24.0, None), (31, 30.0, None), (14, 25.0, "short"), (121, 24.0, "left out")],
)
def test_another_length_than_requested_is_remarked(scene: Any, frames: int, fps: float, remark: str | None) -> None:
    made = generate_reference(CONFIG, choice(blob(frames, fps)), scene, no_progress)
    remarks = made.provenance["video"]["remarks"]
    assert len(remarks) == (remark is not None) and all(remark in line for line in remarks)


def test_what_a_generator_remarks_is_passed_on(scene: Any) -> None:
    made = generate_reference(CONFIG, choice(blob(14, remarks=["interlaced"])), scene, no_progress)
    remarks = made.provenance["video"]["remarks"]
    assert remarks[0] == "interlaced" and "short" in remarks[1]


def test_a_video_shorter_than_a_tick_is_refused(scene: Any) -> None:
    with pytest.raises(DataError, match=r"too short: 2 frame\(s\) at 60 fps"):
        generate_reference(CONFIG, choice(blob(2, 60.0)), scene, no_progress)


def test_the_crop_box_applies_to_segmenter_and_reward(scene: Any) -> None:
    """A letterboxed robot comes out as large as in the first frame, where a padded one would be smaller."""
    small = moving_blob(26, 48, 48, 25.0)
    video = Video(
        np.pad(small.frames, [(0, 0), (0, 0), (20, 28), (0, 0)]),
        25.0,
        masks=np.pad(small.masks, [(0, 0), (0, 0), (20, 28)]),
        crop_box=(20, 0, 48),
    )
    chosen = choice(video)
    made = generate_reference(CONFIG, chosen, scene, no_progress)
    assert made.video.crop_box == (20.0, 0.0, 48.0)
    (first_mask,) = chosen["segmenter"].tool.first_masks
    assert first_mask.shape == (48, 96) and not first_mask[:, :20].any() and not first_mask[:, 68:].any()
    seen = prepare(made, CONFIG, Component("means", None), None)
    frames, masks = to_square(small.frames, small.masks, SIZE)
    assert np.array_equal(seen.frames, frames) and np.array_equal(seen.masks, masks)


def test_the_segmenter_gets_the_first_mask_at_the_videos_size(scene: Any) -> None:
    chosen = choice(blob())
    generate_reference(CONFIG, chosen, scene, no_progress)
    (mask,) = chosen["segmenter"].tool.first_masks
    assert mask.shape == (48, 64) and mask.dtype == np.bool_ and mask.any()


def test_results_are_cached_and_not_confused_with_others(scene: Any) -> None:
    first, again = choice(blob()), choice(blob())
    assert not generate_reference(CONFIG, first, scene, no_progress).provenance["video"]["from_cache"]
    found = generate_reference(CONFIG, again, scene, no_progress)
    assert found.provenance["video"]["from_cache"]
    assert not again["generator"].tool.requests and not again["segmenter"].tool.first_masks
    assert np.array_equal(found.video.frames, blob().frames) and found.video.fps == 30.0
    for change in (
        {"seed": 4},
        {"skill": "trotting"},
        {"prompt": "p"},
        {"negative_prompt": "n"},
        {"video": CONFIG.video.model_copy(update={"seconds": 2.0})},
    ):
        other = choice(blob())
        generate_reference(CONFIG.model_copy(update=change), other, scene, no_progress)
        assert len(other["generator"].tool.requests) == 1, change
    segmented = choice(blob())
    segmented["segmenter"].name = "another"
    generate_reference(CONFIG, segmented, scene, no_progress)
    assert not segmented["generator"].tool.requests and len(segmented["segmenter"].tool.first_masks) == 1


def test_a_file_that_changed_is_read_again(scene: Any, tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    options = SimpleNamespace(path=path)
    for content, calls in (("a", 1), ("a", 0), ("longer", 1)):
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
        chosen = choice(blob(), options=options)
        generate_reference(CONFIG, chosen, scene, no_progress)
        assert len(chosen["generator"].tool.requests) == calls


@pytest.mark.parametrize(
    ("masks", "complaint"),
    [
        (np.zeros((31, 48, 64), bool), r"is empty in frame 0 \(31 of 31"),
        (np.ones((31, 48, 64), bool), "fills more than 90%"),
    ],
)
def test_unusable_masks_are_refused_and_not_cached(scene: Any, masks: Masks, complaint: str) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match=complaint) as caught:
            generate_reference(CONFIG, choice(blob(), masks), scene, no_progress)
        assert caught.value.hint


def test_one_bad_mask_is_named() -> None:
    masks = moving_blob(9).masks.copy()
    check_masks(masks)
    masks[[4, 6]] = False
    with pytest.raises(DataError, match=r"empty in frame 4 \(2 of 9 frames\)"):
        check_masks(masks)


def test_the_reference_is_aligned_framed_and_encoded() -> None:
    embedder = ClipEmbedder(Means(), frame_wise=True)
    ready = prepare(generated(), CONFIG, Component("means", None), embedder)
    assert ready.frames.shape == (26, SIZE, SIZE, 3) and ready.ticks == 25 and ready.tick_hz == 25.0
    embeddings, features = embedder.embed_video(ready.frames)
    assert np.array_equal(ready.embeddings, embeddings) and np.array_equal(ready.features, features)
    assert ready.target_speed == 0.8
    assert not ready.frames[~ready.masks].any()


def test_a_reference_is_no_longer_than_asked_and_keeps_the_trajectory_of_its_rows() -> None:
    video = replace(blob(61, fps=50.0), trajectory=np.arange(61.0)[:, None])
    ready = prepare(generated(video), CONFIG, Component("means", None), None)
    assert ready.trajectory is not None
    assert ready.trajectory[:, 0].tolist() == list(range(0, 51, 2))
    assert ready.target_speed is None


def test_without_video_similarity_nothing_is_encoded() -> None:
    ready = prepare(generated(), CONFIG, Component("means", None), None)
    assert ready.embeddings.shape == ready.features.shape == (26, 0)


def test_embeddings_are_cached_by_encoder_and_frames() -> None:
    prepare(generated(), CONFIG, Component("means", None), ClipEmbedder(Means(), True))
    broken = ClipEmbedder(SimpleNamespace(clip_length=8, frame_size=16), True)
    prepare(generated(), CONFIG, Component("means", None), broken)
    with pytest.raises(AttributeError):
        prepare(generated(), CONFIG, Component("other", None), broken)
    with pytest.raises(AttributeError):
        prepare(generated(blob(29)), CONFIG, Component("means", None), broken)


def test_an_encoder_that_gives_nan_is_refused() -> None:
    class Broken(Means):
        def encode_frames(self, frames: np.ndarray) -> np.ndarray:
            return np.full((len(frames), 2), np.nan, np.float32)

    with pytest.raises(DataError, match="NaN"):
        prepare(generated(), CONFIG, Component("broken", None), ClipEmbedder(Broken(), True))


@pytest.mark.parametrize("full", [True, False])
def test_a_video_is_the_same_after_packing_and_unpacking(full: bool) -> None:
    video = replace(blob(5, speed=0.5), trajectory=np.arange(5.0)[:, None], crop_box=(1.5, -2.0, 30.0))
    video = video if full else replace(video, masks=None, trajectory=None, facts={}, crop_box=None)
    again = unpack(pack(video))
    assert again.crop_box == video.crop_box
    assert np.array_equal(again.frames, video.frames) and (again.fps, again.facts) == (video.fps, video.facts)
    for one, other in ((again.masks, video.masks), (again.trajectory, video.trajectory)):
        assert (one is None) == (other is None) == (not full)
        assert one is None or np.array_equal(one, other)


def test_a_reference_folder_gives_everything_back(tmp_path: Path) -> None:
    before = generated()
    folder = tmp_path / "run" / "reference"
    save_generated(folder, before)
    ready = prepare(before, CONFIG, Component("means", None), ClipEmbedder(Means(), True))
    save_reference(folder, ready)
    for place in (folder, folder.parent):  # a run's folder will do
        after = load_generated(place)
        for name in ("masks", "first_frame", "first_mask"):
            assert np.array_equal(getattr(after, name), getattr(before, name))
        assert np.array_equal(after.video.frames, before.video.frames) and after.video.fps == 30.0
        assert after.provenance == json.loads(json.dumps(ready.provenance, allow_nan=False))
        assert before.provenance.items() <= after.provenance.items()
    again = load_reference(folder)
    for name in ("frames", "masks", "embeddings", "features"):
        assert np.array_equal(getattr(again, name), getattr(ready, name))
    assert (again.tick_hz, again.target_speed, again.trajectory) == (25.0, 0.8, None)
    assert (folder / "prompt.txt").read_text() == "p\n"
    assert {path.name for path in folder.iterdir()} >= {"video.mp4", "masks.mp4", "first_frame.png", "first_mask.png"}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "provenance"])
def test_what_is_no_reference_is_refused(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "reference"
    if damage != "missing":
        save_generated(folder, generated())
        save_reference(folder, prepare(generated(), CONFIG, Component("means", None), None))
    for name in ("source.npz", "aligned.npz"):
        path = folder / name
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:200])
        elif damage == "empty":
            path.write_bytes(b"")
    if damage == "provenance":
        (folder / "provenance.json").unlink()
    for load in (load_generated, load_reference):
        with pytest.raises(RunError) as caught:
            load(folder)
        assert str(folder) in caught.value.message and caught.value.hint
