"""VideoMAE (Tong et al., NeurIPS 2022) as a video encoder; also for checkpoints of ViViT and V-JEPA 2."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nil_core.api import ComponentCard, Requirement, Weights
from nil_core.vision.options import ClipEncoderOptions

INSTALL = 'pip install "nil-core[vision]"'


class VideomaeOptions(ClipEncoderOptions):
    """Options of the encoder ``videomae``."""

    weights: str = Field(
        "base",
        description="small, base, large or huge; vivit; vjepa2; a Hugging Face id of one of these families; a local "
        "folder; random-tiny for a dry run.",
    )
    embedding: Literal["mean", "tokens", "cls"] = Field(
        "mean",
        description="Part of the last hidden state: the mean of all tokens, all tokens concatenated, or the class "
        "token, which only ViViT has.",
    )
    frames: int = Field(16, ge=2, multiple_of=2, description="Frames per clip of V-JEPA 2; fixed for the other models.")


def _videomae(size: str, megabytes: int, accuracy: float) -> Weights:
    repository, summary = f"MCG-NJU/videomae-{size}-finetuned-kinetics", f"16 frames; {accuracy} % on Kinetics-400"
    return Weights(size, repository, "CC-BY-NC-4.0", megabytes, summary)


CARD = ComponentCard(
    kind="encoder",
    summary="VideoMAE, ViViT and V-JEPA 2: video transformers, alternatives to the paper's.",
    target="nil_encoder_videomae.videomae:VideomaeEncoder",
    config=VideomaeOptions,
    requires=(Requirement("torch", INSTALL), Requirement("transformers", INSTALL)),
    license="CC-BY-NC-4.0 (VideoMAE); others: see `nil models list`",
    weights=(
        _videomae("small", 88, 79.0),
        _videomae("base", 345, 81.5),
        _videomae("large", 1215, 85.2),
        _videomae("huge", 2530, 86.6),
        Weights("vivit", "google/vivit-b-16x2-kinetics400", "see its page", 356, "32 frames"),
        Weights("vjepa2", "facebook/vjepa2-vitl-fpc64-256", "see its page", 1304, "V-JEPA 2 L; any even number"),
    ),
)
