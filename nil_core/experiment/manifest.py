"""What made a run: versions, seeds, hardware. And whether this installation can continue it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nil_core.card import Kind
from nil_core.components import Choice, Chosen, third_party_terms
from nil_core.config import RunConfig
from nil_core.errors import NilError, RunError
from nil_core.hardware import available_cores, memory_bytes
from nil_core.weights import RANDOM_TINY

LIBRARIES = ("numpy", "mujoco", "dm-control", "torch", "transformers", "diffusers", "av")

MADE_BEFORE: tuple[Kind, ...] = ("generator", "segmenter")
"""What made a reference, which a run does not need again."""


def manifest(config: RunConfig, choice: Choice, reference: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """JSON values for ``manifest.json``; a run on random weights says so at its head.

    Args:
        config: of the run.
        choice: its components.
        reference: provenance of the folder that the run imitates (``--reference``): its generator and segmenter are
            then those of that folder, marked by the key ``reference``, and the config's are not used.
    """
    made = {kind: {**reference[kind], "reference": True} for kind in MADE_BEFORE} if reference else {}
    used = _without(choice, made)
    described = {**{kind: _described(chosen) for kind, chosen in used.items()}, **made}
    components = {kind: described[kind] for kind in choice}
    random = any(component.get("weights") == RANDOM_TINY for component in components.values())
    return ({"weights": RANDOM_TINY} if random else {}) | {
        "created": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
        "versions": {each["distribution"]: each["version"] for each in made.values()} | versions(used, config),
        "libraries": {name: installed for name in LIBRARIES if (installed := _version(name))},
        "python": platform.python_version(),
        "seed": config.seed,
        "hardware": hardware(),
        "components": components,
    }


def random_mark(choice: Choice) -> dict[str, str]:
    """``{"weights": "random-tiny"}`` if any component has random weights: for all that a run reports of itself."""
    return {"weights": RANDOM_TINY} if any(chosen.random for chosen in choice.values()) else {}


def versions(choice: Choice, config: RunConfig | None = None) -> dict[str, str]:
    """Of the core and of every plugin used, by distribution; with a config also of the single terms that it names."""
    found = {"nil-core": _version("nil-core") or "unknown"} | {c.distribution: c.version for c in choice.values()}
    wrapped = {entry.distribution: entry.version for c in choice.values() for _, entry in c.wrapped()}
    terms = third_party_terms(config, choice) if config else ()
    return found | wrapped | {entry.distribution: entry.version for entry in terms}


def hardware() -> dict[str, Any]:
    """Processor, cores, memory, GPU; imports nothing heavy."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "gpu": _gpu(),
        "gl": os.environ.get("MUJOCO_GL", ""),
    }


def check_versions(saved: Mapping[str, Any], choice: Choice, config: RunConfig | None = None) -> None:
    """Refuse to continue what other plugin versions, or other weights, began: it would not be the same run.

    Raises:
        RunError: naming the first difference and the line that mends it.
    """
    choice = _without(choice, _made_before(saved))
    for distribution, now in versions(choice, config).items():
        then = saved.get("versions", {}).get(distribution)
        if then != now:
            raise RunError(
                f"the run was made with {distribution} {then or '(not installed)'}, installed is {now}",
                f"pip install {distribution}=={then}" if then else "start a new run",
            )
    for kind, chosen in choice.items():
        before, after = saved.get("components", {}).get(kind, {}).get("weights"), _described(chosen).get("weights")
        if before and after and before != after:
            raise RunError(
                f"the run was made with other weights of the {kind} {chosen.name}: {before[:8]}, here are {after[:8]}",
                "bring those back, or start a new run",
            )


def changed_sources(saved: Mapping[str, Any], choice: Choice) -> list[str]:
    """``kind name`` of the components whose source, or that of what they wrap, was edited since, their version being
    the same."""
    components = saved.get("components", {})
    return [
        f"{kind} {chosen.name}"
        for kind, chosen in _without(choice, _made_before(saved)).items()
        if (before := _sources(components.get(kind, {}))) and before != _sources(chosen.described() | chosen.source())
    ]


def _sources(described: Mapping[str, Any]) -> list[str]:
    """Hashes of the sources of a component and of what it wraps; of none where versions stand for them."""
    hashes = [each.get("source", "") for each in (described, *described.get("wraps", ()))]
    return hashes if any(hashes) else []


def _made_before(saved: Mapping[str, Any]) -> list[str]:
    """The kinds of a manifest whose component made the reference before the run, and is not needed again."""
    return [kind for kind, component in saved.get("components", {}).items() if component.get("reference")]


def _without(choice: Choice, kinds: Collection[str]) -> Choice:
    return {kind: chosen for kind, chosen in choice.items() if kind not in kinds}


def _described(chosen: Chosen) -> dict[str, Any]:
    """A component, its source, and the identity of its weights. None that are here is no error: they may not be
    needed."""
    described = chosen.described() | chosen.source()
    if not chosen.card.weights:
        return described
    try:
        return described | {"weights": chosen.weights_identity()}
    except NilError:
        return described | {"weights": None}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _gpu() -> str | None:
    """The first CUDA device, if torch is loaded already: a manifest is not worth importing it for."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
