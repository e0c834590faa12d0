"""A video from a service to the disk: resumed where it broke off, and looked at before it counts."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

import httpx2

from nil_core.errors import DataError
from nil_core.hosted.connection import Connection, brief
from nil_core.hosted.troubles import VendorError
from nil_core.storage.atomic import explain_os_errors
from nil_core.storage.cache import cache_root
from nil_core.types import Progress, Video
from nil_core.video.files import read_video

TRIES = 6
GONE = (401, 403, 404, 410)  # what stores answer to an expired URL
FILM_TYPES = ("video/", "application/octet-stream", "binary/octet-stream", "application/mp4")


class _Broken(Exception):
    """The download has to go on, or to start again."""


def stored(sha256: str) -> Path:
    """Where a paid video lies, by its content."""
    return cache_root() / "hosted" / "videos" / f"{sha256}.mp4"


def download(
    connection: Connection, name: str, url: str, fresh_url: Callable[[], str], part: Path, progress: Progress
) -> tuple[str, Video]:
    """Fetch, check and store a video.

    Args:
        connection: whose client and deadline.
        name: of the generator, for what is said.
        url: of the video.
        fresh_url: asks the service for one that has not expired.
        part: the unfinished file; what an earlier call left there is gone on with.
        progress: told in kilobytes.

    Returns:
        the file's SHA-256, and the video.

    Raises:
        VendorError: it stays broken; a later call tries again and pays nothing.
        MachineError: the disk is full or cannot be written.
    """
    backoff, problem = connection.backoff(), ""
    for _ in range(TRIES):
        if problem:
            connection.pause(next(backoff), problem)
            url = fresh_url()
        try:
            _fetch(connection, url, part, f"{name}: kB downloaded", progress)
            video = read_video(part)
        except httpx2.TransportError as error:
            problem = f"the download broke off: {type(error).__name__}"
        except _Broken as error:
            problem = str(error)
        except DataError as error:
            problem = f"the file is damaged: {error.message.removeprefix(f'{part} ')}"
            part.unlink()
        else:
            return _keep(part), video
    raise VendorError(
        f"{name} made the video, and it cannot be downloaded: {problem}",
        "it is paid; the same command downloads it again and pays nothing",
    )


def _fetch(connection: Connection, url: str, part: Path, what: str, progress: Progress) -> None:
    """Append what is missing to the part."""
    with explain_os_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        with connection.stream(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == 416:  # nothing is missing, or what we have is of another file
                if response.headers.get("content-range", "").endswith(f"/{have}"):
                    return
                part.unlink()
                raise _Broken("the unfinished file does not fit")
            if response.status_code in GONE:
                raise _Broken(f"the address has expired (HTTP {response.status_code})")
            if response.status_code not in (200, 206):
                raise _Broken(f"HTTP {response.status_code}")
            kind = response.headers.get("content-type", "application/octet-stream")
            if not kind.startswith(FILM_TYPES):
                raise _Broken(f"{kind} instead of a video: {brief(response.read()[:200].decode(errors='replace'))}")
            if response.status_code == 200:
                have = 0
            elif not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                part.unlink()
                raise _Broken("another piece came than was asked for")
            total = have + int(response.headers.get("content-length", 0))
            with open(part, "ab" if have else "wb") as file:
                for piece in response.iter_bytes():
                    file.write(piece)
                    have += len(piece)
                    progress(have // 1000, max(total, have) // 1000, what)


def _keep(part: Path) -> str:
    with part.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    path = stored(sha256)
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
    return sha256
