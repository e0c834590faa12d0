"""``nil report`` and ``nil runs compare``: what the files and tables say about runs of every kind."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from nil_core import compare, write_report
from nil_core.errors import ConfigError, MachineError, RunError
from nil_core.report import plots
from nil_core.study.folder import StudyFolder


def text_of(page: Path) -> str:
    """What a person reads on a page."""
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def run_of(study: Path, start: str) -> Path:
    return next(path for path in sorted((study / "runs").iterdir()) if path.name.startswith(start))


def test_report_of_a_study_shows_rows_with_intervals_and_every_run(study: Path, nil: Callable[..., Any]) -> None:
    result = nil("report", study)
    assert (result.code, result.err) == (0, "")
    assert f"report: {study / 'report.html'}" in result.out
    text = text_of(study / "report.html")
    for part in (
        "question", "2 rows, 6 runs; all compared", "all 3 of 3", "no-iou 3 of 3",
        "Probability of improvement over all", "What differs", "reward.iou", "Parts of the reward", "weight 0",
        "How it was made", "mujoco", "no-iou", "seeds = [",
        "return*", "not comparable between rows that differ in reward.iou; unlike all: no-iou.", "nothing",
    ):  # fmt: skip
        assert part in text, part
    assert "0.420 0.400 to 0.440" in text  # speed of the row "all": the mean of three, and an interval
    html = (study / "report.html").read_text(encoding="utf-8")
    videos = re.findall(r'<video src="data:video/mp4;base64,([^"]+)"', html)
    clip = run_of(study, "all-s1") / "videos" / "comparison.mp4"
    assert len(videos) == 2 and base64.b64decode(videos[0]) == clip.read_bytes()  # the median of the first row
    assert html.count("<svg") == 6  # training reward, return and IoU, by steps and by hours
    markdown = (study / "report.md").read_text(encoding="utf-8")
    assert "| no-iou | 3 of 3 |" in markdown and "0.420 \\[0.400, 0.440\\]" in markdown
    lines = list(csv.DictReader((study / "report.csv").open(encoding="utf-8")))
    assert [line["level"] for line in lines] == ["row"] * 2 + ["run"] * 6
    assert float(lines[1]["speed_improvement"]) == 1.0 and float(lines[0]["speed_low"]) == pytest.approx(0.4)
    assert lines[-1]["reward.iou"] in ("0", "0.0") and float(lines[2]["hours"]) == pytest.approx(1.01)


def test_page_is_self_contained_and_the_same_for_the_same_runs(study: Path, tmp_path: Path) -> None:
    first = write_report([study], tmp_path / "one").page.read_bytes()
    assert write_report([study], tmp_path / "two").page.read_bytes() == first
    html = first.decode()
    assert "default-src 'none'" in html
    outside = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:|#|["'])[^\s"')>]+""", html)
    assert [each for each in outside if "#" not in each] == []


def test_no_run_is_left_out_without_a_reason(tmp_path: Path, make: Any) -> None:
    """Failed, interrupted, damaged, missing, of another format, evaluated otherwise: each is listed with its reason."""
    study = make.study(tmp_path / "s", make.spec.changed(seeds=4))
    failed, odd, interrupted, _ = (run_of(study, f"all-s{seed}") for seed in range(4))
    cut, old, gone, _ = (run_of(study, f"no-iou-s{seed}") for seed in range(4))
    for run in (failed, interrupted):
        shutil.rmtree(run)
        make.run(run, make.config(), finished=False)
    StudyFolder(study).note("end", f"runs/{failed.name}", {"outcome": "failed", "error": "NaN in the loss"})
    make.change(odd / "summary.json", lambda summary: summary["policies"]["trained"].update(episodes=2, foot_slip=0.1))
    (cut / "summary.json").write_text('{"finished": tr')
    make.change(old / "manifest.json", lambda manifest: manifest.update(format=1))
    shutil.rmtree(gone)
    report = write_report([study])
    assert {run.path: run.outcome for run in report.comparison.runs if run.reason} == {
        failed: "failed", odd: "other evaluation", interrupted: "not finished",
        cut: "damaged", old: "damaged", gone: "not started",
    }  # fmt: skip
    text = text_of(report.page)
    for part in (
        "1 of 4, 1 failed, 1 other evaluation, 1 not finished", "1 of 4, 2 damaged, 1 not started",
        "step 200: NaN in the loss", "interrupted at step 200 of 400", "summary.json cannot be read",
        "written in format 1", "evaluated with evaluation.episodes = 2, most others with 5",
        "6 of 8 runs are not compared", "A row with one run has no interval",
    ):  # fmt: skip
        assert part in text, part


