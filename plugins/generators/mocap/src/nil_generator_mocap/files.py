"""Opens files of recordings as plain arrays: npz, npy, CSV and JSON. Nothing is ever unpickled."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import numpy as np

from nil_core.api import DataError, Doubles

Arrays = Mapping[str, Any]
"""Name to float64 array, or to an array of text where it holds names."""

TABLE = "table"  # the name of what a file without names holds
COLUMNS = "columns"  # the name of its header
LARGEST = 1e19  # beyond every time stamp in nanoseconds
HINT = "name a recording of a robot: --set generator.path=walk.npz"
PICKLES = {".pkl", ".pickle", ".p", ".joblib", ".pt", ".pth", ".motion"}

SAVE = (
    "n.savez(sys.argv[2],**{{f'{{c}}/{{k}}':v for c,m in (d if all(isinstance(m,dict) for m in d.values()) else "
    "{{'clip':d}}).items() for k,v in m.items()}})"
)
LOADERS = {
    "pickle": "import sys,pickle,numpy as n;d=pickle.load(open(sys.argv[1],'rb'));",
    "joblib": "import sys,joblib,numpy as n;d=joblib.load(sys.argv[1]);",
    "torch": "import sys,torch,numpy as n;d=torch.load(sys.argv[1],weights_only=False);",
    "numpy": "import sys,numpy as n;d=n.load(sys.argv[1],allow_pickle=True).item();",
}
"""How to load what cannot be read safely, for people who trust their file: a line to paste."""


def read_arrays(path: Path, wanted: Callable[[str], bool], clip: str | None = None) -> Arrays:
    """The arrays of a recording.

    Args:
        path: npz, npy, CSV (with a header or without, in any common separator) or JSON.
        wanted: which names of an npz matter. Others are not looked at.
        clip: which clip of a file that holds several, as ``CLIP/NAME``.

    Raises:
        DataError: missing, damaged, pickled, not numbers, not finite, or a clip that is not there.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", HINT)
    if not path.is_file():
        raise DataError(f"there is no recording {path}", HINT)
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if is_zipfile(path):
            with ZipFile(path) as archive:
                names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                raise _pickled(path, "torch")
            return _read_npz(path, wanted, clip)
        if start.startswith(b"\x93NUMPY"):
            return _read_npy(path)
        if start.startswith(b"\x89HDF"):
            raise DataError(f"{path.name} is an HDF5 file", "save its arrays with numpy.savez under the same names")
        if start[:1] == b"\x80" or path.suffix.lower() in PICKLES:
            joblib = start[:1] != b"\x80" or b"joblib" in path.read_bytes()[:100_000]
            raise _pickled(path, "joblib" if joblib else "pickle")
        return _read_text(path)
    except DataError:
        raise
    except Exception as error:  # a bad byte in a zip file is an error of as many types as there are bytes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise DataError(f"{path.name} is damaged, or no recording ({reason})", HINT) from error


