"""Stable Video Diffusion through diffusers."""

from __future__ import annotations

import torch
from diffusers import StableVideoDiffusionPipeline

from nil_core.api import GenerationRequest, Progress, Video, central_square
from nil_core.diffusion.loading import load_pipeline
from nil_core.diffusion.sampling import input_image, sample_frames
from nil_core.weights import locate
from nil_generator_svd import CARD, SvdOptions

WIDTH, HEIGHT = 1024, 576
"""Frame size that the models were trained on, pixels."""

STEPS = 25


class StableVideoDiffusion:
    """Animates the first frame. The model takes no text: prompt, skill and requested length are ignored.

    Frame rate, amount of motion and noise are inputs of the model beside the image (arXiv 2311.15127, section 4 and
    appendix D); guidance grows linearly over the frames.
    """

    def __init__(self, options: SvdOptions) -> None:
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """The video at the model's size, its first frame letterboxed into it.

        Raises:
            DataError: the weights are not on this machine, or not of Stable Video Diffusion.
            MachineError: no such GPU, or too little memory.
        """
        options = self._options
        folder = locate(options.weights, CARD.weights)
        width, height = options.width or WIDTH, options.height or HEIGHT
        with load_pipeline(StableVideoDiffusionPipeline, folder, options, half_dtype=torch.float16) as loaded:
            if loaded.offload != "none":
                loaded.pipeline.unet.enable_forward_chunking()
            arguments = {
                "num_frames": options.frames or loaded.pipeline.unet.config.num_frames,
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
            image = {"image": input_image(request, width, height)}
            frames = sample_frames(loaded, image | arguments, request.seed, progress)
            facts = {"model": options.weights, "seed": request.seed, **arguments, **loaded.facts()}
        return Video(frames, float(options.fps), crop_box=central_square(width, height), facts=facts)
