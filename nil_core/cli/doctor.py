"""``nil doctor``: report on this machine, to paste into a bug report."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from nil_core.hardware import available_cores
from nil_core.readable import say

HUB_KEY = "HF_TOKEN"  # of the Hugging Face Hub; other keys are listed on cards
LIBRARIES = ("nil-core", "numpy", "mujoco", "dm-control", "torch", "av", "transformers", "diffusers", "sam2")


def doctor() -> None:
    """Check OpenGL (renders one frame), GPU, torch, API keys (whether set, never their value), disk and plugins."""
    failed = []
    say("```")
    for name, check in CHECKS.items():
        try:
            found = check()
        except Exception as error:
            failed.append(name)
            hint = getattr(error, "hint", "")
            found = f"FAILED: {str(error).splitlines()[0]}" + (f"\n{'':12}{hint}" if hint else "")
        say(f"{name:12}{found}")
    say("```")
    if failed:
        raise typer.Exit(2)


def _system() -> str:
    python = platform.python_version()
    return f"{platform.system()} {platform.release()} {platform.machine()}, {available_cores()} cores, Python {python}"


def _libraries() -> str:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _gl() -> str:
    """Render a sphere and count its pixels."""
    import nil_core.sim  # noqa: F401  must be first: chooses the backend

    # isort: split
    import mujoco
    import numpy as np

    from nil_core.sim.renderer import Renderer
    from nil_core.types import Camera

    ball = '<mujoco><worldbody><body name="ball"><freejoint/><geom size=".3" group="2"/></body></worldbody></mujoco>'
    model = mujoco.MjModel.from_xml_string(ball)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = Renderer(model, 64, Camera(2.0, 0.0, elevation=0.0), "ball")
    frame, mask = np.empty((64, 64, 3), np.uint8), np.empty((64, 64), np.bool_)
    renderer.draw(data, frame, mask)
    began = time.perf_counter()
    renderer.draw(data, frame, mask)
    seconds = time.perf_counter() - began
    if not mask.any():
        raise RuntimeError("the rendered frame is empty")
    renderer.close()
    return f"MUJOCO_GL={os.environ.get('MUJOCO_GL', '')} draws: {mask.mean():.0%} of a frame in {1000 * seconds:.1f} ms"


def _torch() -> str:
    try:
        import torch
    except ImportError:
        return "not installed"
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA GPU"
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {gpu}"


def _keys() -> str:
    from nil_core.hosted.keys import key_file
    from nil_core.registry import check_all

    def state(key: str) -> str:
        return "set" if os.environ.get(key) else "in a file" if key_file(key).exists() else "not set"

    cards = [finding.card for finding in check_all() if finding.card is not None]
    keys = dict.fromkeys([*(key for card in cards for key in card.keys), HUB_KEY])
    return ", ".join(f"{key} {state(key)}" for key in keys)


def _disk() -> str:
    from nil_core.storage.cache import cache_root
    from nil_core.storage.os_errors import exists

    root = cache_root()
    used = sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) if exists(root) else 0
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        raise RuntimeError(f"only {free / 2**20:.0f} MiB free in {Path.cwd()}")
    return f"{free / 2**30:.0f} GiB free here; cache {root}: {used / 2**20:.0f} MiB"


def _plugins() -> str:
    from nil_core.registry import check_all

    findings = list(check_all(targets=True))
    if broken := [f.error for f in findings if f.error]:
        raise broken[0]
    return ", ".join(f"{f.kind} {f.entry.name} {f.entry.version}" for f in findings)


CHECKS: dict[str, Callable[[], str]] = {
    "system": _system,
    "libraries": _libraries,
    "torch": _torch,  # must run before GL, see nil_core.sim.gl
    "gl": _gl,
    "keys": _keys,
    "disk": _disk,
    "plugins": _plugins,
}