def test_single_runs_are_rows_by_config_and_named_for_what_differs(tmp_path: Path, make: Any, nil: Any) -> None:
    for robot, agent, seed in (("a1", "sac", 0), ("a1", "sac", 1), ("h1", "sac", 0), ("a1", "zero", 0)):
        make.run(tmp_path / f"{robot}-{agent}-{seed}", make.config(seed, robot=robot, agent=agent))
    folders = sorted(tmp_path.iterdir())
    comparison = compare(folders)
    assert {row.name: len(row.runs) for row in comparison.rows} == {"a1 sac": 2, "a1 zero": 1, "h1 sac": 1}
    assert comparison.differences == ("robot.name", "agent.name")  # not the options of one agent
    assert any("Rows have different seeds" in note for note in comparison.notes)
    alone = write_report([folders[0]])
    assert alone.page == folders[0] / "report.html"  # beside the other files of the run
    assert "Probability of improvement" not in text_of(alone.page)
    changed = ("return", "return_over_zero", "similarity", "iou")
    assert comparison.incomparable == dict.fromkeys(changed, ("robot.name",))
    result = nil("runs", "compare", *folders, folders[0], "--against", "h1 sac", "--json")
    found = json.loads(result.out)
    assert (found["against"], len(found["runs"])) == ("h1 sac", 4)  # a folder given twice counts once
    assert found["rows"][0]["improvement"]["speed"] == {"value": 0.5, "low": None, "high": None, "runs": 2}
    assert found["metrics"]["speed"]["unit"] == "m/s"


