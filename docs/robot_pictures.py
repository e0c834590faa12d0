"""Make docs/pictures/robots-*.jpg: each robot walking, by the generator gait and, if there is a recording, by mocap.

python docs/robot_pictures.py                       # the robots of this repository
python docs/robot_pictures.py mjcf:FILE.xml         # any other robot
python docs/robot_pictures.py --mocap FOLDER ...    # folder with LocoMuJoCo recordings (version 0.4), original names
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from nil_core import registry
from nil_core.api import Frames, GenerationRequest, no_progress
from nil_core.sim.scene import RobotScene, compose

PICTURES = Path(__file__).parent / "pictures"
RECORDINGS = {
    "h1": {"path": "02-constspeed_UnitreeH1.npz"},
    "g1": {"path": "02-constspeed_UnitreeG1.npz"},
    "talos": {"path": "02-constspeed_TALOS.npz"},
    "a1": {"path": "walk_straight.npz", "piece": 2, "start": 0.4},
}
FRAME_SIDE = 160  # pixels
NUM_FRAMES = 8  # shown, from the last second
FPS, SECONDS = 24.0, 2.5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("robots", nargs="*", default=list(RECORDINGS), metavar="ROBOT")
    arguments.add_argument("--mocap", type=Path, help="folder with recordings")
    given = arguments.parse_args()
    for robot in given.robots:
        name, _, path = robot.partition(":")
        scene = compose(registry.build("robot", name, {"path": path} if path else {}), "pd", 0.004, FRAME_SIDE)
        rows = [draw(scene, "gait", {})]
        recording = RECORDINGS.get(name)
        if given.mocap and recording and (given.mocap / str(recording["path"])).exists():
            rows.append(draw(scene, "mocap", recording | {"path": given.mocap / str(recording["path"])}))
        picture = PICTURES / f"robots-{scene.spec.name.replace('_', '-')}.jpg"
        Image.fromarray(np.concatenate(rows)).save(picture, quality=85)
        print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB, {len(rows)} rows")


def draw(scene: RobotScene, generator: str, options: dict[str, object]) -> Frames:
    """A row of frames, (FRAME_SIDE, NUM_FRAMES * FRAME_SIDE, 3), from the last second of a walk."""
    frames, masks = scene.render(scene.standing_qpos[None])
    request = GenerationRequest("", "walking", frames[0], masks[0], FPS, SECONDS, seed=0, scene=scene)
    video = registry.build("generator", generator, options).generate(request, no_progress)
    print(scene.spec.name, generator, f"{video.facts['speed']:.2f} m/s")
    shown = np.linspace(len(video.frames) - FPS, len(video.frames) - 1, NUM_FRAMES).round().astype(int)
    row: Frames = np.concatenate(video.frames[shown], axis=1)
    return row


if __name__ == "__main__":
    main()
