"""Whether each adversarial reward teaches a known walk: the A1 learns from the planned walk of the generator gait.

The walk is 10 s of poses without physics or actions, at 100 Hz. Nothing of the video is used: actions are about the
standing pose, and four of five training episodes start in the demonstrations (reference state initialization).
Printed are forward speed, episode length and falls of the trained policy and of standing still, and the speed of the
demonstrations. Evaluations start at rest. A file of ``nil record`` shows a learned expert instead of the planned walk.

    python benchmarks/adversarial.py --steps 20000 --rewards amp gaifo drail --agent sac --out runs/adversarial
    python benchmarks/adversarial.py --demonstrations expert.npz
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from nil_core import make_demonstrations, run
from nil_core.api import load_preset, read_demonstrations
from nil_core.reporting import Silent

HZ, SECONDS = 100.0, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rewards", nargs="+", default=["amp", "gaifo", "drail"])
    parser.add_argument("--agent", default="sac")
    parser.add_argument("--demonstrations", type=Path, help="default: the planned walk")
    parser.add_argument("--robot", default="a1")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further config values, as strings")
    arguments = parser.parse_args()
    file = arguments.demonstrations or arguments.out / "walk.npz"
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.demonstrations is None:
        config = load_preset("quickstart", {"robot": arguments.robot})
        make_demonstrations([], file, config, SECONDS, HZ, Silent())
    print(f"demonstrations: {read_demonstrations(file).speed:.2f} m/s", flush=True)
    for reward in arguments.rewards:
        changes = {
            "robot": arguments.robot,
            "agent": arguments.agent,
            "reward.name": reward,
            "reward.demonstrations": str(file),
            "motion.source": "demonstrations",
            "evaluation.video_metrics": False,
            "steps": arguments.steps,
            "seed": arguments.seed,
            **dict(each.split("=", 1) for each in arguments.set),
        }
        began = time.perf_counter()
        result = run(load_preset("quickstart", changes), arguments.out / reward, reporter=Silent())
        for policy in ("standing", "trained"):
            row = result.summary["policies"][policy]
            print(
                f"{reward} {policy}: {row['speed']:.2f} m/s, length {row['length']:.2f}, falls {row['falls']}"
                f" of {row['episodes']}"
            )
        print(f"{reward}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
