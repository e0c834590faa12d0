"""The supported models as a table: a new model is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nil_core.api import Weights
from nil_core.diffusion.options import HALF_PIPELINE_FILES, PIPELINE_FILES


@dataclass(frozen=True)
class ExternalPart:
    """A component that a model loads from another repository.

    Attributes:
        component: its name in the pipeline.
        library, class_name: module and class that load it.
        weights: name of the entry of :data:`EXTERNAL_WEIGHTS`.
        folder: in that repository; empty: its root.
    """

    component: str
    library: str
    class_name: str
    weights: str
    folder: str = ""


@dataclass(frozen=True)
class Model:
    """The properties of a model that are needed to generate a video.

    Attributes:
        weights: name, repository, license and size of its files.
        pipeline: class in diffusers.
        frames: possible frame counts.
        fps: frame rate of its videos.
        width, height: default size of the videos, pixels.
        multiple: what width and height must be multiples of.
        steps: denoising steps.
        guidance: classifier-free guidance; None: from its files.
        memory: GPU memory, as text; from the pages of the authors and of diffusers, not measured here.
        half_dtype: precision on a GPU.
        float32_components: components that need float32.
        fps_argument: the pipeline's argument for the frame rate; empty: it has none.
        takes_negative_prompt: whether a negative prompt has an effect.
        external_parts: components that its repository lacks.
    """

    weights: Weights
    pipeline: str
    frames: range
    fps: int
    width: int
    height: int
    multiple: int
    steps: int
    guidance: float | None
    memory: str
    half_dtype: Literal["bfloat16", "float16"] = "bfloat16"
    float32_components: tuple[str, ...] = ()
    fps_argument: str = ""
    takes_negative_prompt: bool = True
    external_parts: tuple[ExternalPart, ...] = ()


APACHE = "Apache-2.0"
COGVIDEOX = "CogVideoX license (commercial use by registration)"
LTX = "LTX-Video open weights license"
LTX_2 = "LTX-2 community license"
TENCENT = "Tencent Hunyuan community license (not in the EU, the UK and South Korea)"
REDUX = "FLUX.1 [dev] non-commercial license"


def _weights(
    name: str, repository: str, license: str, gigabytes: float, files: tuple[str, ...] = PIPELINE_FILES
) -> Weights:
    return Weights(name, repository, license, round(1000 * gigabytes), files=files)


WAN = "WanImageToVideoPipeline"
WAN_FLOAT32 = ("vae", "image_encoder")

MODELS: tuple[Model, ...] = (
    Model(
        _weights("ltx", "Lightricks/LTX-Video", LTX, 28),
        pipeline="LTXImageToVideoPipeline",
        frames=range(9, 258, 8),
        fps=25,
        width=704,
        height=512,
        multiple=32,
        steps=50,
        guidance=3.0,
        memory="24 GB; 10 GB offloaded",
        fps_argument="frame_rate",
    ),
    Model(
        _weights("ltx-2", "Lightricks/LTX-2", LTX_2, 70),
        pipeline="LTX2ImageToVideoPipeline",
        frames=range(9, 258, 8),
        fps=24,
        width=768,
        height=512,
        multiple=32,
        steps=30,
        guidance=3.0,
        memory="80 GB; 48 GB offloaded",
        fps_argument="frame_rate",
    ),
    Model(
        _weights("wan2.1-480p", "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", APACHE, 91),
        pipeline=WAN,
        frames=range(5, 82, 4),
        fps=16,
        width=832,
        height=480,
        multiple=16,
        steps=50,
        guidance=5.0,
        memory="80 GB; 40 GB offloaded",
        float32_components=WAN_FLOAT32,
    ),
    Model(
        _weights("wan2.1-720p", "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers", APACHE, 91),
        pipeline=WAN,
        frames=range(5, 82, 4),
        fps=16,
        width=1280,
        height=720,
        multiple=16,
        steps=50,
        guidance=5.0,
        memory="80 GB; 48 GB offloaded",
        float32_components=WAN_FLOAT32,
    ),
    Model(
        _weights("wan2.2-a14b", "Wan-AI/Wan2.2-I2V-A14B-Diffusers", APACHE, 126),
        pipeline=WAN,
        frames=range(5, 82, 4),
        fps=16,
        width=832,
        height=480,
        multiple=16,
        steps=40,
        guidance=3.5,
        memory="80 GB; 40 GB offloaded",
        float32_components=WAN_FLOAT32,
    ),
    Model(
        _weights("wan2.2-5b", "Wan-AI/Wan2.2-TI2V-5B-Diffusers", APACHE, 34),
        pipeline=WAN,
        frames=range(5, 122, 4),
        fps=24,
        width=1280,
        height=704,
        multiple=32,
        steps=50,
        guidance=5.0,
        memory="24 GB offloaded",
        float32_components=WAN_FLOAT32,
    ),
    Model(
        _weights("cogvideox-5b", "zai-org/CogVideoX-5b-I2V", COGVIDEOX, 21),
        pipeline="CogVideoXImageToVideoPipeline",
        frames=range(9, 50, 4),
        fps=8,
        width=720,
        height=480,
        multiple=16,
        steps=50,
        guidance=6.0,
        memory="24 GB; 19 GB offloaded, 5 GB sequentially",
    ),
    Model(
        _weights("cogvideox1.5-5b", "zai-org/CogVideoX1.5-5B-I2V", COGVIDEOX, 21),
        pipeline="CogVideoXImageToVideoPipeline",
        frames=range(9, 82, 4),
        fps=16,
        width=1360,
        height=768,
        multiple=16,
        steps=50,
        guidance=6.0,
        memory="32 GB; 24 GB offloaded",
    ),
    Model(
        _weights("hunyuanvideo-1.5", "hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v", TENCENT, 36),
        pipeline="HunyuanVideo15ImageToVideoPipeline",
        frames=range(5, 122, 4),
        fps=24,
        width=848,
        height=480,
        multiple=16,
        steps=50,
        guidance=None,
        memory="48 GB; 24 GB offloaded",
    ),
    Model(
        _weights(
            "framepack",
            "hunyuanvideo-community/HunyuanVideo",
            TENCENT,
            17,
            files=("model_index.json", *(f"{part}/*" for part in ("scheduler", "text_encoder*", "tokenizer*", "vae"))),
        ),
        pipeline="HunyuanVideoFramepackPipeline",
        frames=range(37, 326, 36),
        fps=30,
        width=640,
        height=640,
        multiple=16,
        steps=30,
        guidance=9.0,
        memory="48 GB; 24 GB offloaded, 6 GB sequentially",
        takes_negative_prompt=False,
        external_parts=(
            ExternalPart(
                "transformer", "diffusers", "HunyuanVideoFramepackTransformer3DModel", "framepack-transformer"
            ),
            ExternalPart(
                "image_encoder", "transformers", "SiglipVisionModel", "framepack-image-encoder", "image_encoder"
            ),
            ExternalPart(
                "feature_extractor",
                "transformers",
                "SiglipImageProcessor",
                "framepack-image-encoder",
                "feature_extractor",
            ),
        ),
    ),
    Model(
        _weights("i2vgen-xl", "ali-vilab/i2vgen-xl", "MIT", 5, files=HALF_PIPELINE_FILES),
        pipeline="I2VGenXLPipeline",
        frames=range(16, 17),
        fps=16,
        width=1280,
        height=704,
        multiple=8,
        steps=50,
        guidance=9.0,
        memory="16 GB; 8 GB offloaded",
        half_dtype="float16",
        fps_argument="target_fps",
    ),
)

EXTERNAL_WEIGHTS: tuple[Weights, ...] = (
    Weights(
        "framepack-transformer",
        "lllyasviel/FramePackI2V_HY",
        TENCENT,
        26_000,
        "framepack's transformer",
        ("*.json", "*.safetensors"),
    ),
    Weights(
        "framepack-image-encoder",
        "lllyasviel/flux_redux_bfl",
        REDUX,
        900,
        "framepack's image encoder",
        ("image_encoder/*", "feature_extractor/*"),
    ),
)

MODELS_BY_NAME = {model.weights.name: model for model in MODELS}
