"""TimeSformer (Bertasius et al., ICML 2021) as a video encoder, as in the NIL paper."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nil_core.api import ComponentCard, Requirement, Weights
from nil_core.vision.options import ClipEncoderOptions

INSTALL = 'pip install "nil-core[vision]"'


class TimesformerOptions(ClipEncoderOptions):
    """Options of the encoder ``timesformer``."""

    weights: str = Field(
        "base", description="base, k600, ssv2 or hr; a Hugging Face id; a local folder; random-tiny for a dry run."
    )
    embedding: Literal["cls", "mean", "tokens"] = Field(
        "cls",
        description="Part of the last hidden state: the class token, the mean of all tokens, or all tokens "
        "concatenated.",
    )


def _weights(name: str, repository: str, summary: str, megabytes: int = 486) -> Weights:
    return Weights(name, f"facebook/timesformer-{repository}", "CC-BY-NC-4.0", megabytes, summary)


CARD = ComponentCard(
    kind="encoder",
    summary="TimeSformer, the paper's video transformer: 8 frames of 224 pixels; trained on Kinetics-400.",
    target="nil_encoder_timesformer.timesformer:TimesformerEncoder",
    config=TimesformerOptions,
    requires=(Requirement("torch", INSTALL), Requirement("transformers", INSTALL)),
    license="CC-BY-NC-4.0",
    weights=(
        _weights("base", "base-finetuned-k400", "the paper's: 8 frames, Kinetics-400"),
        _weights("k600", "base-finetuned-k600", "8 frames, Kinetics-600"),
        _weights("ssv2", "base-finetuned-ssv2", "8 frames, Something-Something v2"),
        _weights("hr", "hr-finetuned-k400", "16 frames of 448 pixels, Kinetics-400; about 8 times the cost"),
    ),
)