def test_compare_prints_the_tables(study: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # in a narrow terminal, each row is a block
    result = nil("runs", "compare", study)
    assert result.code == 0
    assert re.search(r"no-iou +3 of 3 .*0\.520 \[0\.500, 0\.540\]", result.out)
    assert "Probability of improvement over all" in result.out and "What differs" in result.out
    rows = list(csv.DictReader(nil("runs", "compare", study, "--csv").out.splitlines()))
    assert [row["row"] for row in rows[:2]] == ["all", "no-iou"]
    refused = nil("runs", "compare", study, "--csv", "--json")
    assert refused.code == 2 and "exclude each other" in refused.err


def test_metrics_are_shown_where_a_run_has_them(tmp_path: Path, make: Any) -> None:
    make.run(tmp_path / "a", make.config(0), foot_slip=0.2, foot_slip_std=0.1, mocap_loss_deg=None, charm=7.0)
    make.run(tmp_path / "b", make.config(1))
    comparison = compare([tmp_path / "a", tmp_path / "b"])
    shown = {metric.key: metric for metric in comparison.metrics}
    assert "foot_slip" in shown and not {"mocap_loss_deg", "episodes", "charm", "foot_slip_std"} & set(shown)
    values = comparison.rows[0].values
    assert (values["foot_slip"].value, values["foot_slip"].runs) == (0.2, 1)
    assert values["speed_share"].value == pytest.approx(62.5) and values["return_over_zero"].value == pytest.approx(50)
    assert any("foot slip (1)" in note for note in comparison.notes)
    assert any("charm" in note and "known" in note for note in comparison.notes)


def test_a_saved_evaluation_is_shown_where_all_have_one_alike_and_said_to_be(study: Path, make: Any, nil: Any) -> None:
    runs = sorted((study / "runs").iterdir())
    for number, run in enumerate(runs):
        make.saved(run, mocap_loss_deg=5.0 + number, speed=0.9)
    nil("report", study)
    text = text_of(study / "report.html")
    for part in (
        "MoCap loss (deg)", "the mean of its evaluation by nil eval --save (5 episodes)", "saved 2026-11-29 10:00:00",
        "Values of 6 of 6 compared runs are from evaluations of nil eval --save, 2026-11-29 10:00:00, by nil-core "
        "0.3.0 (6 runs). Settings: 5 episodes, start states of seed 0, recording walk.npz (SHA-256 1234567890ab).",
    ):  # fmt: skip
        assert part in text, part
    assert compare([study]).rows[0].values["speed"].value == pytest.approx(0.9)
    for run in runs[3:]:
        (run / "evaluation.json").unlink()
    mixed = compare([study])  # a recording is no reason to set a run aside
    assert len(mixed.compared) == 6 and mixed.rows[1].values["speed"].value == pytest.approx(0.52)
    assert any("Values of 3 of 6" in note and "those of the others" in note for note in mixed.notes)
    rows = list(csv.DictReader(nil("runs", "compare", study, "--csv").out.splitlines()))
    assert [row["evaluation"] for row in rows[2:]] == ["saved 2026-11-29 10:00:00"] * 3 + ["at its end"] * 3
    for run in runs[:3]:
        make.saved(run, episodes=20, speed=0.9)
    own = compare([study])  # three have other settings than six
    assert own.rows[0].values["speed"].value == pytest.approx(0.42) and len(own.compared) == 6
    unlike = "Saved evaluations with other settings are not shown: evaluation.episodes = 20, shown is 5."
    assert unlike in own.notes
    for run in runs[3:]:
        make.saved(run, episodes=20, speed=0.9)
    make.change(runs[0] / "evaluation.json", lambda value: value["conditions"].update(steps=200))
    (runs[1] / "evaluation.json").write_text("{")
    saved = compare([study])
    assert {run.path for run in saved.runs if run.outcome == "compared" and run.uses_saved} == set()  # four of six
    assert any("(evaluation.json is of step 200, the run has 400)" in note for note in saved.notes)
    assert nil("runs", "compare", study).err.startswith("warning: Saved evaluations that cannot be shown: ")


def test_returns_by_one_reward_can_be_compared(study: Path, make: Any) -> None:
    runs = sorted((study / "runs").iterdir())
    for run in runs:
        make.saved(run, reward={"reward.iou": 0.5}, **{"return": 1.5})
    comparison = compare([study])
    assert comparison.incomparable == {} and "reward.iou" in comparison.differences
    assert comparison.rows[1].improvement["return"].value == 0.5
    (runs[0] / "evaluation.json").unlink()
    own = compare([study])
    assert own.incomparable["return"] == ("reward.iou",) and not any(run.uses_saved for run in own.runs)
    make.change(runs[0] / "summary.json", lambda summary: summary["policies"]["trained"].update(episodes=7))
    odd = {run.path: run.reason for run in compare([study]).runs if run.reason}
    assert odd == {runs[0]: "evaluated with evaluation.episodes = 7, most others with 5"}


def test_damaged_lines_unknown_keys_and_equal_results_are_said(study: Path, make: Any, nil: Any) -> None:
    one, other, *_ = runs = sorted((study / "runs").iterdir())
    lines = (one / "metrics.jsonl").read_text().splitlines(keepends=True)
    (one / "metrics.jsonl").write_text("".join([*lines[:2], "{\n", *lines[2:], '{"step": 400, "ki']))
    with (study / "attempts.jsonl").open("a") as file:
        file.write("\0\0\n{")  # the last line is being written
    with (other / "config.toml").open("a") as file:
        file.write("[future]\nkey = 1\n")
    text = (other / "config.toml").read_text()
    (other / "config.toml").write_text(text.replace("[agent]", "[agent]\ntwist = 2\n"))
    for run in runs:
        make.change(
            run / "summary.json", lambda summary: summary["policies"]["trained"].update({"return": 1, "speed": 1})
        )
        make.change(run / "summary.json", lambda summary: summary.update(return_over_zero=0.5))
    result = nil("report", study)
    warnings = [
        f"Damaged lines are left out: {study}/attempts.jsonl (1 of 1, the first is line 1), "
        f"{one}/metrics.jsonl (2 of 10, the first is line 3).",
        f"Config keys that this nil does not know: {other}/config.toml (future, agent.twist).",
    ]
    assert (result.code, result.err.splitlines()) == (0, [f"warning: {line}" for line in warnings])
    text = text_of(study / "report.html")
    assert all(line in text for line in warnings)
    assert "Identical results in every metric and seed: all, no-iou. What differs had no effect: reward.iou." in text
    assert next(run for run in compare([study]).runs if run.path == one).step == 400


def test_curves_end_with_the_final_evaluation_and_progress_is_told(study: Path) -> None:
    told: list[tuple[int, int, str]] = []
    comparison = write_report([study], progress=lambda *each: told.append(each)).comparison
    assert told[5] == (6, 6, f"runs of {study} read") and told[-1][2] == "curves drawn"
    (curve,) = (plots._curve(run, "eval", "return") for run in comparison.runs if run.path == run_of(study, "all-s0"))
    assert curve is not None and curve.steps.tolist() == [100, 200, 300, 400]
    assert curve.values.tolist() == [0.4, 0.8, 1.2, 1.4] and curve.hours[-1] == 1.0  # 1.6 in a single episode


def test_less_is_better_where_it_is(tmp_path: Path, make: Any) -> None:
    make.run(tmp_path / "a", make.config(), falls=3)
    make.run(tmp_path / "b", make.config(skill="trotting"), speed=1.0, falls=0)
    better = compare([tmp_path / "a", tmp_path / "b"]).rows[1].improvement
    assert better["falls"].value == 1.0 and better["speed"].value == 1.0
    assert better["speed_share"].value == 1.0  # 125 % is closer to the reference than 62 %


def test_names_are_escaped_and_paid_videos_counted_once(tmp_path: Path, make: Any) -> None:
    hostile = '</script><img src=x onerror="document.title=1"> $x_1$ | **b** \udcff'
    odd = tmp_path / "a <b> & $c$"
    make.run(odd, make.config(skill="<i>walking</i>"))
    make.run(tmp_path / "b", make.config())
    make.run(tmp_path / "c", make.config(1))
    cost = {"estimate": 0.28, "currency": "USD", "reported": None}
    for run in (odd, tmp_path / "b", tmp_path / "c"):
        video = {"key": "same" if run != odd else "other", "facts": {"cost": cost}}
        (run / "reference" / "provenance.json").write_text(json.dumps({"video": video}))
        make.change(run / "manifest.json", lambda manifest: manifest.update(command=["nil", hostile]))
    report = write_report([odd, tmp_path / "b", tmp_path / "c"], tmp_path / "out")
    html = report.page.read_text(encoding="utf-8")
    assert "<img" not in html and "<i>" not in html and "a &lt;b&gt; &amp; $c$" in html
    assert "about 0.56 USD for 2 videos" in text_of(report.page)
    assert r"\<i\>walking\</i\>" in report.markdown.read_text(encoding="utf-8")


def test_runs_of_other_versions_are_said_in_one_line(tmp_path: Path, make: Any) -> None:
    for seed, version in enumerate(["0.1.9", "0.2.0", "0.2.0"]):
        run = make.run(tmp_path / str(seed), make.config(seed))
        make.change(
            run / "manifest.json", lambda value, version=version: value["versions"].update({"nil-core": version})
        )
    make.change(tmp_path / "0" / "summary.json", lambda summary: summary.pop("reference_speed"))  # of an older format
    make.change(tmp_path / "0" / "summary.json", lambda summary: summary.pop("return_over_zero"))
    notes = compare(sorted(tmp_path.iterdir())).notes
    assert any(
        note.startswith("Runs were made by nil-core 0.1.9 (1 run), 0.2.0 (2 runs); this report") for note in notes
    )
    missing = next(note for note in notes if note.startswith("Some of the 3 compared runs lack a value"))
    assert missing.endswith("over standing (2), of reference speed (2).")


def test_bad_input_is_one_line_and_writes_nothing(study: Path, tmp_path: Path, make: Any, nil: Any) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = make.study(tmp_path / "nothing")
    for run in (nothing / "runs").iterdir():
        (run / "summary.json").unlink()
        make.folder(run).write_status("interrupted", 100)
    no_entries = tmp_path / "no-entries"
    no_entries.mkdir()
    (no_entries / "study.json").write_text('{"schema": 1, "name": "x", "entries": []}')
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "study.json").write_text('{"schema": 1, "entries": [{"row": 3}]}')
    file = tmp_path / "file"
    file.touch()
    for arguments, message in (
        ([empty], "is neither a run folder nor a study folder"),
        ([study / "runs"], "is neither a run folder nor a study folder"),
        ([tmp_path / "missing"], "does not exist"),
        ([file], "is neither"),
        ([nothing], "nothing to compare: of 6 runs none has a final evaluation"),
        ([no_entries], "has no runs"),
        ([broken], "is damaged"),
        ([study, "--against", "al"], "there is no row 'al'"),
        ([study, "--out", file], "a part of the path is a file"),
        ([study, "--out", file / "below"], "a part of the path is a file"),
    ):
        before = sorted(path for path in tmp_path.rglob("*"))
        result = nil("report", *arguments)
        assert result.code == 2 and len(result.err.splitlines()) == 2, (arguments, result.err)
        assert message in result.err, result.err
        assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_file_of_somebody_else_is_not_written_over(study: Path, tmp_path: Path) -> None:
    write_report([study])
    write_report([study])  # its own files are
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.md").write_text("# My report")
    with pytest.raises(RunError, match="was not written by nil report"):
        write_report([study], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]
    with pytest.raises(ConfigError, match="no run of the row"):
        shutil.rmtree(run_of(study, "all-s0"))
        shutil.rmtree(run_of(study, "all-s1"))
        shutil.rmtree(run_of(study, "all-s2"))
        compare([study], against="all")


