"""Names, cards, options and construction, when all is well or the user is mistaken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nil_core
from nil_core import registry
from nil_core.card import KINDS, ComponentCard
from nil_core.entry_points import install_command
from nil_core.errors import ConfigError, PluginError
from nil_core.types import AgentSpec

PLUGIN = """
from pydantic import BaseModel, Field, field_validator, model_validator
from nil_core.api import ComponentCard, Options

class Inner(BaseModel, extra="forbid"):
    depth: int = 1

class EyeOptions(Options):
    bins: int = Field(9, description="orientation bins", gt=0)
    cell_size: float = Field(8.0, description="side of a cell in pixels")
    inner: Inner = Inner()

    @field_validator("bins")
    @classmethod
    def even(cls, bins):
        if bins == 13:
            raise ValueError("thirteen brings bad luck.")
        return bins

    @model_validator(mode="after")
    def together(self):
        if self.bins == 7 and self.cell_size == 7:
            raise ValueError("seven and seven do not go together")
        if self.bins == 666:
            raise RuntimeError("a bug in the plugin")
        return self

class NeedyOptions(Options):
    path: str = Field(description="file to read")

CARD = ComponentCard(kind="encoder", summary="Sees.", target="fine_eye:Eye", config=EyeOptions)
NEEDY = ComponentCard(kind="generator", summary="Needs.", target="fine_eye:Eye", config=NeedyOptions)

class Eye:
    clip_length, frame_size = 2, 4
    def __init__(self, options): self.options = options
    def encode(self, clips): return clips
