"""Time per frame of the encoder ``hog``, compared with ``skimage.feature.hog``, on one core.

    pip install scikit-image ./plugins/encoders/hog
    OMP_NUM_THREADS=1 python benchmarks/hog.py

Prints milliseconds per 128 px frame (median of the rounds), for noise (every pixel has a gradient) and for a uniform
shape on black (similar to a rendered robot).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from skimage.feature import hog as skimage_hog

from nil_encoder_hog import HogOptions
from nil_encoder_hog.hog_encoder import HogEncoder

NUM_FRAMES, ROUNDS = 64, 15


def skimage_features(frames: np.ndarray) -> np.ndarray:
    """One call per frame, as in scikit-image's documentation (it uses the channel with the strongest gradient)."""
    size = frames.shape[1] // 8
    return np.stack([skimage_hog(frame, 9, (size, size), (2, 2), "L2", channel_axis=-1) for frame in frames])


def milliseconds(encode: Callable[[np.ndarray], np.ndarray], frames: np.ndarray) -> float:
    """Median wall time per frame, after one warm-up round."""
    encode(frames)
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        encode(frames)
        rounds.append(time.perf_counter() - begin)
    return float(np.median(rounds)) / len(frames) * 1e3


def main() -> None:
    """Print the table."""
    noise = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, 128, 128, 3), np.uint8)
    shape = np.zeros_like(noise)
    shape[:, 30:90, 30:100] = 160
    encode = HogEncoder(HogOptions()).encode_frames
    print(f"{'frames':8} {'nil hog':>9} {'skimage':>9}   ms per frame")
    for name, frames in (("noise", noise), ("shape", shape)):
        ours = milliseconds(encode, frames)
        theirs = milliseconds(skimage_features, frames)
        print(f"{name:8} {ours:9.3f} {theirs:9.3f}   {theirs / ours:.0f} times faster")


if __name__ == "__main__":
    main()
