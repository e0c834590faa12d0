"""The light face of a plugin: its card, and what importing it may cost."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from nil_core.card import API_VERSION, KINDS, Capability, ComponentCard, Options, Requirement

HEAVY = ("torch", "transformers", "diffusers", "sam2", "mujoco", "dm_control", "av", "tensorboard", "wandb", "mlflow")
"""Modules that neither a plugin's ``__init__`` nor the start of the command line may import."""


def check_card(card: ComponentCard) -> None:
    """Whether a card is one that the registry and ``nil plugins show`` can use."""
    assert isinstance(card, ComponentCard), f"a card is a ComponentCard, not {type(card).__name__}"
    assert card.kind in KINDS, f"kind is one of {', '.join(KINDS)}, not {card.kind!r}"
    assert card.api == API_VERSION, f"written for API {card.api}, this is {API_VERSION}"
    assert card.summary.strip() and "\n" not in card.summary, "the summary is one line"
    assert len(card.summary) <= 100, f"the summary is longer than 100 characters: {len(card.summary)}"
    assert re.fullmatch(r"\w+(\.\w+)*:\w+", card.target), f"target is package.module:Class, not {card.target!r}"
    assert issubclass(card.config, Options), "config derives from nil_core.api.Options"
    for name, field in card.config.model_fields.items():
        assert field.description, f"the option {name!r} needs a description: Field(..., description=...)"
    for requirement in card.requires:
        assert isinstance(requirement, Requirement), f"requires holds Requirement objects, not {requirement!r}"
        assert requirement.module and requirement.install, f"a Requirement names module and install line: {requirement}"
    for option, kind in card.wraps:
        assert option in card.config.model_fields, f"wraps names the option {option!r}, which the card does not have"
        assert kind in KINDS, f"wraps says of the option {option!r} which kind it names, not {kind!r}"
    assert all(isinstance(each, Capability) for each in card.capabilities), "capabilities are of the enum Capability"


def check_light(module: str, heavy: tuple[str, ...] = HEAVY) -> None:
    """Whether importing a module, in a process of its own, leaves the heavy ones alone.

    Args:
        module: dotted name, e.g. a plugin's package.
        heavy: top-level modules that must not be imported.
    """
    code = f"import sys; import {module}; print(*(name for name in {heavy!r} if name in sys.modules))"
    path = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path)
    assert process.returncode == 0, f"import {module} failed:\n{process.stderr}"
    assert not process.stdout.strip(), f"import {module} imports {process.stdout.strip()}"
