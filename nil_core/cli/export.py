"""``nil export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nil_core.cli.display import reporter
from nil_core.cli.evaluate import Checkpoint, Folder, Which


class Form(StrEnum):
    """What can be written."""

    onnx = "onnx"
    torchscript = "torchscript"


def export(
    folder: Folder,
    form: Annotated[Form, typer.Option("--format", help="For onnxruntime, or for torch.")] = Form.onnx,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; default policy.onnx or policy.pt of the run.", show_default=False),
    ] = None,
    which: Checkpoint = Which.newest,
    opset: Annotated[
        int | None, typer.Option(help="ONNX opset that an old onnxruntime reads, from 7.", show_default=False)
    ] = None,
    ir_version: Annotated[
        int | None, typer.Option(help="ONNX IR version that it reads, from 3.", show_default=False)
    ] = None,
) -> None:
    """Write a run's policy as one file for other programs: observations in, actions out.

    With the order of joints, control rate, scales and the layout of the observation in its metadata. What was written
    is checked against the agent.
    """
    from nil_core.experiment.export import export as export_policy

    with reporter() as show:
        export_policy(folder, form, out, which, show, opset, ir_version)