def test_a_study_ends_with_its_report(study: Path, nil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = nil("study", study)
    assert result.code == 0 and f"report: {study / 'report.html'}" in result.out, result
    (study / "report.html").write_text("mine")
    result = nil("study", study)
    assert result.code == 0 and "6 finished" in result.out
    assert "warning: no report was written: " in result.err and "was not written by nil report" in result.err

    def fail(*_: object) -> None:
        raise MachineError("the disk is full", "free some space")

    (study / "report.html").unlink()
    monkeypatch.setattr("nil_core.report.write.write_text", fail)
    result = nil("study", study)
    assert result.code == 0 and result.err.strip() == "warning: no report was written: the disk is full"


def test_a_failed_reference_is_the_reason_of_its_runs(study: Path) -> None:
    gone = run_of(study, "no-iou-s1")
    shutil.rmtree(gone)
    entries = json.loads((study / "study.json").read_text(encoding="utf-8"))["entries"]
    reference = next(entry["reference"] for entry in entries if entry["run"].endswith(gone.name))
    StudyFolder(study).note("end", reference, {"outcome": "failed", "error": "no robot in the video"})
    reasons = {run.path: (run.outcome, run.reason) for run in compare([study]).runs}
    assert reasons[gone] == ("failed", "no reference: no robot in the video")
