"""Clips a second of the video transformers: transformers' own call in fp32, as its documentation has it, against ours.

    python benchmarks/encode.py                      # where torch works: CUDA if present
    python benchmarks/encode.py --device cpu --models timesformer-tiny timesformer-base --batches 1

The models are built from their configurations with random numbers, written as checkpoints, and read back by the
encoders. The plain call normalizes on the host, has eager attention, and keeps to ``torch.no_grad``. Ours is what a run
does, at float32 and at bfloat16. On a GPU the share is that of the rate measured for bf16 products of 8192 x 8192 in
the same run. Seconds are the least of the rounds; on a busy CPU read ``cpu s``, the processor time of a clip.
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
"""Name to encoder, model, and multiply-adds a clip."""


def plain(kind: type, folder: Path, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """The documented call: a normalized float clip of the host, then the model."""
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


def ways(name: str, folder: Path, device: torch.device) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """One after another, so that one model at a time lies in memory."""
    encoder, build, _ = MODELS[name]
    yield "plain fp32", plain(type(build()), folder, device)
    for dtype in ("float32", "bfloat16"):
        options = {"weights": str(folder), "device": str(device), "dtype": dtype, "batch": 256}
        yield f"ours {dtype}", registry.build("encoder", encoder, options).encode


def least_seconds(encode: Callable[[np.ndarray], np.ndarray], clips: np.ndarray, seconds: float) -> tuple[float, float]:
    """Wall and processor seconds of a batch: the least of as many rounds as fit, after one that compiles."""
    encode(clips)
    rounds, until = [], time.perf_counter() + seconds
    while not rounds or time.perf_counter() < until:
        wall, cpu = time.perf_counter(), time.process_time()
        encode(clips)  # ends on the host, so the device is done
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in rounds), min(cpu for _, cpu in rounds)


def product_rate(device: torch.device) -> float:
    """bf16 multiply-adds a second of a large matrix product, measured."""
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
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batches", nargs="+", type=int, help="default: 1 16 256 on a GPU, 1 16 on a CPU")
    parser.add_argument("--seconds", type=float, default=5.0, help="of rounds for each line, at least one round")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    on_gpu = device.type == "cuda"
    rate = product_rate(device) if on_gpu else 0.0
    if on_gpu:
        print(f"{torch.cuda.get_device_name(device)}: {2 * rate / 1e12:.0f} TFLOP/s in bf16 products")
    print("| model | batch | way | clips/s | cpu s a clip | against plain | share of the bf16 rate | cosine to plain |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in chosen.models:
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = MODELS[name][1]()
            model.save_pretrained(folder)
            shape = _clip_shape(model.config)
            del model
            baseline: dict[int, tuple[float, np.ndarray]] = {}
            for way, encode in ways(name, Path(folder), device):
                for batch in chosen.batches or ([1, 16, 256] if on_gpu else [1, 16]):
                    clips = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
                    found = encode(clips)
                    wall, cpu = least_seconds(encode, clips, chosen.seconds)
                    first, wanted = baseline.setdefault(batch, (wall, found))
                    share = f"{MODELS[name][2] * batch / wall / rate:.0%}" if on_gpu else ""
                    cells = [f"{batch / wall:.3g}", f"{cpu / batch:.3g}", f"{first / wall:.2f}", share]
                    print(
                        f"| {' | '.join([name, str(batch), way, *cells, f'{_cosine(found, wanted):.5f}'])} |",
                        flush=True,
                    )


def _clip_shape(config: Any) -> tuple[int, int, int, int]:
    return config.num_frames, config.image_size, config.image_size, 3


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / norms).min())


if __name__ == "__main__":
    main()
