"""Where torch computes, as an option's word says. Imports torch when asked."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nil_core.errors import ConfigError, MachineError

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


def find_device(asked: str, option: str = "device") -> torch.device:
    """The device of a word: ``auto`` is the first GPU where torch finds one, else the CPU.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...
        option: the option that holds the word, for the hint.

    Raises:
        ConfigError: torch knows no such device.
        MachineError: this machine has no such GPU.
    """
    import torch

    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mend = f"--set {option}=auto"
    try:
        device = torch.device(("cuda" if present else "cpu") if asked == "auto" else asked)
    except RuntimeError:
        raise ConfigError(f"{option} is auto, cpu, cuda or cuda:N, not {asked!r}", mend) from None
    if device.type == "cuda" and (device.index or 0) >= present:
        raise MachineError(f"there is no GPU {asked}: torch {torch.__version__} finds {present}", mend)
    return device


def available_device(asked: str, option: str = "device") -> str:
    """The same word, or ``auto`` where this machine lacks the GPU that it names, which is logged: what was learned on
    one can be looked at anywhere.

    Args:
        asked, option: as in :func:`find_device`.
    """
    if not asked.startswith("cuda") or find_spec("torch") is None:
        return asked
    try:
        find_device(asked, option)
    except MachineError as error:
        _log.warning("%s; %s is %s instead", error.message, option, find_device("auto"))
        return "auto"
    return asked
