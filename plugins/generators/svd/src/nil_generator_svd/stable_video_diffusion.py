"""Stable Video Diffusion through diffusers."""

from __future__ import annotations

import torch
from diffusers import StableVideoDiffusionPipeline

from nil_core.api import GenerationRequest, Progress, Video, central_square
from nil_core.diffusion.drawing import draw, picture
from nil_core.diffusion.loading import loaded
from nil_core.weights import locate
from nil_generator_svd import CARD, SvdOptions

WIDTH, HEIGHT = 1024, 576
"""What the models were trained on, pixels."""

STEPS = 25


class StableVideoDiffusion:
    """Animates the first frame. The model takes no text: prompt and skill are ignored, and so is the wished length.

    The model is told frame rate, amount of motion and noise as numbers beside the picture (arXiv 2311.15127, section 4
    and appendix D); guidance grows linearly over the frames.
    """

    def __init__(self, options: SvdOptions) -> None:
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """The video at the model's size, its first frame letterboxed into it.

        Raises:
            DataError: the weights are not here, or are no Stable Video Diffusion.
            MachineError: no such GPU, or too little memory.
        """
        options = self._options
        folder = locate(options.weights, CARD.weights)
        width, height = options.width or WIDTH, options.height or HEIGHT
        with loaded(StableVideoDiffusionPipeline, folder, options, half=torch.float16) as ready:
            if ready.offload != "none":
                ready.pipeline.unet.enable_forward_chunking()
            arguments = {
                "num_frames": options.frames or ready.pipeline.unet.config.num_frames,
                "num_inference_steps": options.steps or STEPS,
                "fps": options.fps,
                "motion_bucket_id": options.motion_bucket,
                "noise_aug_strength": options.noise,
                "min_guidance_scale": options.least_guidance,
                "max_guidance_scale": options.most_guidance,
                "decode_chunk_size": options.decode_chunk,
                "width": width,
                "height": height,
            }
            shown = {"image": picture(request, width, height)}
            frames = draw(ready, shown | arguments, request.seed, progress)
            facts = {"model": options.weights, "seed": request.seed, **arguments, **ready.facts()}
        return Video(frames, float(options.fps), crop_box=central_square(width, height), facts=facts)
