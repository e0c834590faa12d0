"""Which model's rules apply, and what a request becomes under them."""

from __future__ import annotations

import json
import math
from pathlib import Path

from nil_core.api import ConfigError, DataError
from nil_generator_diffusers import DiffusersOptions
from nil_generator_diffusers.models import MODELS, NAMES, Model


def choose_model(options: DiffusersOptions, folder: Path) -> Model:
    """The row that the weights follow: as asked, by their name, or by the pipeline that their folder names.

    Raises:
        ConfigError: several models share that pipeline, or none has it.
        DataError: the folder holds no pipeline.
    """
    if options.model:
        return NAMES[options.model]
    for model in MODELS:
        if options.weights in (model.weights.name, model.weights.repository):
            return model
    pipeline = read_index(folder)["_class_name"]
    able = [model for model in MODELS if model.pipeline == pipeline]
    if len(able) == 1:
        return able[0]
    names = [model.weights.name for model in able or MODELS]
    message = f"{folder} is a {pipeline}, which {'several models share' if able else 'no model here has'}"
    raise ConfigError(message, f"say whose rules it follows: --set generator.model={' or '.join(names)}")


def read_index(folder: Path) -> dict[str, list[str] | str]:
    """``model_index.json`` of a pipeline's folder: component to library and class, and ``_class_name``.

    Raises:
        DataError: there is none.
    """
    try:
        index: dict[str, list[str] | str] = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        if "_class_name" not in index:
            raise KeyError("_class_name")
        return index
    except (OSError, ValueError, TypeError, KeyError):
        raise DataError(
            f"{folder} holds no pipeline: it lacks a model_index.json that can be read",
            "give the folder that diffusers' save_pretrained wrote",
        ) from None


def count_frames(model: Model, asked: int | None, seconds: float) -> int:
    """How many frames to make.

    Args:
        model: its rule and rate.
        asked: a count to use if the model can make it.
        seconds: length wished for: the fewest frames that last as long, or the most the model can make.

    Raises:
        ConfigError: the model cannot make that many; the nearest counts are named.
    """
    if asked is None:
        needed = 1 + math.ceil(seconds * model.fps - 1e-6)
        return next((count for count in model.frames if count >= needed), model.frames[-1])
    if asked not in model.frames:
        below = max((count for count in model.frames if count < asked), default=None)
        above = min((count for count in model.frames if count > asked), default=None)
        near = " or ".join(f"--set generator.frames={count}" for count in (below, above) if count)
        raise ConfigError(f"{model.weights.name} cannot make {asked} frames", near)
    return asked


def choose_size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """Width and height of the picture in pixels.

    Raises:
        ConfigError: not of the model's multiple; the nearest are named.
    """
    for name, size in (("width", width), ("height", height)):
        if size is not None and size % model.multiple:
            below = size // model.multiple * model.multiple
            near = " or ".join(f"--set generator.{name}={each}" for each in (below, below + model.multiple) if each)
            raise ConfigError(
                f"{model.weights.name} needs a {name} of a multiple of {model.multiple}, not {size}", near
            )
    return width or model.width, height or model.height
