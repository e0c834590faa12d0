"""Where the time of a run goes, and which part bounds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PARTS = {
    "update": "the agent's update",
    "reward": "the reward's update",
    "encode": "encoding",
    "act": "acting",
    "render": "rendering",
    "physics": "physics",
    "evaluate": "evaluating",
    "save": "saving",
    "other": "other",
}
WAITED_FOR = ("render", "physics")


def shares(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """What of the wall time each part took, as the learning process spent it.

    Worker processes simulate in the shadow of encoding and learning, so of rendering and physics only that counts for
    which this process had to ``wait``: it is divided between them as the workers' own time is.

    Args:
        rows: of ``timing.jsonl``.

    Returns:
        shares by the names of :data:`PARTS`, largest first, which add up to 1; empty without rows.
    """
    totals: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            totals[name] = totals.get(name, 0.0) + value
    seconds = totals.get("seconds", 0.0)
    if seconds <= 0:
        return {}
    working = sum(totals.get(name, 0.0) for name in WAITED_FOR)
    waited = totals.get("wait", 0.0) if working else 0.0
    spent = {name: totals.get(name, 0.0) / seconds for name in PARTS}
    spent |= {name: totals.get(name, 0.0) / (working or 1.0) * waited / seconds for name in WAITED_FOR}
    spent["other"] = max(0.0, 1.0 - sum(spent.values()))
    return dict(sorted(spent.items(), key=lambda part: -part[1]))


def briefly(rates: Mapping[str, float]) -> str:
    """The three largest of the :func:`shares` among a reporter's rates; the first bounds the run."""
    return ", ".join([f"{name} {share:.0%}" for name, share in rates.items() if name in PARTS][:3])


def in_words(parts: Mapping[str, float]) -> str:
    """A sentence of some :func:`shares`."""
    parts_in_words = [
        f"{'waiting for ' if name in WAITED_FOR else ''}{PARTS[name]} {share:.0%}"
        for name, share in parts.items()
        if share >= 0.005
    ]
    return f"{', '.join(parts_in_words)}; {PARTS[next(iter(parts))]} bounds the run"
