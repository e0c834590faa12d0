"""Stage 1: generate a video from a robot and a prompt, and segment it (NIL, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nil_core.card import Capability
from nil_core.components import Choice, Chosen
from nil_core.config import RunConfig
from nil_core.interfaces import PaidGenerator, Segmenter, VideoGenerator
from nil_core.payment import Consent, Estimate, refuse
from nil_core.reference.first_frame import draw_first_frame
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.reference.generated import GeneratedReference, pack, unpack
from nil_core.reference.length import check_length, requested_seconds
from nil_core.reference.mask_quality import check_masks, measure
from nil_core.reference.prompt import fill_template
from nil_core.sim.scene import RobotScene, scene_fingerprint
from nil_core.storage.cache import Arrays, cached, fingerprint, is_cached
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
    """Render the first frame, generate the video and segment the robot in it. Results are cached.

    Args:
        config: skill, prompt, seed, length and tick rate.
        choice: generator and segmenter.
        scene: the robot in its standing pose.
        progress: called during long operations.
        consent: called before a paid generator spends money, unless the video is in the cache or already paid.
        detailed: returns the same scene with full meshes, see :func:`compose_request`.

    Raises:
        ConfigError: no consent to pay.
        DataError: an unusable video or mask.
        NilError: errors of the components.
    """
    chosen, segmenter = choice["generator"], choice["segmenter"]
    segmenter_identity = segmenter.identity()  # first, so that missing weights fail before a video is made and paid
    request = compose_request(config, chosen, scene, detailed)
    generator: VideoGenerator = chosen.build()
    requested = _requested(request)
    key = _video_key(chosen, request, scene)

    def make() -> Arrays:
        if chosen.can(Capability.PAID):
            assert isinstance(generator, PaidGenerator)  # checked by the registry
            estimate = generator.estimate(request)
            if not estimate.paid:
                consent(estimate)
        return pack(generator.generate(request, progress))

    stored, found = cached("videos", key, make, ("frames", "fps", "facts"))
    video = unpack(stored)
    remarks = [*video.facts.get("remarks", []), *check_length(video, request)]
    mask_key = fingerprint(key, segmenter_identity)
    found_masks, _ = cached(
        "masks", mask_key, lambda: {"masks": _segment(segmenter, video, request.first_mask, progress)}, ("masks",)
    )
    masks = found_masks["masks"]
    check_masks(masks)
    provenance = {
        **requested,
        "generator": chosen.identity(),
        "segmenter": segmenter_identity,
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


def price(
    config: RunConfig, choice: Choice, scene: RobotScene, detailed: Callable[[], RobotScene] | None = None
) -> Estimate:
    """What :func:`generate_reference` would spend now; 0 if the video is in the cache. Args as there.

    Raises:
        ConfigError: no key, or an order that the service cannot accept.
    """
    chosen = choice["generator"]
    request = compose_request(config, chosen, scene, detailed)
    generator = chosen.build()
    if not isinstance(generator, PaidGenerator) or is_cached("videos", _video_key(chosen, request, scene)):
        return Estimate(0.0, chosen.name)
    return generator.estimate(request)


def _requested(request: GenerationRequest) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "skill": request.skill,
        "fps": request.fps,
        "seconds": request.seconds,
        "seed": request.seed,
        "background": request.background,
    }


def _video_key(chosen: Chosen, request: GenerationRequest, scene: RobotScene) -> str:
    """Cache key of the video: everything that determines it."""
    return fingerprint(
        chosen.identity(),
        _requested(request),
        request.first_frame,
        request.first_mask,
        scene_fingerprint(scene) if request.scene else "",
        _source_fingerprint(chosen),
    )


def compose_request(
    config: RunConfig, chosen: Chosen, scene: RobotScene, detailed: Callable[[], RobotScene] | None = None
) -> GenerationRequest:
    """Build the generator's request. Its first frame is the scene's if it renders the scene, else a large plain one.

    Args:
        config: prompt, length, frame rate, seed, and size and background of the first frame.
        chosen: the generator.
        scene: the robot in its standing pose, with meshes decimated for the render size.
        detailed: returns the same scene with full meshes, for the large frame; default: ``scene``.

    Raises:
        PluginError: the card's prompt template cannot be filled in.
    """
    renders_scene = chosen.can(Capability.NEEDS_SCENE)
    if renders_scene:
        frames, masks = scene.render(scene.standing_qpos[None])
        frame, mask, background = frames[0], masks[0], BLACK
    else:
        frame, mask, background = draw_first_frame(detailed() if detailed else scene, config.video)
    return GenerationRequest(
        prompt=config.prompt or fill_template(chosen.card.prompt_template, scene.spec.prompt_name, config.skill),
        skill=config.skill,
        first_frame=frame,
        first_mask=mask,
        fps=config.environment.tick_hz,
        seconds=requested_seconds(config.video, scene.spec),
        seed=config.seed,
        scene=scene if renders_scene else None,
        negative_prompt=config.negative_prompt,
        background=background,
    )


def _source_fingerprint(chosen: Chosen) -> str:
    """Fingerprint of the files named by the option ``path``: their sizes and modification times."""
    path = getattr(chosen.options, "path", None)
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
