"""Jobs on machines that do not see the study folder: its parts are sent there and back."""

from __future__ import annotations

import io
import json
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nil_core.storage import study_index
from nil_core.storage.atomic import writing
from nil_core.study.jobs import Job, Outcome
from nil_core.study.process import run_job

Parcel = Mapping[str, bytes]
"""Folders as tar files, and log files as they are, by path relative to the study folder."""


def sees_study(job: Job) -> bool:
    """Whether this machine has the job's study folder, and not another one under the same path."""
    try:
        index = json.loads((Path(job.study) / study_index.NAME).read_text(encoding="utf-8"))
        return bool(index["id"] == job.study_id)  # whatever else it holds: another nil may have written it
    except (OSError, ValueError, LookupError, TypeError):
        return False


def pack(job: Job) -> Parcel:
    """What a job needs: its reference, its run as far as it is, and the log of earlier attempts.

    Raises:
        OSError: a file cannot be read.
    """
    paths = [path for path in (job.reference, job.target) if path and (Path(job.study) / path).is_dir()]
    return {path: _tar(Path(job.study) / path) for path in paths} | _log(job)


def unpack(study: Path, parcel: Parcel) -> None:
    """Write the folders and files of a parcel, each whole or not at all, in place of what was there.

    Raises:
        MachineError: the disk is full, or the folder cannot be written.
        tarfile.TarError: damaged, or a file that would lie outside its folder.
    """
    for path, content in parcel.items():
        with writing(study / path) as temporary:
            if path.endswith(".log"):
                temporary.write_bytes(content)
                continue
            temporary.mkdir()
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                tar.extractall(temporary, filter="data")


def run_here(job: Job, parcel: Parcel | None = None) -> tuple[Outcome, Parcel]:
    """Work on a job on the machine of a cluster that this process runs on.

    Args:
        job: what to do.
        parcel: what it needs, from :func:`pack`; None if the study folder should be seen from here.

    Returns:
        the outcome, and what to :func:`unpack` in the study folder; empty if it is seen from here.
    """
    if sees_study(job):
        return run_job(job), {}
    host = socket.gethostname()
    if parcel is None:
        error = f"the machine {host} does not see the study folder {job.study}"
        hint = "put it on shared storage with --out, or send runs there and back: --executor-set send=true"
        return Outcome("failed", error, hint, stop=True, host=host), {}
    study = Path(tempfile.mkdtemp(prefix="nil-study-"))
    try:
        unpack(study, parcel)
        there = job.elsewhere(study)
        outcome = run_job(there)
        outcome = replace(outcome, hint=outcome.hint.replace(str(there.log), str(job.log)))
        made = {job.target: _tar(there.folder)} if there.folder.is_dir() else {}
        return outcome, made | _log(there)
    finally:
        shutil.rmtree(study, ignore_errors=True)


def _log(job: Job) -> dict[str, bytes]:
    path = job.log
    return {path.relative_to(job.study).as_posix(): path.read_bytes()} if path.is_file() else {}


def _tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name, filter=lambda info: None if info.name == "lock" else info)
    return buffer.getvalue()
