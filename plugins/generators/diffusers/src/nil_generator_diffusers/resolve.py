"""The model whose rules apply, and the frame count and size that it allows."""

from __future__ import annotations

import json
import math
from pathlib import Path

from nil_core.api import ConfigError, DataError
from nil_generator_diffusers import DiffusersOptions
from nil_generator_diffusers.models import MODELS, MODELS_BY_NAME, Model


def resolve_model(options: DiffusersOptions, folder: Path) -> Model:
    """The model of the weights: as given, by their name, or by the pipeline class in their folder.

    Raises:
        ConfigError: several models use that pipeline class, or none does.
        DataError: the folder has no pipeline.
    """
    if options.model:
        return MODELS_BY_NAME[options.model]
    for model in MODELS:
        if options.weights in (model.weights.name, model.weights.repository):
            return model
    pipeline = read_index(folder)["_class_name"]
    matching = [model for model in MODELS if model.pipeline == pipeline]
    if len(matching) == 1:
        return matching[0]
    names = [model.weights.name for model in matching or MODELS]
    message = f"{folder} is a {pipeline}, which {'several models use' if matching else 'no known model uses'}"
    raise ConfigError(message, f"name the model whose rules apply: --set generator.model={' or '.join(names)}")


def read_index(folder: Path) -> dict[str, list[str] | str]:
    """``model_index.json`` of a pipeline's folder: component to library and class, and ``_class_name``.

    Raises:
        DataError: there is none that can be read.
    """
    try:
        index: dict[str, list[str] | str] = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        if "_class_name" not in index:
            raise KeyError("_class_name")
        return index
    except (OSError, ValueError, TypeError, KeyError):
        raise DataError(
            f"{folder} has no pipeline: it lacks a readable model_index.json",
            "use a folder that was written by save_pretrained of diffusers",
        ) from None


def resolve_frame_count(model: Model, requested: int | None, seconds: float) -> int:
    """How many frames to make.

    Args:
        model: gives possible counts and frame rate.
        requested: count to use, if the model can make it.
        seconds: requested length: gives the smallest possible count that lasts as long, or the largest possible one.

    Raises:
        ConfigError: the model cannot make that many; the nearest counts are named.
    """
    if requested is None:
        needed = 1 + math.ceil(seconds * model.fps - 1e-6)
        return next((count for count in model.frames if count >= needed), model.frames[-1])
    if requested not in model.frames:
        below = max((count for count in model.frames if count < requested), default=None)
        above = min((count for count in model.frames if count > requested), default=None)
        near = " or ".join(f"--set generator.frames={count}" for count in (below, above) if count)
        raise ConfigError(f"{model.weights.name} cannot make {requested} frames", near)
    return requested


def resolve_size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """Width and height of the video in pixels.

    Raises:
        ConfigError: not a multiple that the model needs; the nearest ones are named.
    """
    for name, size in (("width", width), ("height", height)):
        if size is not None and size % model.multiple:
            below = size // model.multiple * model.multiple
            near = " or ".join(f"--set generator.{name}={each}" for each in (below, below + model.multiple) if each)
            raise ConfigError(
                f"{model.weights.name} needs a {name} that is a multiple of {model.multiple}, not {size}", near
            )
    return width or model.width, height or model.height
