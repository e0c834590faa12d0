"""Clips per second of the video transformers: transformers' documented call in fp32, compared with nil's encoders.

    python benchmarks/encode.py                      # on CUDA if present
    python benchmarks/encode.py --device cpu --models timesformer-tiny timesformer-base --batches 1

The models have random weights; they are saved as checkpoints and loaded by the encoders. The plain call normalizes on
the CPU and uses eager attention and ``torch.no_grad``. "Ours" is the call of a run, in float32 and in bfloat16. On a
GPU, the share is relative to the rate of bf16 matrix products of 8192 x 8192 measured in the same run. Times are the
minimum over the rounds; on a busy CPU compare the CPU time per clip.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TimesformerConfig, TimesformerModel, VideoMAEConfig, VideoMAEModel

from nil_core import registry

SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
TINY = {"image_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

MODELS: dict[str, tuple[str, Callable[[], Any], float]] = {
    "timesformer-tiny": ("timesformer", lambda: TimesformerModel(TimesformerConfig(**TINY)), 0.0),
    "timesformer-base": ("timesformer", lambda: TimesformerModel(TimesformerConfig()), 195.8e9),
    "videomae-small": ("videomae", lambda: VideoMAEModel(VideoMAEConfig(**SMALL)), 56.9e9),
    "videomae-base": ("videomae", lambda: VideoMAEModel(VideoMAEConfig()), 180.3e9),
}
"""Name to encoder, model, and multiply-adds per clip."""


def plain(kind: type, folder: Path, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """The call documented by transformers: normalization on the CPU, then the model."""
    model = kind.from_pretrained(folder, attn_implementation="eager").to(device).eval()  # type: ignore[attr-defined]
    mean, std = (0.45, 0.225) if kind is TimesformerModel else (np.array(part) for part in IMAGENET)

    def encode(clips: np.ndarray) -> np.ndarray:
        pixels = ((clips.astype(np.float32) / 255 - mean) / std).astype(np.float32)
        with torch.no_grad():
            tokens = model(torch.from_numpy(pixels.transpose(0, 1, 4, 2, 3)).to(device)).last_hidden_state
        found = tokens[:, 0] if kind is TimesformerModel else tokens.mean(1)
        result: np.ndarray = found.cpu().numpy()
        return result

    return encode


def implementations(
    name: str, folder: Path, device: torch.device
) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Name and encode function of each implementation, loaded one at a time to save memory."""
    encoder, build, _ = MODELS[name]
    yield "plain fp32", plain(type(build()), folder, device)
    for dtype in ("float32", "bfloat16"):
        options = {"weights": str(folder), "device": str(device), "dtype": dtype, "batch": 256}
        yield f"ours {dtype}", registry.build("encoder", encoder, options).encode


def min_seconds(encode: Callable[[np.ndarray], np.ndarray], clips: np.ndarray, seconds: float) -> tuple[float, float]:
    """Minimum wall and CPU seconds of a batch over the rounds that fit in ``seconds``, after one warm-up round."""
    encode(clips)
    rounds, until = [], time.perf_counter() + seconds
    while not rounds or time.perf_counter() < until:
        wall, cpu = time.perf_counter(), time.process_time()
        encode(clips)  # returns a CPU array, so the device has finished
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in rounds), min(cpu for _, cpu in rounds)


def product_rate(device: torch.device) -> float:
    """Measured bf16 multiply-adds per second of a large matrix product."""
    size = 8192
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize(device)
    begin = time.perf_counter()
    for _ in range(20):
        a @ b
    torch.cuda.synchronize(device)
    return 20 * size**3 / (time.perf_counter() - begin)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batches", nargs="+", type=int, help="default: 1 16 256 on a GPU, 1 16 on a CPU")
    parser.add_argument("--seconds", type=float, default=5.0, help="measuring time per row, at least one round")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    on_gpu = device.type == "cuda"
    rate = product_rate(device) if on_gpu else 0.0
    if on_gpu:
        print(f"{torch.cuda.get_device_name(device)}: {2 * rate / 1e12:.0f} TFLOP/s in bf16 products")
    print("| model | batch | code | clips/s | CPU s per clip | speedup | share of the bf16 rate | cosine to plain |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in chosen.models:
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = MODELS[name][1]()
            model.save_pretrained(folder)
            shape = _clip_shape(model.config)
            del model
            baseline: dict[int, tuple[float, np.ndarray]] = {}
            for code, encode in implementations(name, Path(folder), device):
                for batch in chosen.batches or ([1, 16, 256] if on_gpu else [1, 16]):
                    clips = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
                    found = encode(clips)
                    wall, cpu = min_seconds(encode, clips, chosen.seconds)
                    first, wanted = baseline.setdefault(batch, (wall, found))
                    share = f"{MODELS[name][2] * batch / wall / rate:.0%}" if on_gpu else ""
                    cells = [f"{batch / wall:.3g}", f"{cpu / batch:.3g}", f"{first / wall:.2f}", share]
                    print(
                        f"| {' | '.join([name, str(batch), code, *cells, f'{_cosine(found, wanted):.5f}'])} |",
                        flush=True,
                    )


def _clip_shape(config: Any) -> tuple[int, int, int, int]:
    return config.num_frames, config.image_size, config.image_size, 3


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / norms).min())


if __name__ == "__main__":
    main()
