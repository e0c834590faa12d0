"""From a folder of weights to a pipeline in the memory where it runs. Nothing is ever downloaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# torch imports its compiler lazily; after an OpenGL context of llvmpipe exists that crashes (see nil_core.learning).
import torch
import torch._dynamo

from nil_core.devices import find_device
from nil_core.diffusion.options import DiffusionOptions, Offload
from nil_core.errors import ConfigError, DataError, MachineError

WORKING_MEMORY = 8 * 2**30
"""Bytes of GPU memory that denoising and decoding are thought to need beside the weights, in deciding on offloading."""


@dataclass(frozen=True)
class Loaded:
    """A pipeline ready to run.

    Attributes:
        pipeline: the diffusers pipeline.
        device: where it computes.
        dtype: of most of its weights.
        offload: what was chosen.
    """

    pipeline: Any
    device: torch.device
    dtype: torch.dtype
    offload: Offload

    def facts(self) -> dict[str, str]:
        """JSON values for the video's provenance."""
        return {"device": str(self.device), "dtype": str(self.dtype).removeprefix("torch."), "offload": self.offload}


@contextmanager
def loaded(
    kind: Any,
    folder: Path,
    options: DiffusionOptions,
    half: torch.dtype,
    single: Sequence[str] = (),
    parts: Mapping[str, tuple[Any, Path]] | None = None,
) -> Iterator[Loaded]:
    """Load a pipeline for the length of a ``with`` block; its memory is free afterwards, for what comes next.

    Args:
        kind: class of the pipeline.
        folder: what ``save_pretrained`` wrote, or a snapshot of the hub.
        options: device, precision and offloading.
        half: precision on CUDA when the options leave it open.
        single: components that stay in single precision whatever the others have.
        parts: components that lie elsewhere: name to class and folder.

    Raises:
        ConfigError: offloading without a GPU.
        DataError: the folder holds no such pipeline.
        MachineError: no such device, or its memory does not suffice.
    """
    device = find_device(options.device, "generator.device")
    dtype = (
        (half if device.type == "cuda" else torch.float32) if options.dtype == "auto" else getattr(torch, options.dtype)
    )
    if device.type == "cpu" and options.offload in ("model", "sequential"):
        raise ConfigError(
            f"offload={options.offload} spares GPU memory, and there is no GPU", "--set generator.offload=auto"
        )
    pipeline = None
    try:
        given = {name: read(part, place, dtype) for name, (part, place) in (parts or {}).items()}
        pipeline = read(kind, folder, dtype, single, given)
        yield Loaded(pipeline, device, dtype, _place(pipeline, device, options.offload))
    except torch.OutOfMemoryError as error:
        raise MachineError(f"the GPU's memory does not suffice: {first_line(error)}", SMALLER) from None
    finally:
        del pipeline
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


SMALLER = "--set generator.offload=sequential, or a smaller generator.width and generator.height"


def read(
    kind: Any,
    folder: Path,
    dtype: torch.dtype,
    single: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> Any:
    """A pipeline, or a part of one, from a local folder by its own ``from_pretrained``: safetensors only, no download.

    Raises:
        DataError: the folder does not hold it.
    """
    precision = {"default": dtype, **dict.fromkeys(single, torch.float32)} if single else dtype
    stored = "fp16" if next(folder.rglob("*.fp16.safetensors"), None) else None
    try:
        return kind.from_pretrained(
            str(folder),
            dtype=precision,
            variant=stored,
            use_safetensors=True,
            local_files_only=True,
            **(given or {}),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise DataError(
            f"{folder} does not load as {kind.__name__}: {first_line(error)}",
            "it must be a folder of that pipeline as diffusers saves it, with model_index.json and safetensors",
        ) from error


def choose_offload(sizes: Sequence[int], free: int) -> Offload:
    """The fastest way that fits.

    Args:
        sizes: bytes of each component.
        free: bytes of GPU memory.
    """
    if sum(sizes) + WORKING_MEMORY <= free:
        return "none"
    return "model" if max(sizes) + WORKING_MEMORY <= free else "sequential"


def first_line(error: BaseException) -> str:
    """What an error says, or its type, in one line."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:300]


def _place(pipeline: Any, device: torch.device, asked: Offload) -> Offload:
    if device.type == "cpu":
        return "none"
    offload = choose_offload(_sizes(pipeline), torch.cuda.mem_get_info(device)[0]) if asked == "auto" else asked
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
