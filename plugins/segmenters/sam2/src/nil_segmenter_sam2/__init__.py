"""Tracking of the robot through any video with SAM 2, from the rendered mask of the first frame."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nil_core.api import ComponentCard, Options, Requirement, Weights


class Sam2Options(Options):
    """Options of the segmenter ``sam2``."""

    weights: str = Field(
        "tiny",
        description="tiny, small, base-plus or large; a Hugging Face id; a local folder; random-tiny for a dry run.",
    )
    backend: Literal["transformers", "sam2"] = Field(
        "transformers",
        description="Implementation: transformers (frames stay in memory) or the package sam2 (frames are "
        "written to a temporary folder). Both use the same weights.",
    )
    device: str = Field("auto", description="auto (a GPU if torch finds one), cpu, cuda, cuda:1 ...")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="dtype of matrix products: auto is bfloat16 on a GPU and float32 elsewhere."
    )


def _sam2(size: str, megabytes: int, summary: str) -> Weights:
    repository = f"facebook/sam2.1-hiera-{size}"
    return Weights(size, repository, "Apache-2.0", megabytes, summary, ("config.json", "model.safetensors"))


CARD = ComponentCard(
    kind="segmenter",
    summary="SAM 2, tracks the robot from its first mask; for videos with any background.",
    target="nil_segmenter_sam2.segmenter:Sam2",
    config=Sam2Options,
    requires=(
        Requirement("torch", "pip install torch"),
        Requirement("transformers", 'pip install "transformers>=5.0"'),
    ),
    license="Apache-2.0",
    weights=(
        _sam2("tiny", 156, "39 M parameters, J&F 76.5 on SA-V"),
        _sam2("small", 184, "46 M parameters, J&F 76.6 on SA-V"),
        _sam2("base-plus", 324, "81 M parameters, J&F 78.2 on SA-V"),
        _sam2("large", 898, "224 M parameters, J&F 79.5 on SA-V"),
    ),
)
