"""Loading of a transformers model from a folder of weights, which must be complete, without downloads."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.utils import logging as transformers_logging

from nil_core.errors import DataError


def read_config(folder: Path, families: Collection[str]) -> Any:
    """The ``config.json`` of a checkpoint.

    Args:
        folder: written by ``save_pretrained``, or a snapshot of the hub.
        families: accepted values of ``model_type``.

    Returns:
        the configuration object of its family.

    Raises:
        DataError: there is no checkpoint, or it is of another family.
    """
    found = read_json(folder / "config.json").get("model_type")
    if found not in families:
        raise DataError(
            f"{folder} has a model of the family {found!r}, not {' or '.join(families)}",
            "choose another folder, or another --encoder: nil models list",
        )
    with _data_errors(folder):
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)


def read_model(model_class: Any, folder: Path, **arguments: Any) -> Any:
    """A model with all its parameters from the checkpoint, in float32.

    Args:
        model_class: from transformers; a checkpoint of a classifier is accepted for the model inside it.
        folder: as for :func:`read_config`.
        arguments: of the class.

    Raises:
        DataError: the weights are damaged, or lack parameters, which would be random otherwise.
    """
    with _data_errors(folder):
        model, report = model_class.from_pretrained(
            str(folder), dtype=torch.float32, local_files_only=True, output_loading_info=True, **arguments
        )
    missing = sorted(report["missing_keys"]) + sorted(str(each) for each in report["mismatched_keys"])
    if missing:
        raise DataError(
            f"{folder} lacks {len(missing)} parameters of {model_class.__name__}, among them {missing[0]}",
            "fetch the model again: nil models fetch",
        )
    return model


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file.

    Raises:
        DataError: the file contains something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}", "fetch the model again: nil models fetch") from None
    if not isinstance(value, dict):
        raise DataError(f"{file} has no JSON object", "fetch the model again: nil models fetch")
    return value


@contextmanager
def _data_errors(folder: Path) -> Iterator[None]:
    """Turn errors of transformers into one line, and hide its progress bars and its report of unused weights."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except Exception as error:  # many types: of json, pickle, safetensors, torch, transformers
        first = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        raise DataError(f"{folder} does not load: {first}", "fetch the model again: nil models fetch") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
