"""Loading of a pipeline from a folder of weights to its device, without downloads."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nil_core.devices import find_device
from nil_core.diffusion.options import DiffusionOptions, Offload
from nil_core.errors import ConfigError, DataError, MachineError

WORKING_MEMORY = 8 * 2**30
"""Bytes of GPU memory that denoising and decoding are assumed to need in addition to the weights."""


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline ready to run.

    Attributes:
        pipeline: the diffusers pipeline.
        device: where it computes.
        dtype: of most of its weights.
        offload: the chosen kind of offloading.
    """

    pipeline: Any
    device: torch.device
    dtype: torch.dtype
    offload: Offload

    def facts(self) -> dict[str, str]:
        """JSON values for the provenance of the video."""
        return {"device": str(self.device), "dtype": str(self.dtype).removeprefix("torch."), "offload": self.offload}


@contextmanager
def load_pipeline(
    pipeline_class: Any,
    folder: Path,
    options: DiffusionOptions,
    half_dtype: torch.dtype,
    float32_components: Sequence[str] = (),
    components: Mapping[str, tuple[Any, Path]] | None = None,
) -> Iterator[LoadedPipeline]:
    """Load a pipeline for the duration of a ``with`` block; its memory is free afterwards.

    Args:
        pipeline_class: from diffusers.
        folder: written by ``save_pretrained``, or a snapshot of the hub.
        options: device, precision and offloading.
        half_dtype: precision on CUDA if ``options.dtype`` is ``auto``.
        float32_components: components that are always in float32.
        components: components from other folders: name to class and folder.

    Raises:
        ConfigError: offloading without a GPU.
        DataError: the folder has no such pipeline.
        MachineError: no such device, or too little memory.
    """
    device = find_device(options.device, "generator.device")
    dtype = (
        (half_dtype if device.type == "cuda" else torch.float32)
        if options.dtype == "auto"
        else getattr(torch, options.dtype)
    )
    if device.type == "cpu" and options.offload in ("model", "sequential"):
        raise ConfigError(
            f"offload={options.offload} saves GPU memory, but there is no GPU", "--set generator.offload=auto"
        )
    pipeline = None
    try:
        loaded = {name: load(part, part_folder, dtype) for name, (part, part_folder) in (components or {}).items()}
        pipeline = load(pipeline_class, folder, dtype, float32_components, loaded)
        yield LoadedPipeline(pipeline, device, dtype, _place(pipeline, device, options.offload))
    except torch.OutOfMemoryError as error:
        raise MachineError(f"the GPU has too little memory: {first_line(error)}", MEMORY_HINT) from None
    finally:
        del pipeline
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


MEMORY_HINT = "--set generator.offload=sequential, or a smaller generator.width and generator.height"


def load(
    model_class: Any,
    folder: Path,
    dtype: torch.dtype,
    float32_components: Sequence[str] = (),
    components: Mapping[str, Any] | None = None,
) -> Any:
    """A pipeline or a component from a local folder by its own ``from_pretrained``: safetensors only, no download.

    Raises:
        DataError: it cannot be loaded from the folder.
    """
    dtypes = {"default": dtype, **dict.fromkeys(float32_components, torch.float32)} if float32_components else dtype
    variant = "fp16" if next(folder.rglob("*.fp16.safetensors"), None) else None
    try:
        return model_class.from_pretrained(
            str(folder),
            dtype=dtypes,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            **(components or {}),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise DataError(
            f"{folder} does not load as {model_class.__name__}: {first_line(error)}",
            "it must be a folder of that pipeline as diffusers saves it, with model_index.json and safetensors",
        ) from error


def choose_offload(sizes: Sequence[int], free: int) -> Offload:
    """The fastest kind of offloading that fits.

    Args:
        sizes: of each component, bytes.
        free: free GPU memory, bytes.
    """
    if sum(sizes) + WORKING_MEMORY <= free:
        return "none"
    return "model" if max(sizes) + WORKING_MEMORY <= free else "sequential"


def first_line(error: BaseException) -> str:
    """The message of an error, or its type, in one line."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:300]


def _place(pipeline: Any, device: torch.device, requested: Offload) -> Offload:
    if device.type == "cpu":
        return "none"
    offload = choose_offload(_sizes(pipeline), torch.cuda.mem_get_info(device)[0]) if requested == "auto" else requested
    if offload == "none":
        pipeline.to(device)
        return offload
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    if hasattr(pipeline.vae, "use_tiling"):
        pipeline.vae.enable_tiling()
    return offload


def _sizes(pipeline: Any) -> list[int]:
    modules = (part for part in pipeline.components.values() if isinstance(part, torch.nn.Module))
    return [sum(p.numel() * p.element_size() for p in module.parameters()) for module in modules]