def some(names: Iterable[str], most: int = 8) -> str:
    """Names for a message, not too many of them."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _pickled(path: Path, loader: str) -> DataError:
    out = path.with_suffix(".npz").name
    program = LOADERS[loader] + SAVE.format()
    return DataError(
        f"{path.name} is a pickle, which runs code when it is loaded, and nil loads none",
        f"where you trust it: python -c {shlex.quote(program)} {shlex.quote(str(path))} {shlex.quote(out)}",
    )


def _read_npz(path: Path, wanted: Callable[[str], bool], clip: str | None) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        clips = {name.rpartition("/")[0] for name in archive.files}
        inside = _clip(path, {found for found in clips if found}, clip) if clips != {""} else ""
        names = {name.removeprefix(inside): name for name in archive.files if name.startswith(inside)}
        return {short: _plain(path, name, archive) for short, name in names.items() if wanted(short)}


def _clip(path: Path, clips: set[str], clip: str | None) -> str:
    if clip is None and len(clips) > 1:
        raise DataError(
            f"{path.name} holds {len(clips)} clips: {some(sorted(clips))}",
            f"name one: --set generator.clip={shlex.quote(min(clips))}",
        )
    chosen = min(clips) if clip is None else clip
    if chosen not in clips:
        raise DataError(
            f"{path.name} has no clip {chosen}: it has {some(sorted(clips))}",
            f"name one: --set generator.clip={shlex.quote(min(clips))}",
        )
    return f"{chosen}/"


def _plain(path: Path, name: str, archive: np.lib.npyio.NpzFile) -> Any:
    try:
        array = archive[name]
    except ValueError as error:
        raise DataError(
            f"{name} in {path.name} is pickled or damaged, and nil unpickles nothing",
            "load it where you trust it and save its arrays as plain numbers, and names as text, with numpy.savez",
        ) from error
    return _finite(path, name, array)


def _finite(path: Path, name: str, array: Any) -> Any:
    if array.dtype.kind in "US" and ("names" in name or name == COLUMNS):
        return array.astype(str)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} in {path.name} holds {array.dtype}, not numbers", "take another recording")
    if not np.isfinite(array).all():
        raise DataError(
            f"{name} in {path.name} has NaN or infinity at sample {int(np.argwhere(~np.isfinite(array))[0, 0])}"
            if array.ndim
            else f"{name} in {path.name} is NaN or infinity",
            "take another piece or another recording",
        )
    if array.size and np.abs(array.astype(float)).max() > LARGEST:
        raise DataError(f"{name} in {path.name} has numbers beyond {LARGEST:g}", "take another recording")
    return array.astype(float)


def _read_npy(path: Path) -> Arrays:
    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error):
            raise _pickled(path, "numpy") from error
        raise
    if array.ndim != 2:
        raise DataError(f"{path.name} has the shape {array.shape}, not samples by columns", HINT)
    return {TABLE: _finite(path, TABLE, array)}


def _read_text(path: Path) -> Arrays:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is neither npz, npy, CSV nor JSON", HINT) from error
    if text.lstrip().startswith("{"):
        return _read_json(path, text)
    rows = [(number, _cells(line)) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not rows:
        raise DataError(f"{path.name} is empty", HINT)
    header = [] if _number(rows[0][1][0]) is not None or len(rows[0][1]) < 2 else rows.pop(0)[1]
    table = _table(path, rows, len(header) or len(rows[0][1]) if rows else 0)
    return {TABLE: table} | ({COLUMNS: np.array(header)} if header else {})


def _cells(line: str) -> list[str]:
    separator = next((mark for mark in (";", "\t", ",") if mark in line), None)
    return [cell.strip().strip('"') for cell in line.strip().split(separator)]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _table(path: Path, rows: list[tuple[int, list[str]]], width: int) -> Doubles:
    if not rows:
        raise DataError(f"{path.name} has a header and no rows", HINT)
    values = []
    for line, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"line {line} of {path.name} has {len(cells)} columns, and the lines before it have {width}",
                "mend the line, or take another recording",
            )
        numbers = [_number(cell) for cell in cells]
        for column, (cell, number) in enumerate(zip(cells, numbers, strict=True), start=1):
            if number is None or not math.isfinite(number):
                raise DataError(
                    f"line {line}, column {column} of {path.name} holds {cell or 'nothing'}, not a finite number",
                    "mend the line, or take another recording",
                )
        values.append(numbers)
    return np.array(values, dtype=float)


def _read_json(path: Path, text: str) -> Arrays:
    try:
        read = json.loads(text)
        arrays = {
            name: np.array(value, dtype=float) for name, value in read.items() if name in ("Frames", "FrameDuration")
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} is no recording in JSON: {str(error).splitlines()[0]}",
            "a recording has Frames, rows of equal length, and FrameDuration in s",
        ) from error
    if "Frames" not in arrays:
        raise DataError(f"{path.name} has no Frames", "a recording in JSON has Frames and FrameDuration")
    return {name: _finite(path, name, array) for name, array in arrays.items()}
