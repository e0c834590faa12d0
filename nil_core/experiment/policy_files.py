"""A policy as a file: how each format is written and read back, and the ONNX versions that old runtimes need."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nil_core.errors import ConfigError
from nil_core.types import Floats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

FACTS = "nil"  # the name of the metadata in the file
Act = Callable[[Floats], Floats]

OLDEST_OPSET = 7  # that any onnxruntime reads
OLDEST_IR = 3  # the first of ONNX 1.0
LISTED_INITIALIZERS = 4  # before this IR version, weights are also inputs of the graph
NODE_METADATA = 10  # before this IR version, only the model has metadata
TRANSLATED = 18  # before this opset, torch's newer exporter silently writes 18; the one by tracing writes what is asked


@dataclass(frozen=True)
class OnnxVersions:
    """What an old onnxruntime can read: both are written as asked, or nothing is."""

    opset: int
    ir: int


@dataclass(frozen=True)
class Format:
    """A kind of file: its suffix, the modules it needs, how it is written and how it is read back."""

    suffix: str
    needs: tuple[str, ...]
    write: Callable[[nn.Module, int, str, Path, OnnxVersions | None], None]
    read: Callable[[Path], Act]


def onnx_versions(opset: int | None, ir: int | None) -> OnnxVersions | None:
    """The versions asked for; one that was left out is that of the ONNX release of the other.

    Args:
        opset: of the operators, or None.
        ir: of the file, or None.

    Returns:
        None where neither was asked for.

    Raises:
        ConfigError: a version that ONNX does not have or that no onnxruntime reads.
    """
    if opset is None and ir is None:
        return None
    from onnx.helper import VERSION_TABLE

    releases = [(int(row[1]), int(row[2])) for row in VERSION_TABLE if row[2] >= OLDEST_OPSET]
    newest_ir, newest = releases[-1]
    if opset is not None and not OLDEST_OPSET <= opset <= newest:
        raise ConfigError(
            f"there is no opset {opset} to write: onnxruntime reads {OLDEST_OPSET} and newer, and the installed onnx "
            f"knows {newest} and older",
            f"name one of them: --opset {min(max(opset, OLDEST_OPSET), newest)}",
        )
    if ir is not None and not OLDEST_IR <= ir <= newest_ir:
        raise ConfigError(
            f"there is no IR version {ir} to write: the installed onnx knows {OLDEST_IR} to {newest_ir}",
            f"name one of them: --ir-version {min(max(ir, OLDEST_IR), newest_ir)}",
        )
    if opset is None:
        opset = max(known for version, known in releases if ir is not None and version <= ir)
    if ir is None:
        ir = min(version for version, known in releases if known >= opset)
    return OnnxVersions(opset, ir)


def _write_onnx(network: nn.Module, size: int, described: str, path: Path, versions: OnnxVersions | None) -> None:
    if versions is None:
        program = _translated(network, size)
        program.model.metadata_props[FACTS] = described
        program.save(path)
        return
    with _refusing(versions):
        if versions.opset < TRANSLATED:
            _traced(network, size, path, versions)
        else:
            _translated(network, size, opset_version=versions.opset).save(path)
        _stamp(path, described, versions)
        _read_onnx(path)


def _translated(network: nn.Module, size: int, **options: Any) -> Any:
    import torch

    program = torch.onnx.export(
        network,
        (torch.zeros(2, size),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["observation"],
        output_names=["action"],
        verbose=False,
        **options,
    )
    assert program is not None
    return program


def _traced(network: nn.Module, size: int, path: Path, versions: OnnxVersions) -> None:
    import torch

    with _no_output():
        torch.onnx.export(
            network,
            (torch.zeros(2, size),),
            path,
            dynamo=False,
            opset_version=versions.opset,
            keep_initializers_as_inputs=versions.ir < LISTED_INITIALIZERS,
            dynamic_axes={"observation": {0: "batch"}, "action": {0: "batch"}},
            input_names=["observation"],
            output_names=["action"],
        )


@contextmanager
def _no_output() -> Iterator[None]:
    """Nothing to standard output: torch prints a graph that it refuses from C++, and its switch for that is broken."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _stamp(path: Path, described: str, versions: OnnxVersions) -> None:
    """Set the IR version and the facts of a file, and have ONNX check it as what it now says it is."""
    import onnx

    model = onnx.load(path)
    written = {known.domain or "ai.onnx": known.version for known in model.opset_import}
    if written != {"ai.onnx": versions.opset}:
        raise ValueError(f"torch wrote {', '.join(f'{domain} {version}' for domain, version in written.items())}")
    model.ir_version = versions.ir
    if versions.ir < NODE_METADATA:
        for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
            part.ClearField("metadata_props")
        for value in (*model.graph.input, *model.graph.output):
            value.ClearField("metadata_props")
    onnx.helper.set_model_props(model, {FACTS: described})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


@contextmanager
def _refusing(versions: OnnxVersions) -> Iterator[None]:
    """What torch, ONNX's checker and onnxruntime object to, as one line."""
    try:
        yield
    except Exception as error:  # each of the three has classes of its own, without a common one
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"this policy cannot be had in opset {versions.opset} with IR version {versions.ir}: {told[0].rstrip('.')}",
            f"ask for a newer opset, for example --opset {max(versions.opset + 1, TRANSLATED)}"
            if versions.opset < TRANSLATED
            else "leave --opset and --ir-version out, or see docs/export.md for what each onnxruntime reads",
        ) from error


def _read_onnx(path: Path) -> Act:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def act(observations: Floats) -> Floats:
        actions: Floats = session.run(["action"], {"observation": observations})[0]
        return actions

    return act


def _write_torchscript(
    network: nn.Module, size: int, described: str, path: Path, versions: OnnxVersions | None
) -> None:
    import torch

    assert versions is None
    traced = torch.jit.trace(network, torch.zeros(2, size), check_trace=False)  # type: ignore[no-untyped-call]
    traced.save(str(path), _extra_files={f"{FACTS}.json": described})


def _read_torchscript(path: Path) -> Act:
    import torch

    policy = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def act(observations: Floats) -> Floats:
        with torch.inference_mode():
            actions: Floats = policy(torch.from_numpy(observations)).numpy()
        return actions

    return act


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """torch's exporter warns of details of its own."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMATS: Mapping[str, Format] = {
    "onnx": Format(".onnx", ("torch", "onnx", "onnxruntime", "onnxscript"), _write_onnx, _read_onnx),
    "torchscript": Format(".pt", ("torch",), _write_torchscript, _read_torchscript),
}
