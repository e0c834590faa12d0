"""What may import what: the light stays light, and every plugin is checked."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from runpy import run_path

import pytest

from nil_core.testing import HEAVY, check_light

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/*/pyproject.toml"))
PACKAGES = [path.name for plugin in PLUGINS for path in (plugin / "src").glob("nil_*") if path.suffix == ""]

COMPONENTS = [name for name in PACKAGES if not name.startswith("nil_tracker_")]  # hooks are asked for their commands


def table(path: Path) -> dict:
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize(
    "module", ["nil_core", "nil_core.api", "nil_core.registry", "nil_core.hooks", "nil_core.baselines"]
)
def test_the_face_of_the_core_is_light(module: str) -> None:
    check_light(module)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["plugins", "list"]], ids=" ".join)
def test_the_command_line_starts_light(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['nil', *{arguments!r}]\n"
        "from nil_core.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [m for m in sys.modules if m in {HEAVY!r} or m in {COMPONENTS!r}]\n"
        "assert not loaded, f'imported: {loaded}'"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip()


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_plugin_is_named_for_its_folder(plugin: Path) -> None:
    kind, name = plugin.parent.name.removesuffix("s"), plugin.name
    project = table(plugin / "pyproject.toml")["project"]
    package = f"nil_{kind}_{name}"
    assert project["name"].replace("-", "_") == package
    assert set(project["entry-points"]) == {"nil.hooks" if kind == "tracker" else f"nil.{kind}s"}
    assert (plugin / "README.md").is_file()
    assert project["version"] == table(ROOT / "pyproject.toml")["project"]["version"], ".ci/set_version.py writes it"
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert not [line for line in project["dependencies"] if "<" in line or "==" in line], "lower bounds only"


def test_import_contracts_cover_every_plugin() -> None:
    script = run_path(str(ROOT / ".ci" / "lint_imports.py"))
    assert script["plugin_packages"]() == sorted(PACKAGES)
    linter = script["plugin_contracts"](PACKAGES)["tool"]["importlinter"]
    others, public, circles = linter["contracts"]
    assert linter["root_packages"] == ["nil_core", *PACKAGES]
    assert others["layers"][0].split(" | ") == PACKAGES
    assert public["source_modules"] == circles["ancestors"] == PACKAGES


def test_a_version_is_written_everywhere_by_one_command() -> None:
    with_version = run_path(str(ROOT / ".ci" / "set_version.py"))["with_version"]
    for plugin in PLUGINS:
        project = tomllib.loads(with_version((plugin / "pyproject.toml").read_text(), "9.8.7"))["project"]
        core = [line for line in project["dependencies"] if line.startswith("nil-core")]
        assert project["version"] == "9.8.7" and len(core) == 1 and core[0].endswith(">=9.8.7")
