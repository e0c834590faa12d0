"""Wall time of fast commands, compared with an empty Python process.

python benchmarks/startup.py [--repeats 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

NIL = [sys.executable, "-m", "nil_core.cli.main"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "nil --help": [*NIL, "--help"],
    "nil plugins list": [*NIL, "plugins", "list"],
    "nil config show": [*NIL, "config", "show"],
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):  # alternating, so that other load affects all alike
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    print("| command | min s | median s |\n| --- | --- | --- |")
    for name, times in seconds.items():
        print(f"| `{name}` | {min(times):.3f} | {statistics.median(times):.3f} |")


if __name__ == "__main__":
    main()
