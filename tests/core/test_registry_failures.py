"""Every way in which a plugin can be broken, each with a really installed bad distribution, all in one environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nil_core import registry
from nil_core.card import API_VERSION
from nil_core.errors import DataError, PluginError

CARD = """
from nil_core.api import Capability, ComponentCard, Options, Requirement
CARD = ComponentCard(kind="{kind}", summary="A bad one.", target="{target}"{more})
"""

GOOD_ENCODER = """
import numpy as np
class Eye:
    clip_length, frame_size = 2, 4
    def __init__(self, options): pass
    def encode(self, clips): return np.zeros((len(clips), 1), np.float32)
class Blind:
    def __init__(self, options): pass
class Furious:
    def __init__(self, options): raise RuntimeError("first line\\nsecond line")
class Helpful:
    def __init__(self, options):
        from nil_core.api import DataError
        raise DataError("no such file", "give another one")
class Quitter:
    def __init__(self, options): raise SystemExit(3)
NUMBER = 5
"""


def card(module: str, attribute: str = "Eye", kind: str = "encoder", more: str = "") -> dict[str, str]:
    """The modules of a plugin: its card, and next to it the implementation."""
    source = CARD.format(kind=kind, target=f"{module}_impl:{attribute}", more=more)
    return {module: source, f"{module}_impl": GOOD_ENCODER}


SOURCES: dict[str, dict[str, str]] = {
    "bad-good": card("bad_good"),
    "bad-syntax": {"bad_syntax": "def (:\n"},
    "bad-raises": {"bad_raises": "raise RuntimeError('over\\ntwo lines')\n"},
    "bad-exits": {"bad_exits": "import sys\nsys.exit('goodbye')\n"},
    "bad-base": {"bad_base": "class Odd(BaseException): pass\nraise Odd('odd')\n"},
    "bad-no-card": {"bad_no_card": "OTHER = 1\n"},
    "bad-object": {"bad_object": "CARD = {'kind': 'encoder'}\n"},
    "bad-kind": card("bad_kind", kind="agent"),
    "bad-old": card("bad_old", more=f", api={API_VERSION - 1}"),
    "bad-new": card("bad_new", more=f", api={API_VERSION + 1}"),
    "bad-config": card("bad_config", more=", config=dict"),
    "bad-needs": card("bad_needs", more=", requires=(Requirement('no_such.module', 'pip install no-such'),)"),
    "bad-import": {"bad_import": "import no_such_dependency\n"},
    "bad-target": card("bad_target", "Missing"),
    "bad-callable": card("bad_callable", "NUMBER"),
    "bad-colon": {"bad_colon": CARD.format(kind="encoder", target="bad_colon", more="")},
    "bad-late": {
        **card("bad_late"),
        "bad_late_impl": "import no_such_dependency\n",
    },
    "bad-late-exit": {**card("bad_late_exit"), "bad_late_exit_impl": "raise SystemExit\n"},
    "bad-blind": card("bad_blind", "Blind"),
    "bad-furious": card("bad_furious", "Furious"),
    "bad-helpful": card("bad_helpful", "Helpful"),
    "bad-quitter": card("bad_quitter", "Quitter"),
    "bad-whole-clip": card("bad_whole_clip", more=", capabilities=frozenset({Capability.FRAME_WISE})"),
}


@pytest.fixture(scope="module", autouse=True)
def bad_site(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[Path]:
    site = fresh_site()
    for distribution, modules in SOURCES.items():
        name = distribution.removeprefix("bad-")
        module = next(iter(modules))
        site.add(distribution, f"[nil.encoders]\n{name} = {module}:CARD\n", **modules)
    site.add("bad-gone", "[nil.encoders]\ngone = bad_gone_module:CARD\n")
    site.add("bad-twin-a", "[nil.encoders]\ntwin_eye = bad_twin_a:CARD\n", version="1.1", **card("bad_twin_a"))
    site.add("bad-twin-b", "[nil.encoders]\ntwin-eye = bad_twin_b:CARD\n", version="2.2", **card("bad_twin_b"))
    folder = site.install()
    remains = folder / "bad_remains-1.0.dist-info"  # a half-removed distribution: no METADATA any more
    remains.mkdir()
    (remains / "entry_points.txt").write_text("[nil.encoders]\nremains = bad_remains:CARD\n")
    with visible(folder):
        yield folder


BY_CARD = {
    "syntax": ("SyntaxError", "pip install --upgrade --force-reinstall bad-syntax"),
    "raises": ("RuntimeError: over two lines", "pip install --upgrade --force-reinstall bad-raises"),
    "exits": ("SystemExit: goodbye", "pip install --upgrade --force-reinstall bad-exits"),
    "base": ("Odd: odd", "pip install --upgrade --force-reinstall bad-base"),
    "no-card": ("has no attribute 'CARD'", "pip install --upgrade --force-reinstall bad-no-card"),
    "object": ("is no ComponentCard but of type dict", "report it to the author of bad-object"),
    "kind": ("of kind 'agent'", "report it to the author of bad-kind"),
    "old": (f"written for plugin API {API_VERSION - 1}", "pip install --upgrade bad-old"),
    "new": (f"written for plugin API {API_VERSION + 1}", "pip install --upgrade nil-core"),
    "config": ("no subclass of Options", "report it to the author of bad-config"),
    "import": ("no_such_dependency", "pip install no_such_dependency"),
    "gone": ("bad_gone_module", "pip install --upgrade --force-reinstall bad-gone"),
}
BY_TARGET = {
    "needs": ("needs the module no_such.module", "pip install no-such"),
    "target": ("has no attribute 'Missing'", "pip install --upgrade --force-reinstall bad-target"),
    "callable": ("not callable but of type int", "report it to the author of bad-callable"),
    "colon": ("not package.module:Class but 'bad_colon'", "report it to the author of bad-colon"),
    "late": ("no_such_dependency", "pip install no_such_dependency"),
    "late-exit": ("SystemExit", "pip install --upgrade --force-reinstall bad-late-exit"),
}
BY_BUILD = {
    "blind": ("is no VideoEncoder: it lacks clip_length, encode, frame_size", "report it to the author of bad-blind"),
    "whole-clip": ("is no FrameWiseEncoder: it lacks encode_frames", "report it to the author of bad-whole-clip"),
    "furious": ("RuntimeError: first line second line", "pip install --upgrade --force-reinstall bad-furious"),
    "quitter": ("SystemExit: 3", "pip install --upgrade --force-reinstall bad-quitter"),
}


def assert_speaks(error: PluginError, name: str, why: str, hint: str) -> None:
    assert error.message.startswith(f"encoder '{name}' (bad-{name} 1.0): ")
    assert why in error.message
    assert error.hint.startswith(hint) or hint in error.hint
    assert "\n" not in error.message + error.hint


@pytest.mark.parametrize("name", BY_CARD)
def test_a_bad_card_is_one_line_with_a_remedy(name: str) -> None:
    with pytest.raises(PluginError) as caught:
        registry.card("encoder", name)
    assert_speaks(caught.value, name, *BY_CARD[name])


@pytest.mark.parametrize("name", BY_TARGET | BY_BUILD)
def test_a_bad_target_is_found_by_build_not_by_card(name: str) -> None:
    assert registry.card("encoder", name).summary == "A bad one."
    with pytest.raises(PluginError) as caught:
        registry.build("encoder", name, {})
    assert_speaks(caught.value, name, *(BY_TARGET | BY_BUILD)[name])


def test_the_components_own_error_passes() -> None:
    with pytest.raises(DataError, match="no such file"):
        registry.build("encoder", "helpful", {})


def test_a_keyboard_interrupt_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    registry.build("encoder", "good", {})
    monkeypatch.setattr(sys.modules["bad_good_impl"].Eye, "__init__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        registry.build("encoder", "good", {})


@pytest.mark.parametrize("name", ["twin-eye", "twin_eye", "Twin.Eye"])
def test_two_claims_on_one_name_name_both(name: str) -> None:
    with pytest.raises(PluginError) as caught:
        registry.card("encoder", name)
    assert "bad-twin-a 1.1" in caught.value.message
    assert "bad-twin-b 2.2" in caught.value.message
    assert "pip uninstall bad-twin-a or pip uninstall bad-twin-b" in caught.value.hint


def test_half_removed_distributions_are_shown_as_such() -> None:
    with pytest.raises(PluginError, match=r"encoder 'remains' \(unknown unknown\): cannot load bad_remains"):
        registry.card("encoder", "remains")


@pytest.mark.parametrize("targets", [False, True])
def test_the_survey_shows_the_good_and_why_the_others_are_broken(targets: bool) -> None:
    findings = list(registry.check_all(targets=targets))
    found = {(finding.kind, finding.entry.name): finding for finding in findings}
    assert len(findings) == len(found)
    encoders = {name: finding for (kind, name), finding in found.items() if kind == "encoder"}
    sound = {"good", *BY_BUILD, "helpful"} | (set() if targets else set(BY_TARGET))
    assert {name for name in SOURCES_NAMES if encoders[name].card} == sound
    assert all((finding.card is None) == (finding.error is not None) for finding in findings)
    assert {encoders["twin_eye"].error is None, encoders["twin-eye"].error is None} == {False}
    assert ("agent", "zero") in found


SOURCES_NAMES = {distribution.removeprefix("bad-") for distribution in SOURCES}


def test_names_import_no_plugin(bad_site: Path) -> None:
    code = (
        "import sys; from nil_core import registry; from nil_core.card import KINDS\n"
        "print([n for k in KINDS for n in registry.names(k)], [m for m in sys.modules if m.startswith('bad_')])"
    )
    environment = os.environ | {"PYTHONPATH": str(bad_site)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    assert "'syntax'" in output.stdout
    assert output.stdout.strip().endswith("[]")
