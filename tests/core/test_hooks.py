"""Hooks are told everything, and a broken one never stops a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest
import typer

from nil_core.errors import ConfigError
from nil_core.hooks import Hooks, HookSpecs

hookimpl = pluggy.HookimplMarker("nil")

EVENTS: dict[str, dict[str, Any]] = {
    "run_started": {"folder": Path("run"), "config": {"seed": 1}},
    "reference_ready": {"folder": Path("run"), "reference": object()},
    "metrics": {"step": 5, "values": {"return": 1.5}},
    "video_written": {"path": Path("a.mp4"), "kind": "rollout"},
    "checkpoint_saved": {"folder": Path("c"), "step": 5},
    "run_finished": {"folder": Path("run"), "summary": {"return": 2}},
    "commands": {},
}

HOOKS = """
import pluggy
hookimpl = pluggy.HookimplMarker("nil")

class Steps:
    def __init__(self): self.seen = []
    @hookimpl
    def metrics(self, step):
        self.seen.append(step)
        return list(self.seen)

class Unbuildable:
    def __init__(self): raise SystemExit("no license")

@hookimpl
def commands(): return "from the module"
"""


class Recorder:
    def __init__(self) -> None:
        self.seen: list[int] = []

    @hookimpl
    def metrics(self, step: int, values: dict[str, float]) -> None:
        self.seen.append(step)


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def metrics(self) -> None:
        raise self.error


def test_the_events_are_those_specified() -> None:
    assert set(EVENTS) == {name for name in vars(HookSpecs) if not name.startswith("_")}


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_reaches_a_hook_with_all_its_arguments(event: str) -> None:
    arguments = EVENTS[event]
    module = ModuleType("echo")
    exec(f"def {event}({', '.join(arguments)}): return [{', '.join(arguments)}]", vars(module))
    hookimpl(getattr(module, event))
    hooks = Hooks()
    hooks.register(module, "echo")
    assert hooks.fire(event, **arguments) == [list(arguments.values())]


def test_without_hooks_nothing_happens() -> None:
    assert Hooks().fire("metrics", step=1, values={}) == []


@pytest.mark.parametrize("error", [ValueError("disk\nfull"), SystemExit(1), GeneratorExit(), StopIteration()])
def test_a_hook_that_raises_is_switched_off_with_one_warning(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = Recorder(), Recorder()
    hooks = Hooks()
    hooks.register(before, "before")
    hooks.register(Failing(error), "failing (nil-hook-x 1.0)")
    hooks.register(after, "after")
    with caplog.at_level(logging.WARNING):
        for step in (1, 2, 3):
            hooks.fire("metrics", step=step, values={})
    assert before.seen == after.seen == [1, 2, 3]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"failing (nil-hook-x 1.0) is switched off: {type(error).__name__}")
    assert "\n" not in record.getMessage()


def test_a_keyboard_interrupt_passes_and_keeps_the_hook() -> None:
    hooks = Hooks()
    hooks.register(Failing(KeyboardInterrupt()), "failing")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            hooks.fire("metrics", step=1, values={})


class Misspelt:
    @hookimpl
    def run_start(self, folder: Path) -> None: ...


class WrongArgument:
    @hookimpl
    def metrics(self, steps: int) -> None: ...


@pytest.mark.parametrize("plugin", [Misspelt(), WrongArgument()])
def test_a_hook_that_could_never_be_called_gets_its_warning(plugin: object, caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    hooks.register(plugin, "mistaken")
    assert "mistaken is switched off: PluginValidationError" in caplog.text
    assert hooks.fire("metrics", step=1, values={}) == []


def test_a_second_registration_replaces_the_first() -> None:
    first, second = Recorder(), Recorder()
    hooks = Hooks()
    hooks.register(first, "mine")
    hooks.register(second, "mine")
    hooks.fire("metrics", step=1, values={})
    assert (first.seen, second.seen) == ([], [1])


def test_a_name_that_nobody_listens_to_is_refused() -> None:
    hooks = Hooks()
    hooks.register(Recorder(), "mine")
    hooks.require(["mine"])
    hooks.register(WrongArgument(), "broken")
    for name in ("unknown", "broken", "Mine"):
        with pytest.raises(ConfigError, match=f"no tracker '{name}'") as refused:
            hooks.require(["mine", name])
        assert refused.value.hint == f"pip install nil-tracker-{name.lower()}; installed: mine"


def test_hooks_can_add_commands() -> None:
    class Extra:
        @hookimpl
        def commands(self) -> list[tuple[str, typer.Typer]]:
            return [("upload", typer.Typer())]

    hooks = Hooks()
    hooks.register(Extra(), "extra")
    ((name, app),) = hooks.fire("commands")[0]
    assert name == "upload"
    assert isinstance(app, typer.Typer)


def test_installed_hooks_are_loaded_and_broken_ones_are_not(
    fresh_site: Callable[[], Any], visible: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    site = fresh_site()
    site.add(
        "nil-hook-mixed",
        "[nil.hooks]\nsteps = mixed_hooks:Steps\nmodule = mixed_hooks\nunbuildable = mixed_hooks:Unbuildable\n"
        "missing = mixed_hooks:Missing\ngone = no_such_hook_module\n",
        version="3.1",
        mixed_hooks=HOOKS,
    )
    with visible(site.install()), caplog.at_level(logging.WARNING):
        hooks = Hooks.load()
        assert hooks.fire("metrics", step=4, values={}) == [[4]]
        assert hooks.fire("metrics", step=5, values={}) == [[4, 5]]
        assert hooks.fire("commands") == ["from the module"]
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert len(warnings) == 3
    for warning, name in zip(warnings, ("gone", "missing", "unbuildable"), strict=True):
        assert warning.startswith(f"hook '{name}' (nil-hook-mixed 3.1) is switched off: ")
    assert "SystemExit: no license" in warnings[2]
