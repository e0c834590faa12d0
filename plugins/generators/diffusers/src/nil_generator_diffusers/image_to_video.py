"""The generator: runs the pipeline of the chosen model."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import torch

from nil_core.api import GenerationRequest, PluginError, Progress, Video, central_square
from nil_core.diffusion.loading import load_pipeline
from nil_core.diffusion.sampling import input_image, sample_frames
from nil_core.weights import locate
from nil_generator_diffusers import CARD, INSTALL, DiffusersOptions
from nil_generator_diffusers.models import Model
from nil_generator_diffusers.pipeline_quirks import ADAPT_ARGUMENTS, ADAPT_SIZE
from nil_generator_diffusers.resolve import read_index, resolve_frame_count, resolve_model, resolve_size

_log = logging.getLogger(__name__)


class ImageToVideo:
    """Animates the first frame as the prompt says."""

    def __init__(self, options: DiffusersOptions) -> None:
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """The video at the model's size and rate, its first frame letterboxed into it; sound is left out.

        Raises:
            ConfigError: a size or frame count that the model cannot make, or weights of an ambiguous model.
            DataError: the weights are not on this machine, or do not fit the model.
            MachineError: no such GPU, or too little memory.
            PluginError: the installed diffusers lacks the pipeline of the model.
        """
        options = self._options
        folder = locate(options.weights, CARD.weights)
        model = resolve_model(options, folder)
        width, height = resolve_size(model, options.width, options.height)
        count = resolve_frame_count(model, options.frames, request.seconds)
        if request.negative_prompt and not model.takes_negative_prompt:
            _log.warning("%s ignores a negative prompt", model.weights.name)
        half_dtype = getattr(torch, model.half_dtype)
        components = _external_components(model, folder)
        with load_pipeline(
            _pipeline_class(model), folder, options, half_dtype, model.float32_components, components
        ) as loaded:
            if model.pipeline in ADAPT_SIZE:
                width, height = ADAPT_SIZE[model.pipeline](loaded.pipeline, width, height)
            settings: dict[str, Any] = {
                "prompt": request.prompt,
                "width": width,
                "height": height,
                "num_frames": count,
                "num_inference_steps": options.steps or model.steps,
            }
            guidance = model.guidance if options.guidance is None else options.guidance
            if guidance is not None:
                settings["guidance_scale"] = guidance
            if request.negative_prompt and model.takes_negative_prompt:
                settings["negative_prompt"] = request.negative_prompt
            if model.fps_argument:
                settings[model.fps_argument] = model.fps
            adapt = ADAPT_ARGUMENTS.get(model.pipeline)
            arguments = adapt(loaded.pipeline, dict(settings)) if adapt else settings
            frames = sample_frames(
                loaded, {"image": input_image(request, width, height), **arguments}, request.seed, progress
            )
            facts = {"model": model.weights.name, "weights": options.weights, "seed": request.seed, **settings}
            facts |= {"diffusers": diffusers.__version__, **loaded.facts()}
        height, width = frames.shape[1:3]
        return Video(frames, float(model.fps), crop_box=central_square(width, height), facts=facts)


def _pipeline_class(model: Model) -> Any:
    try:
        return getattr(diffusers, model.pipeline)
    except AttributeError:
        message = f"diffusers {diffusers.__version__} lacks {model.pipeline} of {model.weights.name}"
        raise PluginError(message, f"pip install --upgrade diffusers, or {INSTALL}") from None


def _external_components(model: Model, folder: Path) -> dict[str, tuple[Any, Path]]:
    """Components that are missing in the folder and come from other repositories: name to class and folder."""
    if not model.external_parts:
        return {}
    index = read_index(folder)
    missing = [
        part
        for part in model.external_parts
        if not (index.get(part.component) or ["", ""])[1].startswith(part.class_name)
    ]
    return {
        part.component: (
            getattr(import_module(part.library), part.class_name),
            locate(part.weights, CARD.weights) / part.folder,
        )
        for part in missing
    }
