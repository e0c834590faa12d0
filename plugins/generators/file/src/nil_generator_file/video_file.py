"""The generator ``file``: reads a video of the user."""

from __future__ import annotations

from dataclasses import replace
from hashlib import file_digest, sha256
from pathlib import Path

from nil_core.api import ConfigError, GenerationRequest, Progress, Video, read_video
from nil_generator_file import FileOptions


class VideoFile:
    """A generator that returns an existing video.

    Prompt, seed, requested frame rate and length are ignored. For learning, the robot should stand at first as in the
    first frame of the simulator, be seen from the side and stay in the middle.
    """

    def __init__(self, options: FileOptions) -> None:
        """Raises ConfigError without a path."""
        if options.path is None:
            raise ConfigError("the generator file needs a video", "--set generator.path=walk.mp4")
        self._path = options.path.expanduser()
        self._options = options

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Read the video: frames at the file's own size and rate, no masks.

        ``facts`` have the cuts, and the name and SHA-256 of the file (for a folder, of its files' names and contents).

        Raises:
            DataError: missing, unreadable, truncated, shorter than two frames, or the crop leaves the picture.
        """
        progress(0, 1, f"reading {self._path.name}")
        cuts = self._options.model_dump(mode="json", include={"start", "seconds", "crop", "fps"})
        video = read_video(self._path, **cuts)
        facts = {"source": self._path.name, "sha256": _digest(self._path), **cuts}
        progress(1, 1, f"read {len(video.frames)} frames")
        return replace(video, facts=facts)


def _digest(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return sha256("".join(f"{file.name}\0{_digest(file)}\0" for file in files).encode()).hexdigest()
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
