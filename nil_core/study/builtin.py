"""Built-in studies: the tables of the paper, and questions of the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nil_core.errors import ConfigError
from nil_core.study.grid import Row, StudySpec


@dataclass(frozen=True)
class BuiltIn:
    """A built-in study.

    Attributes:
        question: that it answers, in one line.
        rows: name to overrides.
    """

    question: str
    rows: Mapping[str, Mapping[str, Any]]


BUILT_IN: Final[Mapping[str, BuiltIn]] = {
    "reward-terms": BuiltIn(
        "What does each term of the reward add? (Table 1)",
        {
            "all": {},
            "no-regularization": {"reward.regularization": 0},
            "no-iou": {"reward.iou": 0},
            "no-video": {"reward.video": 0},
            "regularization-only": {"reward.video": 0, "reward.iou": 0},
            "iou-only": {"reward.video": 0, "reward.regularization": 0},
            "video-only": {"reward.iou": 0, "reward.regularization": 0},
        },
    ),
    "generators": BuiltIn(
        "Which video generator is best? (Table 2; hosted generators cost money)",
        {name: {"generator": name} for name in ("kling", "pika", "runway", "sora", "svd")},
    ),
    "generator-versions": BuiltIn(
        "Does a newer version of a generator help? (section 4.3; costs money)",
        {
            "kling-v1": {"generator.name": "kling", "generator.model": "kling-v1"},
            "kling-v1-6": {"generator.name": "kling", "generator.model": "kling-v1-6"},
        },
    ),
    "robots": BuiltIn(
        "Does it work on other robots? (Table 3)",
        {name: {"robot": name} for name in ("h1", "talos", "g1", "a1")},
    ),
    "encoders": BuiltIn(
        "Which video encoder is best?", {name: {"encoder": name} for name in ("hog", "timesformer", "videomae")}
    ),
    "alignment": BuiltIn(
        "How should video frames be aligned to the tick rate?",
        {name: {"video.alignment": name} for name in ("hold", "blend", "flow")},
    ),
    "recovery": BuiltIn(
        "What does motion recovery add, and each of its uses?",
        {
            "all": {},
            "no-base": {"motion.base": False},
            "no-starts": {"motion.start_share": 0.0},
            "uniform-starts": {"motion.start_adaptive": False},
            "early-termination": {"motion.max_deviation": 0.25},
            "implausible": {"generator.plausible": False},
            "side-view": {"robot.camera_azimuth": 90.0},
            "oracle-motion": {"motion.source": "generator"},
            "no-video-reward": {"reward.video": 0, "reward.iou": 0},
            "no-motion": {"motion.source": "none"},
        },
    ),
}


def built_in(
    name: str,
    base: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | None = None,
    preset: str | None = None,
) -> StudySpec:
    """A built-in study.

    Args:
        name: a key of :data:`BUILT_IN`.
        base, seeds, preset: as in :meth:`nil_core.study.grid.StudySpec.changed`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in BUILT_IN:
        known = ", ".join(BUILT_IN)
        raise ConfigError(f"there is no study {name!r}, and no file of that name", f"built-in studies: {known}")
    rows = tuple(Row(row, overrides) for row, overrides in BUILT_IN[name].rows.items())
    return StudySpec(name, rows).changed(base, seeds, preset)
