"""Stage 1: from a robot and a sentence to a video with masks (NIL, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from nil_core.card import Capability
from nil_core.components import Choice, Chosen
from nil_core.config import RunConfig
from nil_core.interfaces import PaidGenerator, Segmenter, VideoGenerator
from nil_core.payment import Consent, refuse
from nil_core.reference.first_frame import draw_first_frame
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.reference.generated import GeneratedReference, pack, unpack
from nil_core.reference.length import check_length, wished_seconds
from nil_core.reference.mask_quality import check_masks, measure
from nil_core.reference.prompt import in_template
from nil_core.sim.scene import RobotScene, scene_fingerprint
from nil_core.storage.cache import Arrays, cached, fingerprint
from nil_core.types import BLACK, GenerationRequest, Masks, Progress, Video
from nil_core.video.crop import fit_mask


def generate_reference(
    config: RunConfig,
    choice: Choice,
    scene: RobotScene,
    progress: Progress,
    consent: Consent = refuse,
    detailed: Callable[[], RobotScene] | None = None,
) -> GeneratedReference:
    """Draw the first frame, have the video generated, and find the robot in it. Nothing is made twice.

    Args:
        config: skill, prompt, seed, length and tick rate.
        choice: generator and segmenter are used.
        scene: the robot, standing.
        progress: called during every long part.
        consent: asked before a paid generator spends money; not where the video is in the cache, or paid already.
        detailed: gives the same scene with all triangles, see :func:`compose_request`.

    Raises:
        ConfigError: nobody agreed to pay.
        DataError: an unusable video or mask.
        NilError: what the components have to say.
    """
    drawer, segmenter = choice["generator"], choice["segmenter"]
    tracked_by = segmenter.identity()  # weights that are missing are missed before a video is made, and paid
    request = compose_request(config, drawer, scene, detailed)
    generator: VideoGenerator = drawer.build()
    asked = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "skill": request.skill,
        "fps": request.fps,
        "seconds": request.seconds,
        "seed": request.seed,
        "background": request.background,
    }
    key = fingerprint(
        drawer.identity(),
        asked,
        request.first_frame,
        request.first_mask,
        scene_fingerprint(scene) if request.scene else "",
        _source_fingerprint(drawer),
    )

    def make() -> Arrays:
        if drawer.can(Capability.PAID):
            assert isinstance(generator, PaidGenerator)  # the registry has looked
            estimate = generator.estimate(request)
            if not estimate.paid:
                consent(estimate)
        return pack(generator.generate(request, progress))

    stored, found = cached("videos", key, make, ("frames", "fps", "facts"))
    video = unpack(stored)
    remarks = [*video.facts.get("remarks", []), *check_length(video, request)]
    mask_key = fingerprint(key, tracked_by)
    found_masks, _ = cached(
        "masks", mask_key, lambda: {"masks": _segment(segmenter, video, request.first_mask, progress)}, ("masks",)
    )
    masks = found_masks["masks"]
    check_masks(masks)
    provenance = {
        **asked,
        "generator": drawer.identity(),
        "segmenter": tracked_by,
        "robot": choice["robot"].identity(),
        "video": {
            "key": key,
            "from_cache": found,
            "frames": len(video.frames),
            "size": list(video.frames.shape[1:3]),
            "fps": video.fps,
            "crop_box": video.crop_box,
            "remarks": remarks,
            "facts": dict(video.facts),
        },
        "masks": asdict(measure(masks)),
        "first_frame": asdict(first_frame_match(masks[0], video.crop_box, request.first_mask)),
    }
    return GeneratedReference(video, masks, request.first_frame, request.first_mask, provenance)


def compose_request(
    config: RunConfig, drawer: Chosen, scene: RobotScene, detailed: Callable[[], RobotScene] | None = None
) -> GenerationRequest:
    """What the generator is asked for: its own scene's first frame if it draws the scene, else a large plain one.

    Args:
        config: prompt, length, frame rate, seed and the first frame's looks.
        drawer: the generator.
        scene: the robot, standing, with as many triangles as frames of the render size need.
        detailed: gives the same scene for the large frame; it is drawn with ``scene`` if there is none.

    Raises:
        PluginError: the card's prompt template cannot be filled in.
    """
    drawn = drawer.can(Capability.NEEDS_SCENE)
    if drawn:
        frames, masks = scene.render(scene.standing_qpos[None])
        frame, mask, background = frames[0], masks[0], BLACK
    else:
        frame, mask, background = draw_first_frame(detailed() if detailed else scene, config.video)
    return GenerationRequest(
        prompt=config.prompt or in_template(drawer.card.prompt_template, scene.spec.prompt_name, config.skill),
        skill=config.skill,
        first_frame=frame,
        first_mask=mask,
        fps=config.environment.tick_hz,
        seconds=wished_seconds(config.video, scene.spec),
        seed=config.seed,
        scene=scene if drawn else None,
        negative_prompt=config.negative_prompt,
        background=background,
    )


def _source_fingerprint(drawer: Chosen) -> str:
    """Options that name a file stand for what is in it: its time and size tell when that changed."""
    path = getattr(drawer.options, "path", None)
    if path is None:
        return ""
    source = Path(path).expanduser()
    try:
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        return fingerprint([[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files if f.is_file()])
    except OSError:
        return ""  # said in words by who reads it


def _segment(segmenter: Chosen, video: Video, first_mask: Masks, progress: Progress) -> Masks:
    tool: Segmenter = segmenter.build()
    height, width = video.frames.shape[1:3]
    return tool.segment(video, fit_mask(first_mask, height, width, video.crop_box), progress)
