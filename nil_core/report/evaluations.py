"""Which evaluation of a run is compared, that of its end or that of ``nil eval --save``: all with the same settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nil_core.report.metrics import STARTS_SEED, number, plain, table, trained
from nil_core.report.records import Run

MOCAP = "evaluation.mocap"
MOCAP_OPTIONS = "evaluation.mocap_options."
RECORDING = "recording (SHA-256)"
REWARD = "reward"
"""Of the settings: what ``nil eval --set`` changed of the reward."""

Settings = Mapping[str, Any]


def with_same_evaluation(rows: Mapping[str, tuple[Run, ...]]) -> dict[str, tuple[Run, ...]]:
    """Choose the evaluation that is shown of each finished run, and set aside runs that have none like most.

    The settings are those that most runs were evaluated with; of several, those of a saved evaluation.
    """
    compared = [run for runs in rows.values() for run in runs if run.outcome == "compared"]
    if not compared:
        return dict(rows)
    found = [_candidates(run) for run in compared]
    ordered = [each[saved] for saved in (True, False) for each in found if saved in each]
    distinct = list({json.dumps(each, sort_keys=True, default=str): each for each in ordered}.values())
    usual = max(distinct, key=lambda each: sum(_alike(candidates, each) is not None for candidates in found))
    return {name: tuple(_judged(run, usual) for run in runs) for name, runs in rows.items()}


def settings(run: Run) -> Settings:
    """Settings of the evaluation that is shown of a run."""
    return _candidates(run)[run.uses_saved]


def conflicts(one: Settings, other: Settings) -> list[str]:
    """Settings with different values. One that an older nil did not have is no conflict, nor is a recording that only
    one has: only the values of its own columns depend on it."""
    both_recorded = MOCAP in one and MOCAP in other
    same_recording = one.get(RECORDING) is not None and one.get(RECORDING) == other.get(RECORDING)
    return [
        key
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
        and ((key in one and key in other) or (both_recorded and key.startswith(MOCAP_OPTIONS)))
        and not (same_recording and key == MOCAP)
    ]


def _candidates(run: Run) -> dict[bool, Settings]:
    """Settings of the run's evaluations; the key says whether it is the saved one."""
    own = {key: value for key, value in run.settings.items() if key.startswith("evaluation.")}
    found = {False: _settings(own, run.summary, {})}
    if run.saved:
        conditions = table(run.saved.get("conditions"))
        found[True] = _settings(table(conditions.get("settings")), run.saved, table(conditions.get("reward")))
    return found


def _settings(configured: Settings, results: Mapping[str, Any], reward: Mapping[str, Any]) -> Settings:
    """Settings of one evaluation.

    Args:
        configured: keys of the table ``evaluation``.
        results: with the policies.
        reward: changes of the reward.
    """
    row = trained(results)
    known = {
        "evaluation.episodes": number(row.get("episodes")),
        "start states of seed": number(row.get(STARTS_SEED)),
    }
    found = {key: value for key, value in configured.items() if value is not None or key != MOCAP}
    found = {"evaluation.target_speed": None, **found, REWARD: dict(reward)}
    if (digest := results.get("recording_sha256")) is not None:
        found[RECORDING] = digest
    return found | {name: int(value) for name, value in known.items() if value is not None}


def _alike(candidates: Mapping[bool, Settings], usual: Settings) -> bool | None:
    """Which of a run's evaluations has the usual settings, the saved one first; None: none has."""
    for saved in (True, False):
        if saved in candidates and not conflicts(candidates[saved], usual):
            return saved
    return None


def _judged(run: Run, usual: Settings) -> Run:
    if run.outcome != "compared":
        return run
    candidates = _candidates(run)
    saved = _alike(candidates, usual)
    if saved is not None:
        return replace(run, uses_saved=saved)
    key = conflicts(candidates[False], usual)[0]
    values = [plain(each.get(key)) for each in (candidates[False], usual)]
    return replace(
        run, outcome="other evaluation", reason=f"evaluated with {key} = {values[0]}, most others with {values[1]}"
    )


def described(run: Run) -> str:
    """Settings of the evaluation that is shown of a run, in words."""
    shown = settings(run)
    episodes = shown.get("evaluation.episodes", "unknown")
    parts = [f"{episodes} episode{'s' * (episodes != 1)}"]
    if "start states of seed" in shown:
        parts.append(f"start states of seed {shown['start states of seed']}")
    if MOCAP in shown:
        digest = f" (SHA-256 {str(shown[RECORDING])[:12]})" if RECORDING in shown else ""
        parts.append(f"recording {str(shown[MOCAP]).rpartition('/')[2]}{digest}")
        parts += [f"{key} = {plain(value)}" for key, value in shown.items() if key.startswith(MOCAP_OPTIONS)]
    if shown.get("evaluation.falls", "robot") != "robot":
        parts.append(f"falls {shown['evaluation.falls']}")
    if shown["evaluation.target_speed"] is not None:
        parts.append(f"target speed {plain(shown['evaluation.target_speed'])}")
    parts += [f"{key} = {plain(value)}" for key, value in shown[REWARD].items()]
    return ", ".join(parts)


def differing(runs: Sequence[Run]) -> list[str]:
    """Settings in which saved evaluations that are not shown differ from what is shown, one text each."""
    texts = []
    for run in runs:
        candidates = _candidates(run)
        for key in conflicts(candidates[True], candidates[run.uses_saved]) if True in candidates else ():
            saved, shown = candidates[True].get(key), candidates[run.uses_saved].get(key)
            texts.append(f"{key} = {plain(saved)}, shown is {plain(shown)}")
    return list(dict.fromkeys(texts))
