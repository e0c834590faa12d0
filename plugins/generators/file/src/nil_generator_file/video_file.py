"""The generator ``file``: reads a video of the user."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from nil_core.api import ConfigError, GenerationRequest, Progress, Video, read_video
from nil_generator_file import FileOptions

SPARE = 0.5
"""Seconds read beyond what is asked: more than a frame of any video."""


class VideoFile:
    """A generator that returns an existing video.

    Prompt, seed and requested frame rate are ignored. For learning, the robot should stand at first as in the first
    frame of the simulator, be seen from the side and stay in the middle.
    """

    def __init__(self, options: FileOptions) -> None:
        """Raises ConfigError without a path."""
        if options.path is None:
            raise ConfigError("the generator file needs a video", "--set generator.path=walk.mp4")
        self._path = options.path.expanduser()
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Read the video: frames at the file's own rate, and its own size up to the option ``size``; no masks.

        Read is what the option ``seconds`` says, else what the request asks for. ``facts`` have the cuts, the name and
        SHA-256 of the file (for a folder, of its files' names and contents), and remarks on it.

        Raises:
            DataError: missing, unreadable, truncated, shorter than two frames, or the crop leaves the picture.
        """
        progress(0, 1, f"reading {self._path.name}")
        cuts = self._options.model_dump(mode="json", include={"start", "seconds", "crop", "fps", "size"})
        video = self._read(cuts) if self._options.seconds else self._as_asked(cuts, request.seconds)
        facts = {**video.facts, "source": self._path.name, "sha256": _digest(self._path), **cuts}
        progress(1, 1, f"read {len(video.frames)} frames")
        return replace(video, facts=facts)

    def _read(self, cuts: dict[str, Any]) -> Video:
        return read_video(self._path, **cuts)

    def _as_asked(self, cuts: dict[str, Any], seconds: float) -> Video:
        """As long as asked, and a frame more, so that the last moment lies between two frames."""
        video = self._read({**cuts, "seconds": seconds + SPARE})
        wanted = math.ceil(seconds * video.fps - 1e-6) + 1
        if len(video.frames) <= wanted:
            return video
        longer = f"--set video.seconds={2 * seconds:g} uses more of it"
        remark = f"{self._path.name} goes on after the {seconds:g} s that were asked for: {longer}"
        facts = {**video.facts, "remarks": [*video.facts.get("remarks", []), remark]}
        return replace(video, frames=video.frames[:wanted], facts=facts)


def _digest(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return sha256("".join(f"{file.name}\0{_digest(file)}\0" for file in files).encode()).hexdigest()
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
