"""The download of a video that is paid: from expired addresses, broken off, damaged, under any type."""

from __future__ import annotations

from pathlib import Path

from nil_core.hosted.errors import ServiceError
from nil_core.storage.cache import cache_root
from nil_core.testing.hosted.bench import Bench


def check_expired_url(bench: Bench) -> None:
    """A new URL is requested."""
    bench.service.file_faults.extend(["expired", "expired"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_interrupted_download(bench: Bench) -> None:
    """Resumed, not started again."""
    bench.service.file_faults.extend(["cut", "reset"])
    bench.generate()
    whole = next((cache_root() / "hosted" / "videos").iterdir()).stat().st_size
    assert bench.paid == 1 and bench.service.bytes_sent <= whole


def check_damaged_file(bench: Bench) -> None:
    """Checked before it is stored: truncated files, damaged ones and login pages are downloaded again."""
    bench.service.file_faults.extend(["short", "corrupt", "page"])
    bench.generate()
    assert bench.paid == 1 and not bench.service.file_faults


def check_permanently_damaged_file(bench: Bench) -> None:
    """It fails, but the record is kept: it is paid."""
    for fault, message in (("short", "damaged"), ("page", "text/html instead of a video")):
        bench.service.file_faults.extend([fault] * 50)
        error = bench.failure()
        assert isinstance(error, ServiceError) and "paid" in error.hint and message in error.message, error
        bench.service.file_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_file_of_any_type(bench: Bench) -> None:
    """Whatever decodes is a video, whatever its server calls it; redirects are followed, without the key."""
    for fault in (
        "type",
        "type text/plain",
        "type Video/MP4",
        "type application/octet-stream",
        "type text/html",
        "moved",
    ):
        bench.service.file_faults.append(fault)
        bench.generate()
        next((cache_root() / "hosted" / "videos").iterdir()).unlink()
    assert bench.paid == 1 and not bench.slept[2:] and not bench.service.leaked_keys
    assert bench.service.store_requests[-1].path.endswith("/moved.mp4")


def check_lost_file(bench: Bench) -> None:
    """The stored video is gone or damaged: it is downloaded again, not paid again."""
    bench.generate()
    for damage in (Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:1000])):
        damage(next((cache_root() / "hosted" / "videos").iterdir()))
        bench.generate()
    assert bench.paid == 1
