"""Grids: read, validated, hashed; and the folder they are kept in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nil_core import registry
from nil_core.demonstrations.files import write_demonstrations
from nil_core.errors import ConfigError, DataError, NilError, RunError
from nil_core.storage import run_folder
from nil_core.storage.atomic import write_json
from nil_core.storage.lock import run_lock
from nil_core.study import StudySpec, built_in, costs, read_spec, with_baselines
from nil_core.study.builtin import BUILT_IN
from nil_core.study.folder import StudyFolder, default_folder
from nil_core.study.grid import Row, parse_seeds, with_steps
from nil_core.study.references import distinct, shared_reference
from nil_core.testing import toy_demonstrations, toy_scene

TWO = """
name = "two"
preset = "smoke"
seeds = [0, 1]
base.steps = 80

[[rows]]
name = "all"

[[rows]]
name = "no-iou"
reward.iou = 0
"""


def read(tmp_path: Path, text: str) -> StudySpec:
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    return read_spec(file)


def folders(spec: StudySpec) -> set[str]:
    return {shared_reference(entry, spec.reference_seed).path for entry in spec.entries()}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_study_is_a_valid_grid(name: str) -> None:
    entries = built_in(name, seeds=2).entries()
    assert len(entries) == 2 * len(BUILT_IN[name].rows)
    assert len({entry.run for entry in entries}) == len(entries)


def test_rows_are_chosen_by_patterns() -> None:
    spec = built_in("reward-terms").only(["all", "no-*"])
    assert [row.name for row in spec.rows] == ["all", "no-regularization", "no-iou", "no-video"]
    with pytest.raises(ConfigError, match="no row is called none") as caught:
        spec.only(["all", "none"])
    assert "no-iou" in caught.value.hint


def test_baselines_stand_beside_every_row_whose_demonstrations_exist(tmp_path: Path) -> None:
    scene = toy_scene(size=16)
    for robot, actions in (("a1", False), ("h1", True)):
        write_demonstrations(tmp_path / f"{robot}.npz", toy_demonstrations(scene, actions))
    files = str(tmp_path / "{robot}.npz")
    names = [row.name for row in with_baselines(built_in("robots"), files, ["a1*", "h1-b*"]).rows]
    assert names == ["h1", "h1-bco", "h1-bc", "talos", "g1", "a1", "a1-amp", "a1-gaifo", "a1-drail", "a1-bco"]
    with pytest.raises(DataError, match=r"no demonstrations .*talos\.npz for row talos") as caught:
        with_baselines(built_in("robots"), files)
    assert "nil demos make RECORDING --robot talos --out" in caught.value.hint


@pytest.mark.skipif(
    "amp" not in registry.names("reward") or "bco" not in registry.names("agent"),
    reason="the baselines are not installed",
)
def test_baselines_use_nothing_of_the_reference(tmp_path: Path) -> None:
    write_demonstrations(tmp_path / "a1.npz", toy_demonstrations(toy_scene(size=16)))
    spec = with_baselines(built_in("robots", seeds=1).only(["a1"]), str(tmp_path / "{robot}.npz"))
    configs = {entry.row: entry.config for entry in spec.entries()}
    assert configs["a1"].motion.source == "video"
    assert {configs[name].motion.source for name in configs if name != "a1"} == {"none"}


def test_a_grid_survives_its_file(tmp_path: Path) -> None:
    spec = read(tmp_path, TWO)
    again = read(tmp_path, spec.to_toml())
    assert again == spec
    assert [(e.row, e.seed, e.config.reward.options) for e in again.entries()] == [
        ("all", 0, {}), ("no-iou", 0, {"iou": 0}), ("all", 1, {}), ("no-iou", 1, {"iou": 0}),
    ]  # fmt: skip


def test_what_does_not_change_a_run_does_not_change_its_folder() -> None:
    spec = StudySpec("s", (Row("a", {"reward.iou": 0}),), (0,))
    same = StudySpec("s", (Row("a", {"reward.iou": 0.0}),), (0,), {"device": "cpu"})
    other = spec.changed({"steps": 5})
    assert spec.entries()[0].run == same.entries()[0].run != other.entries()[0].run


def test_seeds_and_rewards_share_a_reference_and_videos_do_not() -> None:
    assert len(folders(built_in("reward-terms", seeds=3))) == 1
    assert len(folders(built_in("recovery", seeds=3))) == 3  # implausible, side view, and the others
    spec = built_in("reward-terms", {"seed": 7}, seeds=2)
    assert [each.config.seed for each in distinct(shared_reference(e, 7) for e in spec.entries())] == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("reward.iou", "reward.iuo"), "row no-iou: the reward 'imitation' has no option 'iuo'"),
        (TWO.replace("reward.iou = 0", "reward.iou = 1.0"), "the rows all and no-iou are equal"),
        (TWO.replace("reward.iou = 0", "evaluation.episodes = 9"), "evaluation.episodes cannot differ between rows"),
        (TWO.replace("reward.iou = 0", "seed = 9"), "seed cannot differ between rows"),
        (TWO.replace("reward.iou = 0", 'robot = "a11"'), "row no-iou: no robot is called 'a11'"),
        (TWO.replace('"no-iou"', '"ALL"'), "two rows are called all"),
        (TWO.replace('"no-iou"', '"../x"'), "cannot be the name of a row"),
        (TWO.replace("preset", "presets"), "a study has no key 'presets'"),
        (TWO.replace("[0, 1]", "[0, 0]"), "one twice"),
        (TWO.replace("[0, 1]", "[]"), "there is none"),
        (TWO.replace("[0, 1]", "[-1]"), "-1 is no seed"),
        (TWO.replace("base.steps = 80", "base.stepz = 80"), "there is no config key 'stepz'"),
        (TWO.replace("base.steps = 80", "base = 3"), "base must be a table"),
        (TWO.replace('name = "no-iou"\n', ""), "a row has no name"),
        ('name = "x"', "has no rows"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_wrong_grid_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(NilError) as caught:
        read(tmp_path, text).entries()
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_seeds_on_the_command_line() -> None:
    assert (parse_seeds("3"), parse_seeds("0,4"), parse_seeds("3-5")) == (3, (0, 4), (3, 4, 5))
    with pytest.raises(ConfigError):
        parse_seeds("few")


def test_a_grid_can_grow_and_another_one_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "folder")
    spec = read(tmp_path, TWO)
    folder.check(spec, spec.entries())
    folder.write(spec, spec.entries())
    identity = folder.read_index()["id"]
    less = spec.changed(seeds=(1, 2))
    more = StudySpec(less.name, (less.rows[0], Row("raw", {"reward.scale": "raw"})), less.seeds, less.base, less.preset)
    folder.check(more, more.entries())
    folder.write(more, more.entries())
    index = folder.read_index()
    assert index["id"] == identity
    assert {(e["row"], e["seed"]) for e in index["entries"]} == {
        ("all", 0), ("all", 1), ("all", 2), ("no-iou", 0), ("no-iou", 1), ("raw", 1), ("raw", 2),
    }  # fmt: skip
    assert [row.name for row in folder.read_spec().rows] == ["all", "no-iou", "raw"]
    for changed, what in (
        (spec.changed({"steps": 70}), "its row all has steps 80, not 70"),
        (spec.changed({"seed": 3}), "its base.seed is 0, not 3"),
        (spec.changed({"steps": 9, "training.keep": 4}, seeds=(8,)), "row all has steps 80, not 9, and 1 more differ"),
    ):
        with pytest.raises(RunError, match=f"holds another grid: .*{what}\\n"):
            folder.check(changed, changed.entries())
    assert folder.read_index() == index


def test_a_row_with_a_new_name_keeps_its_runs(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "folder")
    spec = read(tmp_path, TWO)
    folder.write(spec, spec.entries())
    run = folder.path / spec.entries()[1].run
    write_json(run / "manifest.json", {"nil": "run"})
    renamed = read(tmp_path, TWO.replace('"no-iou"', '"without"')).changed(seeds=(0,))
    folder.check(renamed, renamed.entries())
    assert folder.renamed(renamed.entries()) == {"no-iou": "without"}
    with run_lock(run), pytest.raises(RunError, match="is learning in"):
        folder.write(renamed, renamed.entries())
    folder.write(renamed, renamed.entries())
    moved = renamed.entries()[1]
    assert moved.row == "without" and not run.exists()
    assert folder.progress(moved.run, moved.config).state != "waiting"
    assert [(e["row"], e["seed"]) for e in folder.read_index()["entries"]] == [
        ("all", 0), ("without", 0), ("all", 1), ("without", 1),
    ]  # fmt: skip
    assert [row.name for row in folder.read_spec().rows] == ["all", "without"]


def test_more_steps_go_on_with_the_runs_of_all_seeds(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "folder")
    spec = read(tmp_path, TWO)
    folder.write(spec, spec.entries())
    runs = [folder.path / entry.run for entry in spec.entries()]
    for number, (run, entry) in enumerate(zip(runs, spec.entries(), strict=True)):
        run_folder.create(run, entry.config, {})
        write_json(run / "summary.json", {"finished": True, "steps": 80, "number": number})
        write_json(run / "status.json", {"state": "finished", "step": 80})
    with pytest.raises(RunError, match=r"the rows no-iou of .* keep their steps"):
        folder.check(spec, spec.changed({"steps": 120}).only(["all"]).entries())
    longer = spec.changed({"steps": 120}, seeds=(1,))
    folder.check(longer, longer.entries())
    place = folder.places(longer.entries())[longer.entries()[0].hash]
    assert folder.progress(place, longer.entries()[0].config).step == 80
    folder.write(longer, longer.entries())
    both = spec.changed({"steps": 120})
    for number, (before, entry) in enumerate(zip(runs, both.entries(), strict=True)):
        assert json.loads((folder.path / entry.run / "summary.json").read_text())["number"] == number
        assert not before.exists() and not folder.progress(entry.run, entry.config).finished
        assert run_folder.open_run(folder.path / entry.run)[1].steps == 120, "reports see that it is not finished"
    folder.check(both, both.entries())
    folder.write(both, both.entries())
    index = folder.read_index()
    assert [each["run"] for each in index["entries"]] == [entry.run for entry in both.entries()]
    assert folder.read_spec().entries() == both.entries()
    with pytest.raises(RunError, match="its row all has steps 120, not 80"):
        folder.check(spec, spec.entries())


def test_more_steps_than_the_default(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "folder")
    spec = StudySpec("default", (Row("all"),), (0,))
    folder.write(spec, spec.entries())
    default = with_steps(spec.entries()[0].config).total_steps
    with pytest.raises(RunError, match="another grid"):
        folder.check(spec, spec.changed({"steps": default}).entries())
    longer = spec.changed({"steps": default + 1})
    folder.check(longer, longer.entries())
    folder.write(longer, longer.entries())
    assert [each["run"] for each in folder.read_index()["entries"]] == [longer.entries()[0].run]


def test_the_time_of_a_study_is_known_from_an_earlier_run_of_default_steps(tmp_path: Path) -> None:
    spec = built_in("reward-terms", {"robot": "a1"}, seeds=2)
    config = with_steps(spec.entries()[-1].config)
    assert (spec.entries()[-1].config.steps, config.steps) == (None, 12_000)
    made = run_folder.create(tmp_path / "runs" / "one", config, {})
    write_json(made.summary, {"steps": 6_000, "learning_seconds": 60.0, "evaluation_seconds": 30.0})
    known = costs.timings([tmp_path / "runs", tmp_path / "none"])
    assert costs.seconds(config, known) == 60 * 2 + 30
    assert costs.remaining(config, 9_000, known) == 150 / 4
    assert costs.seconds(config, []) is None


def test_folders_that_are_no_study_are_refused(tmp_path: Path) -> None:
    spec = read(tmp_path, TWO)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds thesis\.tex"):
        StudyFolder(tmp_path / "home").check(spec, spec.entries())
    StudyFolder(tmp_path / "broken").write(spec, spec.entries())
    (tmp_path / "broken" / "study.json").write_text('{"entries": [{}]}')
    with pytest.raises(RunError, match="is damaged"):
        StudyFolder(tmp_path / "broken").check(spec, spec.entries())
    assert default_folder(spec, spec.entries()) == Path("studies/two-a1")
