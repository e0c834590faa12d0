"""A film's frames come when a player shows them, from the right track; no whole film is refused."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from nil_core.errors import DataError
from nil_core.types import Frames
from nil_core.video.even import even_frames
from nil_core.video.files import read_video

EVEN = list(range(12))


def numbered(length: int) -> Frames:
    """Frames that :func:`numbers` tells apart, of 16 x 16 pixels."""
    return np.broadcast_to((20 * np.arange(length, dtype=np.uint8))[:, None, None, None], (length, 16, 16, 3)).copy()


def numbers(frames: Frames) -> list[int]:
    return [round(float(frame.mean()) / 20) for frame in frames]


def film(path: Path, stamps: Sequence[int], last: int = 1, stills: Sequence[Disposition] = (), films: int = 1) -> Path:
    """Numbered frames at the given times, in 1/24 s, the last one shown for so many of these.

    Args:
        path: mp4 or mkv.
        stamps, last: times.
        stills: dispositions of tracks before the film that have one picture each.
        films: tracks with the numbered frames; those after the first show them mirrored in time.
    """
    one = Fraction(1, 24)
    with av.open(str(path), "w") as output:
        covers = [output.add_stream("mjpeg", rate=24) for _ in stills]
        tracks = [output.add_stream("libx264", rate=24, options={"bf": "2", "qp": "4"}) for _ in range(films)]
        for track, disposition in zip(covers, stills, strict=True):
            track.disposition = disposition
        for track in (*covers, *tracks):
            track.width, track.height = 16, 16
            track.pix_fmt = "yuvj420p" if track in covers else "yuv420p"
        for track in covers:
            picture = av.VideoFrame.from_ndarray(numbered(12)[11])
            picture.pts, picture.time_base = 0, one
            output.mux([*track.encode(picture), *track.encode()])
        for number, track in enumerate(tracks):
            frames = numbered(len(stamps))[:: -1 if number else 1]
            packets = []
            for frame, stamp in zip(frames, stamps, strict=True):
                picture = av.VideoFrame.from_ndarray(frame)
                picture.pts, picture.time_base = stamp, one
                packets += track.encode(picture)
            packets += track.encode()
            max(packets, key=lambda packet: packet.pts).duration = round(last * one / packets[0].time_base)
            output.mux(packets)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_last_frame_that_is_held(tmp_path: Path, name: str) -> None:
    video = read_video(film(tmp_path / name, EVEN, last=13))
    assert video.fps == 24 and numbers(video.frames) == [*EVEN, *[11] * 12]
    assert numbers(read_video(tmp_path / name, seconds=0.75).frames) == [*EVEN, *[11] * 6]
    assert numbers(read_video(tmp_path / name, seconds=0.25).frames) == EVEN[:6]
    assert numbers(read_video(tmp_path / name, fps=10).frames) == EVEN, "who says the rate has every frame once"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_pause_does_not_slow_the_rest(tmp_path: Path, name: str) -> None:
    video = read_video(film(tmp_path / name, [0, 1, 2, 3, 9, 10, 11, 12]))
    assert video.fps == 24 and numbers(video.frames) == [0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6, 7]
    cut = read_video(tmp_path / name, start=6 / 24, seconds=5 / 24)
    assert numbers(cut.frames) == [3, 3, 3, 4, 5], "at its start shows what has been showing"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_time_stamps_that_begin_anywhere(tmp_path: Path, name: str) -> None:
    for begin in (-3, 50):
        video = read_video(film(tmp_path / name, [begin + time for time in EVEN]))
        hidden = 3 if begin < 0 and name == "a.mp4" else 0  # by an edit list
        assert video.fps == 24 and numbers(video.frames) == EVEN[hidden:]


def test_what_an_edit_list_cuts_away_is_not_shown(tmp_path: Path) -> None:
    """As a telephone's trimming leaves it: all frames are in the file, and a list says which ones are played."""
    path = film(tmp_path / "a.mp4", EVEN)
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 12  # after version, flags and the number of entries
    begin = int.from_bytes(content[entry + 4 : entry + 8], "big")
    content[entry : entry + 4] = (6 * 1000 // 24).to_bytes(4, "big")  # six frames in the film's clock of 1/1000 s
    content[entry + 4 : entry + 8] = (begin + 4 * 512).to_bytes(4, "big")  # from the fifth on
    path.write_bytes(content)
    assert numbers(read_video(path).frames) == EVEN[4:10]


def test_uneven_times() -> None:
    """What telephones, screen recorders and old films do to an even rate."""
    rng = np.random.default_rng(0)
    even = np.arange(60) / 30
    jitter = even + rng.uniform(-0.006, 0.006, 60)
    indices, rate = even_frames(jitter, 2.0, [])
    assert rate == pytest.approx(30, rel=0.01) and indices.tolist() == list(range(60))
    paused = np.concatenate([jitter[:30], jitter[30:] + 1])
    indices, rate = even_frames(paused, 3.0, [29.97, 20.0])
    assert rate == 29.97, "the declared one that the frames have where nothing pauses"
    assert len(set(indices)) >= 59 and np.abs(paused[indices] - np.arange(len(indices)) / rate)[:29].max() < 0.03
    pulled_down = np.cumsum([0, *[2, 3] * 24]) / 60
    assert even_frames(pulled_down, 2.0, [24.0])[1] == 24
    slow_half = np.cumsum([0.0, *[1 / 60] * 60, *[1 / 15] * 15])
    indices, rate = even_frames(slow_half, slow_half[-1] + 1 / 15, [])
    assert rate == pytest.approx(60) and np.bincount(indices)[62:].tolist() == [4] * 14


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("still", [Disposition.default, Disposition.attached_pic])
def test_a_still_picture_before_the_film_is_passed_over(tmp_path: Path, name: str, still: Disposition) -> None:
    video = read_video(film(tmp_path / name, EVEN, stills=[still]))
    assert numbers(video.frames) == EVEN and not video.facts


def test_of_several_films_one_is_read_and_said(tmp_path: Path) -> None:
    video = read_video(film(tmp_path / "a.mp4", EVEN, films=2))
    assert numbers(video.frames) == EVEN
    assert "holds 2 video tracks, and number 0 is read" in video.facts["remarks"][0]
    assert "-map 0:1 " in video.facts["remarks"][0]


def test_a_cover_alone_is_no_film(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", EVEN, stills=[Disposition.attached_pic], films=0)
    with pytest.raises(DataError, match="no video beside a cover picture"):
        read_video(tmp_path / "a.mp4")


def test_whole_films_with_strange_ends(tmp_path: Path) -> None:
    """Trailing bytes that belong to no part of the film, and a live recording that does not know its length."""
    path = film(tmp_path / "a.mp4", EVEN)
    path.write_bytes(path.read_bytes() + b"\xff\xffTAG of another program" * 9)
    assert numbers(read_video(path).frames) == EVEN
    with (tmp_path / "live.mkv").open("wb") as pipe:
        live = av.open(pipe, "w", format="matroska", options={"live": "1"})
        track = live.add_stream("ffv1", rate=24)
        track.width, track.height, track.pix_fmt = 16, 16, "bgr0"
        for frame in numbered(12):
            live.mux(track.encode(av.VideoFrame.from_ndarray(frame)))
        live.mux(track.encode())
        live.close()
    assert numbers(read_video(tmp_path / "live.mkv").frames) == EVEN


def test_missing_sound_does_not_make_a_film_broken(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", EVEN)
    path.write_bytes(path.read_bytes() + (50_000).to_bytes(4, "big") + b"mdat" + bytes(100))
    assert numbers(read_video(path).frames) == EVEN


def test_a_hole_in_a_film_is_said(tmp_path: Path) -> None:
    """A download that was given its whole length at once, and never its middle."""
    path = film(tmp_path / "a.mp4", EVEN)
    content = bytearray(path.read_bytes())
    data = content.index(b"mdat")
    content[data + 800 : data + 850] = bytes(50)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"breaks off after \d+ frames, 0.\d\d s: what follows is damaged"):
        read_video(path)


def test_hints_of_cuts_work(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", EVEN)
    with pytest.raises(DataError, match=r"between the cuts: it ends at 0.50 s") as refusal:
        read_video(path, start=5)
    assert "generator.start=0 " in refusal.value.hint
    with pytest.raises(DataError, match="between the cuts") as refusal:
        read_video(path, start=0.2, seconds=0.005)
    assert len(read_video(path, start=0.2, seconds=float(refusal.value.hint.rpartition("=")[2])).frames) > 1


def test_a_large_film_is_scaled_as_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((4, 432, 768, 3), np.uint8)
    frames[:, 108:216, 192:384] = (0, 200, 0)
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        track = output.add_stream("libx264", rate=24)
        track.width, track.height, track.pix_fmt = 768, 432, "yuv420p"
        for frame in frames:
            output.mux(track.encode(av.VideoFrame.from_ndarray(frame)))
        output.mux(track.encode())
    small = read_video(tmp_path / "a.mp4", size=64).frames
    assert small.shape == (4, 36, 64, 3)
    assert (np.argwhere(small[0, ..., 1] > 100).min(0), np.argwhere(small[0, ..., 1] > 100).max(0) + 1) == (
        pytest.approx([9, 16]),
        pytest.approx([18, 32]),
    )
    assert read_video(tmp_path / "a.mp4", crop=(192, 108, 192, 108), size=64).frames[:, ..., 1].min() > 150
    assert read_video(tmp_path / "a.mp4", size=2000).frames.shape == frames.shape, "never enlarged"
