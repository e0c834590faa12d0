"""Act with an exported policy, without torch: ``python examples/onnx_policy.py RUN``, after ``nil export RUN``.

Writes the joint positions of one episode to ``RUN/joints.csv``: a row per control step, a column per joint, in rad.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import onnxruntime

from nil_core.experiment.export import environment_of


def main(run: Path) -> None:
    """Play the policy of a run for one episode.

    Args:
        run: folder of the run, with ``policy.onnx`` in it.
    """
    policy = onnxruntime.InferenceSession(run / "policy.onnx")
    facts = json.loads(policy.get_modelmeta().custom_metadata_map["nil"])
    joints = [joint["name"] for joint in facts["joints"]]
    environment = environment_of(run)
    step = environment.reset()
    with (run / "joints.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", *joints])
        while not step.last():
            observation = environment.observe(step)[None]  # float32 (1, obs)
            (actions,) = policy.run(["action"], {"observation": observation})  # float32 (1, act)
            step = environment.step(actions[0])
            data = environment.data
            rows.writerow([data.time, *(float(data.joint(name).qpos[0]) for name in joints)])
    meters, seconds = environment.data.qpos[0], environment.data.time
    print(f"{facts['robot']}: {meters:+.3f} m in {seconds:.1f} s, {len(joints)} joints in {run / 'joints.csv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
