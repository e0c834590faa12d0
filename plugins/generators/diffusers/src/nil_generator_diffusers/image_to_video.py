"""From a request to a video, through the pipeline of the chosen model."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import torch

from nil_core.api import GenerationRequest, PluginError, Progress, Video, central_square
from nil_core.diffusion.drawing import draw, picture
from nil_core.diffusion.loading import loaded
from nil_core.weights import locate
from nil_generator_diffusers import CARD, INSTALL, DiffusersOptions
from nil_generator_diffusers.choosing import choose_model, choose_size, count_frames, read_index
from nil_generator_diffusers.models import Model
from nil_generator_diffusers.peculiarities import ARGUMENTS, SIZES

_log = logging.getLogger(__name__)


class ImageToVideo:
    """Animates the first frame as the prompt says."""

    def __init__(self, options: DiffusersOptions) -> None:
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """The video at the model's size and rate, its first frame letterboxed into it; sound is left out.

        Raises:
            ConfigError: a size or frame count that the model cannot make, or weights that do not say whose rules they
                follow.
            DataError: the weights are not here, or do not fit the model.
            MachineError: no such GPU, or too little memory.
            PluginError: the installed diffusers does not know the model.
        """
        options = self._options
        folder = locate(options.weights, CARD.weights)
        model = choose_model(options, folder)
        width, height = choose_size(model, options.width, options.height)
        count = count_frames(model, options.frames, request.seconds)
        if request.negative_prompt and not model.negative:
            _log.warning("%s does not heed a negative prompt", model.weights.name)
        half = getattr(torch, model.half)
        with loaded(_pipeline(model), folder, options, half, model.single, _parts(model, folder)) as ready:
            if model.pipeline in SIZES:
                width, height = SIZES[model.pipeline](ready.pipeline, width, height)
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
            if request.negative_prompt and model.negative:
                settings["negative_prompt"] = request.negative_prompt
            if model.rate:
                settings[model.rate] = model.fps
            adapt = ARGUMENTS.get(model.pipeline)
            arguments = adapt(ready.pipeline, dict(settings)) if adapt else settings
            frames = draw(ready, {"image": picture(request, width, height), **arguments}, request.seed, progress)
            facts = {"model": model.weights.name, "weights": options.weights, "seed": request.seed, **settings}
            facts |= {"diffusers": diffusers.__version__, **ready.facts()}
        height, width = frames.shape[1:3]
        return Video(frames, float(model.fps), crop_box=central_square(width, height), facts=facts)


def _pipeline(model: Model) -> Any:
    try:
        return getattr(diffusers, model.pipeline)
    except AttributeError:
        message = f"diffusers {diffusers.__version__} does not know {model.pipeline} of {model.weights.name}"
        raise PluginError(message, f"pip install --upgrade diffusers, or {INSTALL}") from None


def _parts(model: Model, folder: Path) -> dict[str, tuple[Any, Path]]:
    """What the folder lacks of a model whose parts lie in several repositories: component to class and folder."""
    if not model.parts:
        return {}
    index = read_index(folder)
    missing = [part for part in model.parts if not (index.get(part.component) or ["", ""])[1].startswith(part.kind)]
    return {
        part.component: (
            getattr(import_module(part.library), part.kind),
            locate(part.weights, CARD.weights) / part.folder,
        )
        for part in missing
    }
