"""Named starting points: what each lays over the defaults."""

from __future__ import annotations

from typing import Any, Final

_JOINTS_ALONE = {
    "gravity": False,
    "angular_velocity": False,
    "linear_velocity": False,
    "height": False,
    "heading": False,
    "last_action": False,
    "phase": False,
    "preview": 0,
}

_PAPER: dict[str, Any] = {
    "steps": 1_000_000,
    "robot": {"name": "h1"},
    "generator": {"name": "svd"},  # the one of the paper's five that needs no account
    "segmenter": {"name": "sam2"},
    "encoder": {"name": "timesformer"},
    "agent": {"name": "bro"},
    # 400 control steps. The paper interpolates to 100 Hz with RIFE; flow stands in, as nobody ships its weights.
    "video": {"seconds": 4.0, "alignment": "flow"},
    "environment": {
        "control": "torque",
        "control_hz": 100.0,
        "tick_hz": 100.0,
        "timestep": 0.002,
        "render_size": 224,
        "observation": _JOINTS_ALONE,
    },
    "reward": {"similarity": "cosine", "scale": "raw"},
    "motion": {"source": "none"},
    "training": {"log_every": 1_000, "eval_every": 25_000, "eval_episodes": 5, "checkpoint_every": 25_000},
}

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "quickstart": {},  # the defaults are the quickstart
    "smoke": {
        "steps": 160,  # more than sac's batch_size, so that it learns
        "agent": {"name": "sac", "critic_warmup": 0},
        "video": {"seconds": 0.4},
        "environment": {"render_size": 64},
        "training": {"log_every": 40, "eval_every": 80, "eval_episodes": 1, "checkpoint_every": 80},
        "evaluation": {"episodes": 1},
    },
    "paper": _PAPER,  # the CVPR version
    "paper-v1": {  # the first version: distance of embeddings, one reward for every k = 4 control steps
        **_PAPER,
        "video": {"seconds": 4.0, "alignment": "hold"},
        "environment": {**_PAPER["environment"], "tick_hz": 25.0},
        "reward": {"similarity": "l2", "scale": "raw"},
    },
}
"""Preset to the nested values it sets; the first is the default."""
