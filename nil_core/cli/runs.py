"""``nil runs``: what was run here, and how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nil_core.cli import tables
from nil_core.readable import say

app = typer.Typer(help="What was run here, and how it went.", no_args_is_help=True)
Root = Annotated[Path, typer.Option(help="Where runs lie.")]


@app.command("list")
def list_(root: Root = Path("runs")) -> None:
    """List the runs under a folder."""
    from nil_core.storage.run_folder import list_runs

    rows = []
    for folder in list_runs(root):
        status, summary = folder.read(folder.status), folder.read(folder.summary)
        trained = summary.get("policies", {}).get("trained", {})
        gain = summary.get("return_over_zero")
        rows.append(
            (
                str(folder.path),
                status.get("state", "?"),
                str(status.get("step", "?")),
                f"{trained['return']:.3f}" if trained else "",
                f"{gain:+.0%}" if gain is not None else "",
                f"{trained['speed']:.2f}" if trained else "",
            )
        )
    if not rows:
        say(f"no runs under {root}; `nil run` makes one")
        return
    tables.show_table(
        tables.new_console(), ("run", "state", "step", "return", "over zero", "speed m/s"), rows, boxed=True
    )


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """Show how a run was made, how far it is, and how it went."""
    from nil_core import time_shares
    from nil_core.storage import log
    from nil_core.storage.run_folder import open_run

    opened, config = open_run(folder)
    manifest, status, summary = (opened.read(f) for f in (opened.manifest, opened.status, opened.summary))
    console = tables.new_console()
    facts = {
        "state": f"{status.get('state')} at step {status.get('step')} of {config.total_steps}, {status.get('at')}",
        "made": f"{manifest.get('created')} by {' '.join(manifest.get('command', []))}",
        "prompt": opened.reference.joinpath("prompt.txt").read_text(encoding="utf-8").strip(),
        "versions": ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items()),
        "hardware": ", ".join(f"{k} {v}" for k, v in manifest.get("hardware", {}).items()),
    }
    if parts := time_shares.shares(log.read(opened.timing)):
        facts["time"] = time_shares.in_words(parts)
    for name, value in facts.items():
        tables.show(console, f"{name:10} {value}")
    evaluations = [row for row in log.read(opened.metrics) if row["kind"] == "eval"]
    if evaluations:
        columns = [name for name in evaluations[-1] if name not in ("kind", "episodes")]
        tables.show_table(
            console, columns, [[f"{row[name]:.4g}" for name in columns] for row in evaluations], "Learning", boxed=True
        )
    if summary:
        policies = summary["policies"]
        columns = [name for name, value in next(iter(policies.values())).items() if isinstance(value, int | float)]
        rows = [[policy, *(f"{row[name]:.3f}" for name in columns)] for policy, row in policies.items()]
        tables.show_table(console, ["policy", *columns], rows, "At the end", boxed=True)