"""
ENTRY_POINTS = "[nil.encoders]\nfine_eye = fine_eye:CARD\n[nil.generators]\nneedy = fine_eye:NEEDY\n"


@pytest.fixture(scope="module", autouse=True)
def fine_site(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-encoder-fine-eye", ENTRY_POINTS, fine_eye=PLUGIN)
    with visible(site.install()):
        yield


def refusal(kind: Any, name: str, values: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        registry.options(kind, name, values)
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value


def test_the_floors_are_always_there() -> None:
    assert {"random", "zero"} <= set(registry.names("agent"))
    assert registry.card("agent", "zero").kind == "agent"


@pytest.mark.parametrize("name", ["fine_eye", "fine-eye", "Fine.Eye"])
def test_hyphen_underscore_and_case_are_one_name(name: str) -> None:
    assert registry.card("encoder", name).summary == "Sees."
    assert registry.build("encoder", name, {"bins": 3}).options.bins == 3


def test_an_agent_is_constructed_with_its_setting() -> None:
    setting = AgentSpec(3, 2, 1, 10, 10, seed=1)
    assert registry.build("agent", "zero", {}, setting).action_size == 2


def test_a_misspelled_name_offers_the_nearest_and_names_the_installed() -> None:
    with pytest.raises(PluginError, match=r"called 'zeroo': did you mean 'zero'\? installed: .*random") as caught:
        registry.card("agent", "zeroo")
    assert caught.value.hint == "--agent zero"
    with pytest.raises(PluginError, match="did you mean 'fine_eye'"):
        registry.card("encoder", "fineye")


def test_an_unknown_name_gets_the_line_that_may_install_it() -> None:
    with pytest.raises(PluginError) as caught:
        registry.build("agent", "q_learner", {})
    assert caught.value.hint.endswith("pip install nil-agent-q-learner")


@pytest.mark.parametrize(
    ("kind", "name", "folder"),
    [
        ("robot", "H1", "robots/h1"),
        ("segmenter", "sim-mask", "segmenters/sim_mask"),
        ("agent", "bro_fast", "agents/bro"),
        ("tracker", "wandb", "trackers/wandb"),
        ("executor", "ray", "executors/ray"),
    ],
)
def test_a_plugin_of_this_checkout_is_installed_from_its_folder(kind: str, name: str, folder: str) -> None:
    plugin = Path(nil_core.__file__).parents[1] / "plugins" / folder
    assert (plugin / "pyproject.toml").is_file()
    assert install_command(kind, name) == f"pip install -e {quote(str(plugin))}"


def test_a_plugin_of_others_is_installed_from_the_index() -> None:
    assert install_command("robot", "Big_Dog") == "pip install nil-robot-big-dog"


@pytest.mark.parametrize("unfinished", ["", "[project]\nname = 'x'\n", "[project"])
def test_an_unfinished_plugin_beside_does_not_spoil_the_install_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unfinished: str
) -> None:
    for folder, text in (("a", unfinished), ("z", "[project.entry-points.'nil.robots']\nzed = 'zed:CARD'\n")):
        (tmp_path / "plugins" / "robots" / folder).mkdir(parents=True)
        (tmp_path / "plugins" / "robots" / folder / "pyproject.toml").write_text(text)
    monkeypatch.setattr("nil_core.entry_points.__file__", str(tmp_path / "nil_core" / "entry_points.py"))
    assert install_command("robot", "zed") == f"pip install -e {quote(str(tmp_path / 'plugins/robots/z'))}"


@pytest.mark.parametrize("name", ["", "a b", "; rm -rf /", "../x", "-e", "$(x)", "ü"])
def test_an_impossible_name_gets_no_install_line(name: str) -> None:
    with pytest.raises(PluginError) as caught:
        registry.card("encoder", name)
    assert "pip" not in caught.value.hint


@given(st.text())
def test_any_unknown_name_is_a_plugin_error(name: str) -> None:
    with pytest.raises(PluginError):
        registry.card("robot", f"{name}?")


def test_options_are_validated_and_defaults_filled_in() -> None:
    options = registry.options("encoder", "fine_eye", {"cell_size": 4})
    assert options.model_dump() == {"bins": 9, "cell_size": 4.0, "inner": {"depth": 1}}


def test_an_unknown_key_offers_the_nearest_and_names_all() -> None:
    error = refusal("encoder", "fine_eye", {"cellsize": 3})
    assert error.message == (
        "the encoder 'fine_eye' has no option 'cellsize': did you mean 'cell_size'? options: bins, cell_size, inner"
    )
    assert error.hint == "--set encoder.cell_size=..."
    assert "options: none" in refusal("agent", "zero", {"gain": 1}).message


def test_a_wrong_value_names_its_set() -> None:
    error = refusal("encoder", "fine-eye", {"bins": "nine"})
    assert error.message.startswith("--set encoder.bins=nine: input should be a valid integer")
    assert "'fine_eye'" in error.message
    assert error.hint == "--set encoder.bins=...: orientation bins"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"bins": 0}, "--set encoder.bins=0: input should be greater than 0"),
        ({"bins": 13}, "--set encoder.bins=13: thirteen brings bad luck (option"),
        ({"cell_size": float("nan")}, "--set encoder.cell_size=nan: "),
        ({"inner": {"depth": []}}, "--set encoder.inner.depth=[]: "),
        ({"inner": {"height": 2}}, "--set encoder.inner.height=2: extra inputs are not permitted"),
        ({"bins": 7, "cell_size": 7}, "refuses its options: seven and seven do not go together"),
        ({"bins": "x" * 999 + "\n"}, "xxx..."),
    ],
)
def test_other_refusals(values: dict[str, Any], says: str) -> None:
    assert says in refusal("encoder", "fine_eye", values).message


def test_a_missing_option_is_named() -> None:
    error = refusal("generator", "needy", {})
    assert error.message == "the generator 'needy' needs the option 'path'"
    assert error.hint == "--set generator.path=...: file to read"


def test_a_bug_in_a_validator_is_the_plugins() -> None:
    with pytest.raises(PluginError, match="cannot be validated: RuntimeError: a bug in the plugin"):
        registry.options("encoder", "fine_eye", {"bins": 666})


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_options_are_valid_or_a_config_error(values: dict[str, Any]) -> None:
    try:
        assert set(values) <= set(type(registry.options("encoder", "fine_eye", values)).model_fields)
    except ConfigError as error:
        assert "\n" not in error.message


def test_the_survey_has_a_card_for_what_is_sound() -> None:
    found = {(finding.kind, finding.entry.name): finding for finding in registry.check_all(targets=True)}
    assert isinstance(found["encoder", "fine_eye"].card, ComponentCard)
    assert {kind for kind, _ in found} <= set(KINDS)
    entry = found["generator", "needy"].entry
    assert (entry.distribution, entry.version) == ("nil-encoder-fine-eye", "1.0")
