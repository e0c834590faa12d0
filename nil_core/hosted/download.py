"""Download of a video: resumed where it broke off, and checked before it is stored.

Whatever decodes is a video: services and their file stores often name another type, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

import httpx2

from nil_core.errors import DataError
from nil_core.hosted.connection import Connection
from nil_core.hosted.errors import RejectedError, ServiceError
from nil_core.hosted.words import brief, is_text
from nil_core.storage.cache import cache_root
from nil_core.storage.os_errors import explain_os_errors
from nil_core.types import Progress, Video
from nil_core.video.files import LONGEST_SIDE, read_video

MAX_TRIES = 6
EXPIRED_STATUSES = (401, 403, 404, 410)  # what file stores return for an expired URL


class _DownloadError(Exception):
    """The download has to be resumed or repeated."""


def stored_path(sha256: str) -> Path:
    """The file of a paid video, named by its content."""
    return cache_root() / "hosted" / "videos" / f"{sha256}.mp4"


def download(
    connection: Connection, name: str, url: str, new_url: Callable[[], str], partial: Path, progress: Progress
) -> tuple[str, Video]:
    """Fetch, check and store a video.

    Args:
        connection: whose client and deadline are used.
        name: of the generator, for messages.
        url: of the video.
        new_url: asks the service for a URL that has not expired.
        partial: the unfinished file; if an earlier call left it, the download is resumed.
        progress: called with kilobytes.

    Returns:
        the file's SHA-256, and the video.

    Raises:
        ServiceError: it fails every time; a later call tries again and pays nothing.
        MachineError: the disk is full or cannot be written.
    """
    backoff, problem = connection.backoff(), ""
    for _ in range(MAX_TRIES):
        if problem:
            connection.pause(next(backoff), problem)
            url = new_url()
        kind = ""
        try:
            kind = _fetch(connection, url, partial, f"{name}: kB downloaded", progress)
            video = read_video(partial, size=LONGEST_SIDE)
        except httpx2.RequestError as error:
            problem = f"the download broke off: {type(error).__name__} {brief(str(error))}".strip()
        except _DownloadError as error:
            problem = str(error)
        except (RejectedError, ServiceError) as error:  # its address, or where a redirect leads
            problem = error.message
        except DataError as error:
            problem = _text_instead(partial, kind) or f"the file is damaged: {_reason(error, partial)}"
            partial.unlink()
        else:
            return _store(partial), video
    raise ServiceError(
        f"{name} made the video, but it cannot be downloaded: {problem}",
        "it is paid; the same command downloads it again and pays nothing",
    )


def _fetch(connection: Connection, url: str, partial: Path, what: str, progress: Progress) -> str:
    """Append what is missing to the unfinished file; returns the type that the server calls it."""
    with explain_os_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        have = partial.stat().st_size if partial.exists() else 0
        with connection.stream(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == 416:  # nothing is missing, or the unfinished file is of another video
                if response.headers.get("content-range", "").endswith(f"/{have}"):
                    return ""
                partial.unlink()
                raise _DownloadError("the unfinished file is of another video")
            if response.status_code in EXPIRED_STATUSES:
                raise _DownloadError(f"the URL has expired (HTTP {response.status_code})")
            if response.status_code not in (200, 206):
                raise _DownloadError(f"HTTP {response.status_code}")
            if response.status_code == 200:
                have = 0
            elif not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                partial.unlink()
                raise _DownloadError("the service sent another range than was requested")
            length = response.headers.get("content-length", "")
            total = have + (int(length) if length.isdecimal() else 0)
            with open(partial, "ab" if have else "wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
                    have += len(chunk)
                    progress(have // 1000, max(total, have) // 1000, what)
            return str(response.headers.get("content-type", ""))


def _text_instead(path: Path, kind: str) -> str:
    """What a file says that is a page or a message instead of a video; empty if it is none."""
    with path.open("rb") as file:
        beginning = file.read(1000).decode(errors="replace")
    if not beginning or not is_text(beginning):
        return ""
    return f"{brief(kind) or 'text'} instead of a video: {brief(beginning)[:200]}"


def _reason(error: DataError, path: Path) -> str:
    return error.message.removeprefix(f"{path} ")


def _store(partial: Path) -> str:
    with partial.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    path = stored_path(sha256)
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
    return sha256
