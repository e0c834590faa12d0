"""From a folder of weights to a transformers model, whole or not at all. Nothing is ever downloaded."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# torch imports its compiler lazily; after an OpenGL context of llvmpipe exists that crashes (see nil_core.learning).
import torch
import torch._dynamo
from transformers import AutoConfig
from transformers.utils import logging as transformers_logging

from nil_core.errors import DataError


def read_config(folder: Path, families: Collection[str]) -> Any:
    """The ``config.json`` of a checkpoint.

    Args:
        folder: what ``save_pretrained`` wrote, or a snapshot of the hub.
        families: the values of ``model_type`` that serve.

    Returns:
        the configuration object of its family.

    Raises:
        DataError: no checkpoint, or of another family.
    """
    found = read_json(folder / "config.json").get("model_type")
    if found not in families:
        raise DataError(
            f"{folder} holds a model of the family {found!r}, not {' or '.join(families)}",
            "choose another folder, or another --encoder: nil models list",
        )
    with _explained(folder):
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)


def read_model(kind: Any, folder: Path, **arguments: Any) -> Any:
    """A model with every one of its parameters from the checkpoint, in float32.

    Args:
        kind: class of the model; a classifier's checkpoint serves for the model inside it.
        folder: as for :func:`read_config`.
        arguments: of the class.

    Raises:
        DataError: the weights are damaged, or lack parameters that would be random numbers otherwise.
    """
    with _explained(folder):
        model, report = kind.from_pretrained(
            str(folder), dtype=torch.float32, local_files_only=True, output_loading_info=True, **arguments
        )
    absent = sorted(report["missing_keys"]) + sorted(str(each) for each in report["mismatched_keys"])
    if absent:
        raise DataError(
            f"{folder} lacks {len(absent)} parameters of {kind.__name__}, {absent[0]} for one",
            "fetch the model again: nil models fetch",
        )
    return model


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file.

    Raises:
        DataError: the file holds something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}", "fetch the model again: nil models fetch") from None
    if not isinstance(value, dict):
        raise DataError(f"{file} holds no table", "fetch the model again: nil models fetch")
    return value


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """What transformers raises, in one line; its bars and its report of unused heads are not for users."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except Exception as error:  # of json, pickle, safetensors, torch, transformers: whatever a strange file provokes
        first = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        raise DataError(f"{folder} does not load: {first}", "fetch the model again: nil models fetch") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
