"""Every pipeline of the table with thousands instead of billions of random parameters, stored like the real one."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers as d
import pytest
import torch
import transformers as t
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from tokenizers.pre_tokenizers import ByteLevel

CHARACTERS = [*string.ascii_letters, *string.digits, *".,:;!?-_()'\" \n"]


def t5_tokenizer() -> Any:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *CHARACTERS]
    return t.T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0)


def t5(kind: Any = t.T5EncoderModel, config: Any = t.T5Config, vocab_size: int = 128) -> Any:
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 1, "num_heads": 4}
    return kind(config(vocab_size=vocab_size, relative_attention_num_buckets=8, **sizes))


def clip_tokenizer() -> Any:
    words = ["<|startoftext|>", "<|endoftext|>", *CHARACTERS, *(f"{each}</w>" for each in CHARACTERS)]
    return t.CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)


def clip_text(tokenizer: Any, hidden: int) -> Any:
    return t.CLIPTextModel(
        t.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=37,
            num_attention_heads=2,
            num_hidden_layers=2,
            projection_dim=32,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def clip_vision(kind: Any, hidden: int = 4) -> Any:
    sizes = {"hidden_size": hidden, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 2}
    return kind(t.CLIPVisionConfig(**sizes, projection_dim=hidden, image_size=32, patch_size=8))


def siglip(hidden: int) -> tuple[Any, Any]:
    sizes = {"hidden_size": hidden, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    image_encoder = t.SiglipVisionModel(t.SiglipVisionConfig(**sizes, image_size=30, patch_size=15))
    return image_encoder, t.SiglipImageProcessor(size={"height": 30, "width": 30})


def llama_tokenizer() -> Any:
    words = ["<unk>", "<s>", "</s>", "▁", *CHARACTERS]
    tokenizer = t.LlamaTokenizerFast(vocab={word: i for i, word in enumerate(words)}, merges=[])
    tokenizer.pad_token = "</s>"
    return tokenizer


def flow() -> Any:
    return d.FlowMatchEulerDiscreteScheduler()


def i2vgen_xl() -> Any:
    tokenizer = clip_tokenizer()
    unet = d.I2VGenXLUNet(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=32,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=4,
        attention_head_dim=4,
        num_attention_heads=None,
        norm_num_groups=2,
    )
    vae = d.AutoencoderKL(block_out_channels=(8,), latent_channels=4, norm_num_groups=2, sample_size=32)
    scheduler = d.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="linear",
        clip_sample=False,
        set_alpha_to_one=False,
    )
    return d.I2VGenXLPipeline(
        vae=vae,
        text_encoder=clip_text(tokenizer, 4),
        tokenizer=tokenizer,
        image_encoder=clip_vision(t.CLIPVisionModelWithProjection),
        feature_extractor=t.CLIPImageProcessor(size=32, crop_size=32),
        unet=unet,
        scheduler=scheduler,
    )


def cogvideox() -> Any:
    transformer = d.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=8,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=32,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=9,
        patch_size=2,
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
    )
    vae = d.AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2
    )
    return d.CogVideoXImageToVideoPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae,
        transformer=transformer,
        scheduler=d.CogVideoXDDIMScheduler(),
    )


def wan_transformer(channels: int, latents: int, **more: Any) -> Any:
    return d.WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=latents,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
        **more,
    )


def wan_parts(vae: Any, scheduler: Any | None = None) -> dict[str, Any]:
    text = t5(t.UMT5EncoderModel, t.UMT5Config)
    return {"tokenizer": t5_tokenizer(), "text_encoder": text, "vae": vae, "scheduler": scheduler or flow()}


def wan_vae(**more: Any) -> Any:
    return d.AutoencoderKLWan(base_dim=3, dim_mult=[1, 1, 1, 1], num_res_blocks=1, **more)


def wan_2_1() -> Any:
    return d.WanImageToVideoPipeline(
        **wan_parts(wan_vae(z_dim=16)),
        transformer=wan_transformer(36, 16, image_dim=4),
        image_encoder=clip_vision(t.CLIPVisionModel),
        image_processor=t.CLIPImageProcessor(size=32, crop_size=32),
    )


def wan_2_2_a14b() -> Any:
    scheduler = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return d.WanImageToVideoPipeline(
        **wan_parts(wan_vae(z_dim=16), scheduler),
        transformer=wan_transformer(36, 16),
        transformer_2=wan_transformer(36, 16),
        boundary_ratio=0.9,
    )


def wan_2_2_5b() -> Any:
    vae = wan_vae(
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
    )
    return d.WanImageToVideoPipeline(**wan_parts(vae), transformer=wan_transformer(48, 48), expand_timesteps=True)


def ltx() -> Any:
    transformer = d.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    vae = d.AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=1,
    )
    return d.LTXImageToVideoPipeline(
        scheduler=flow(), vae=vae, text_encoder=t5(), tokenizer=t5_tokenizer(), transformer=transformer
    )


def framepack() -> Any:
    transformer = d.HunyuanVideoFramepackTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        text_embed_dim=16,
        pooled_projection_dim=8,
        rope_axes_dim=(2, 4, 4),
        has_image_proj=True,
        image_proj_dim=32,
        has_clean_x_embedder=True,
    )
    vae = d.AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
    )
    words, clip_words = llama_tokenizer(), clip_tokenizer()
    llama = t.LlamaModel(
        t.LlamaConfig(
            vocab_size=128,
            hidden_size=16,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=4,
            max_position_embeddings=512,
        )
    )
    image_encoder, processor = siglip(32)
    return d.HunyuanVideoFramepackPipeline(
        text_encoder=llama,
        tokenizer=words,
        transformer=transformer,
        vae=vae,
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=clip_text(clip_words, 8),
        tokenizer_2=clip_words,
        image_encoder=image_encoder,
        feature_extractor=processor,
    )


def hunyuanvideo_1_5() -> Any:
    transformer = d.HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=16,
        text_embed_2_dim=32,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
    )
    vae = d.AutoencoderKLHunyuanVideo15(
        latent_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=2,
        downsample_match_channel=False,
        upsample_match_channel=False,
    )
    image_encoder, processor = siglip(12)
    text = t.Qwen2_5_VLTextModel(
        t.Qwen2_5_VLTextConfig(
            vocab_size=400,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            bos_token_id=256,
            eos_token_id=256,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
        )
    )
    return d.HunyuanVideo15ImageToVideoPipeline(
        text_encoder=text,
        tokenizer=qwen_tokenizer(),
        transformer=transformer,
        vae=vae,
        scheduler=flow(),
        text_encoder_2=t5(vocab_size=400),
        tokenizer_2=t.ByT5Tokenizer(),
        guider=d.ClassifierFreeGuidance(guidance_scale=1.0),
        image_encoder=image_encoder,
        feature_extractor=processor,
    )


def qwen_tokenizer() -> Any:
    words = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = t.Qwen2Tokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])
    tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    return tokenizer


def ltx_2() -> Any:
    layers = 2
    sizes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": layers, "num_attention_heads": 4}
    text = {**sizes, "vocab_size": 256, "num_key_value_heads": 4, "head_dim": 8, "max_position_embeddings": 1024}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    tokens = {"boi_token_index": 250, "eoi_token_index": 251, "image_token_index": 252, "mm_tokens_per_image": 4}
    transformer = d.LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        caption_channels=32,
        rope_double_precision=False,
        rope_type="split",
    )
    connectors = LTX2TextConnectors(
        caption_channels=32,
        text_proj_in_factor=layers + 1,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    )
    vae = d.AutoencoderKLLTX2Video(
        latent_channels=4,
        block_out_channels=(8,),
        down_block_types=("LTX2VideoDownBlock3D",),
        decoder_block_out_channels=(8,),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        downsample_type=("spatiotemporal",),
        upsample_type=("spatiotemporal",),
        upsample_residual=(False,),
        upsample_factor=(1,),
        patch_size=1,
        decoder_causal=False,
    )
    audio_vae = d.AutoencoderKLLTX2Audio(
        base_channels=4, ch_mult=(1,), num_res_blocks=1, resolution=32, latent_channels=2, mel_bins=8
    )
    vocoder = LTX2Vocoder(
        in_channels=16,
        hidden_channels=32,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        output_sampling_rate=16000,
    )
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *CHARACTERS]
    return d.LTX2ImageToVideoPipeline(
        scheduler=flow(),
        vae=vae,
        audio_vae=audio_vae,
        text_encoder=t.Gemma3ForConditionalGeneration(t.Gemma3Config(text_config=text, vision_config=vision, **tokens)),
        tokenizer=t.GemmaTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[]),
        connectors=connectors,
        transformer=transformer,
        vocoder=vocoder,
    )


BUILDERS: dict[str, Callable[[], Any]] = {
    "i2vgen-xl": i2vgen_xl,
    "cogvideox-5b": cogvideox,
    "wan2.1-480p": wan_2_1,
    "wan2.2-a14b": wan_2_2_a14b,
    "wan2.2-5b": wan_2_2_5b,
    "ltx": ltx,
    "ltx-2": ltx_2,
    "framepack": framepack,
    "hunyuanvideo-1.5": hunyuanvideo_1_5,
}

SIZES = {
    "ltx": (64, 32),
    "ltx-2": (64, 32),
    "wan2.1-480p": (32, 16),
    "wan2.2-a14b": (32, 16),
    "wan2.2-5b": (64, 32),
    "cogvideox-5b": (16, 16),
    "hunyuanvideo-1.5": (16, 16),
    "framepack": (64, 32),
    "i2vgen-xl": (32, 16),
}
"""Width and height of the tiny versions: the smallest that are wider than high if the model allows it."""


@pytest.fixture(params=BUILDERS)
def model(request: pytest.FixtureRequest) -> str:
    """The name of every model that has a tiny version."""
    name: str = request.param
    return name


@pytest.fixture
def models() -> set[str]:
    return set(BUILDERS)


@pytest.fixture
def size(model: str) -> tuple[int, int]:
    return SIZES[model]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model's tiny version, which is made at the first call."""
    root = tmp_path_factory.mktemp("pipelines")

    def folder(model: str) -> Path:
        place = root / model
        if not place.exists():
            torch.manual_seed(0)
            pipeline = BUILDERS[model]()
            for part in pipeline.components.values():
                if isinstance(part, torch.nn.Module):
                    part.eval()
            pipeline.save_pretrained(place)
        return place

    return folder
