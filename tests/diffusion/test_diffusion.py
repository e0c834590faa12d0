"""The diffusion kit: offloading, errors and messages."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from pydantic import ValidationError

from nil_core.diffusion.loading import WORKING_MEMORY, choose_offload, first_line, load_pipeline
from nil_core.diffusion.options import DiffusionOptions
from nil_core.diffusion.sampling import format_duration
from nil_core.errors import ConfigError, DataError, MachineError
from nil_core.testing import check_light

GIGABYTE = 2**30


def test_options_are_light() -> None:
    check_light("nil_core.diffusion.options")


@pytest.mark.parametrize(
    ("free", "choice"),
    [(13, "none"), (12.9, "model"), (11, "model"), (10.9, "sequential"), (0, "sequential")],
)
def test_the_fastest_offloading_that_fits(free: float, choice: str) -> None:
    sizes = [2 * GIGABYTE, 3 * GIGABYTE]
    assert WORKING_MEMORY == 8 * GIGABYTE
    assert choose_offload(sizes, int(free * GIGABYTE)) == choice


def test_an_unknown_device_is_rejected() -> None:
    with pytest.raises(ValidationError):
        DiffusionOptions(weights="x", device="tpu")


def test_random_weights_are_rejected_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="no robot to imitate"):
        DiffusionOptions(weights="random-tiny")


def test_offloading_needs_a_gpu(tmp_path: Path) -> None:
    options = DiffusionOptions(weights="x", device="cpu", offload="model")
    with pytest.raises(ConfigError, match="there is no GPU"), load_pipeline(object, tmp_path, options, torch.float16):
        pass


class TooLarge:
    """A pipeline that does not fit into memory."""

    @classmethod
    def from_pretrained(cls, folder: str, **more: object) -> TooLarge:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nMore advice.")


class Broken:
    """A pipeline with broken files."""

    @classmethod
    def from_pretrained(cls, folder: str, **more: object) -> Broken:
        raise ValueError("Expected vae,\nbut got nothing")


def test_errors_are_one_line_with_a_hint(tmp_path: Path) -> None:
    options = DiffusionOptions(weights="x", device="cpu")
    with (
        pytest.raises(MachineError, match="Tried to allocate 20 GiB") as error,
        load_pipeline(TooLarge, tmp_path, options, torch.half),
    ):
        pass
    assert "offload=sequential" in error.value.hint and "\n" not in error.value.message
    with (
        pytest.raises(DataError, match=r"does not load as Broken: Expected vae,\n"),
        load_pipeline(Broken, tmp_path, options, torch.half),
    ):
        pass


def test_texts() -> None:
    assert [format_duration(seconds) for seconds in (0.0312, 4.2, 42, 1000, 12_600)] == [
        "0.031 s",
        "4.2 s",
        "42 s",
        "17 min",
        "3.5 h",
    ]
    assert first_line(ValueError("")) == "ValueError"
