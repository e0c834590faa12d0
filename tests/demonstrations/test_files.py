"""Demonstrations as files: exact, and refused in one line where they cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.demonstrations.files import (
    check_demonstrations,
    is_demonstrations,
    read_demonstrations,
    write_demonstrations,
)
from nil_core.demonstrations.trajectories import Demonstrations, joined
from nil_core.errors import DataError
from nil_core.sim.scene import RobotScene
from nil_core.storage.atomic import read_arrays, write_arrays


def full(trotting: Demonstrations) -> Demonstrations:
    """With actions and observations."""
    random = np.random.default_rng(0)
    return replace(
        trotting,
        actions=random.uniform(-1, 1, (trotting.rows, 12)).astype(np.float32),
        observations=random.normal(size=(trotting.rows, 5)).astype(np.float32),
        layout={"joints": slice(0, 3), "phase": slice(3, 5)},
    )


def test_a_file_gives_back_what_was_written(trotting: Demonstrations, tmp_path: Path) -> None:
    for number, saved in enumerate((trotting, full(trotting))):
        path = tmp_path / f"{number}.npz"
        write_demonstrations(path, saved)
        read = read_demonstrations(path)
        for name in ("robot", "joints", "hz", "layout", "provenance"):
            assert getattr(read, name) == getattr(saved, name)
        for name in ("lengths", "qpos", "qvel", "actions", "observations"):
            assert np.array_equal(getattr(read, name), getattr(saved, name)) or getattr(saved, name) is None
        assert (read.actions is None) == (saved.actions is None)
        assert is_demonstrations(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.npz", "1.npz"]


def test_trajectories_and_the_pairs_in_them(trotting: Demonstrations) -> None:
    assert (len(trotting), trotting.rows, trotting.seconds) == (2, 150, 1.48)
    assert trotting.speed == pytest.approx(0.5)
    assert trotting.stride(25) == 4
    pairs = trotting.pairs(4)
    assert pairs.tolist() == [*range(97), *range(101, 146)]
    second = trotting.trajectory(1)
    assert second.rows == 49 and np.array_equal(second.qpos, trotting.qpos[101:])
    both = joined([second, trotting])
    assert both.lengths.tolist() == [49, 101, 49] and both.provenance["parts"][0] == {"kind": "test"}
    again = joined([both, second])
    assert again.provenance == {"parts": 3 * [{"kind": "test"}]}
    with pytest.raises(DataError, match="no multiple of 30") as caught:
        trotting.stride(30)
    assert "--hz 90" in caught.value.hint
    with pytest.raises(DataError, match="longer than 2 s"):
        trotting.pairs(200)


def test_what_actions_mean_is_kept_and_must_be_the_same(trotting: Demonstrations) -> None:
    one = replace(full(trotting), provenance={"kind": "policy", "control": "pd"})
    about = replace(one, provenance={**one.provenance, "actions_about": "motion"})
    assert joined([about, about]).provenance == {
        "actions_about": "motion",
        "control": "pd",
        "parts": 2 * [about.provenance],
    }
    with pytest.raises(DataError, match="actions mean something else"):
        joined([one, about])
    without = joined([replace(one, actions=None), about])
    assert without.actions is None and "control" not in without.provenance


def damaged(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        arrays = read_arrays(path)
        change(arrays)
        write_arrays(path, arrays)

    return spoil


def one_frame(arrays: dict[str, Any]) -> None:
    arrays["lengths"] = np.array([149, 1])


def not_a_number(arrays: dict[str, Any]) -> None:
    arrays["qvel"][7, 3] = np.nan


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (Path.unlink, "there is no file of demonstrations"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
    "text": (lambda path: path.write_text("q\n1\n"), "holds no demonstrations, or is damaged"),
    "empty": (lambda path: path.write_bytes(b""), "holds no demonstrations, or is damaged"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "holds no demonstrations, or is damaged"),
    "another npz": (lambda path: np.savez(path, x=np.zeros(3)), "lacks the array"),
    "an unknown array": (damaged(lambda a: a.update(x=np.zeros(3))), "does not belong there"),
    "another format": (damaged(lambda a: a.update(header=np.array('{"format": 9}'))), "format 9"),
    "no header": (damaged(lambda a: a.update(header=np.array("[]"))), "damaged"),
    "NaN": (damaged(not_a_number), "qvel is not finite in row 7"),
    "a huge number": (
        damaged(lambda a: a["qpos"].__setitem__((3, 9), 1e20)),
        r"qpos has numbers beyond 1e\+06 in row 3",
    ),
    "a robot that is no name": (
        damaged(lambda a: a.update(header=np.array(str(a["header"]).replace('"toy"', "7")))),
        "names no robot",
    ),
    "one frame": (damaged(one_frame), "trajectory 1 has 1 frame, and a transition needs two"),
    "no trajectory": (damaged(lambda a: a.update(lengths=np.zeros(0, np.int64))), "no trajectory"),
    "rows missing": (damaged(lambda a: a.update(qpos=a["qpos"][1:])), "expected float64 with 150 rows"),
    "actions": (damaged(lambda a: a.update(actions=2 * a["actions"])), r"outside of \[-1, 1\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_serve_is_refused_in_one_line(name: str, trotting: Demonstrations, tmp_path: Path) -> None:
    spoil, message = BAD[name]
    path = tmp_path / "walk.npz"
    write_demonstrations(path, full(trotting))
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        read_demonstrations(path)
    assert str(path) in caught.value.message or path.name in caught.value.message
    assert "\n" not in caught.value.message and "nil demos make" in caught.value.hint


def test_demonstrations_of_another_robot_are_refused(trotting: Demonstrations, scene: RobotScene) -> None:
    check_demonstrations(trotting, scene.spec, scene.model, "walk.npz")
    other = replace(trotting, robot="h1", joints=("hip", *trotting.joints[1:]))
    with pytest.raises(DataError, match=r"walk.npz is of the robot h1, not of toy \(joints differ: FR_hip, hip\)"):
        check_demonstrations(other, scene.spec, scene.model, "walk.npz")
    mixed = replace(trotting, joints=trotting.joints[::-1])
    with pytest.raises(DataError, match="another order"):
        check_demonstrations(mixed, scene.spec, scene.model, "walk.npz")
    turnless = trotting.qpos.copy()
    turnless[4, 3:7] = 0
    with pytest.raises(DataError, match="the quaternion of row 4 has length 0, not 1"):
        check_demonstrations(replace(trotting, qpos=turnless), scene.spec, scene.model, "walk.npz")
    wide = replace(trotting, qpos=np.zeros((trotting.rows, 20)))
    with pytest.raises(DataError, match=r"20 \+ 18 numbers, and toy has 19 \+ 18"):
        check_demonstrations(wide, scene.spec, scene.model, "walk.npz")
