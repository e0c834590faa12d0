"""Motion recovery: render and compare, from the known standing frame to the whole video.

1. Frame by frame: each pose is fitted near the one before (:mod:`.tracking`), at half the resolution.
2. Legs that were lost try what legs do elsewhere in the motion (:mod:`.limb_search`).
3. All frames jointly (:mod:`.joint_fit`): pictures, smoothness, joint limits, and soles that stand still on the floor.
   2 and 3 alternate until no leg changes.
4. The same at full resolution, with shading where the video's is the simulator's.

Where what 1 or the first fit of 3 leaves unexplained looks like a camera that pans, shakes or zooms, all begins anew
with the video's camera among the unknowns.

Masks alone are enough: a video model's colors and light are not the simulator's.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from nil_core.errors import DataError
from nil_core.reference.recovery.contacts import Contacts, travel
from nil_core.reference.recovery.joint_fit import Fit, fit_jointly
from nil_core.reference.recovery.limb_search import search_limbs
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.quality import quality
from nil_core.reference.recovery.silhouette import Look, gray
from nil_core.reference.recovery.tracking import FramePriors, predicted
from nil_core.reference.recovery.workers import Comparisons
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, Progress, no_progress

_log = logging.getLogger(__name__)

HIGHEST_RATE = 30.0  # Hz; faster references are recovered at a part of their rate, and interpolated
SMALLEST = 128  # pixels; pictures are not made smaller than this: thin legs would vanish

TRACK_NOISE, TRACK_STEPS = 0.5, 5
TRACK_FREEDOM = 1.5  # times the priors' change, about a prediction
ROUNDS = 3
ROUND_STEPS, COARSE_STEPS, FINE_STEPS = 4, 4, 8
LOOSE, STRICT = Contacts(slip=0.01, sink=0.02), Contacts(slip=0.004, sink=0.006)

RESIDUALS = 40.0  # independent residuals of a frame, by which its cost tells the noise
LEAST_NOISE, MOST_NOISE = 0.15, 1.0

MOVED, ZOOMED = 0.001, 0.004  # pan (share of the side) and zoom, rms, left unexplained by which a camera moves
ROUGHLY = 2.0  # times as much, before all frames are fitted jointly

SHADING = 2.0  # weight of gray values
SAME_SHADE = 0.06  # mean difference of gray values, 0 ... 1, of a video drawn by the simulator


@dataclass(frozen=True)
class Recovered:
    """What was recovered.

    Attributes:
        qpos: float64 (T, nq), one row for each frame.
        report: JSON values, see docs/motion.md.
    """

    qpos: Doubles
    report: dict[str, Any]


def recover(
    scene: RobotScene, frames: Frames, masks: Masks, hz: float, workers: int, progress: Progress = no_progress
) -> Recovered:
    """From pictures to joints.

    Args:
        scene: the robot that the video shows, and that learns.
        frames: uint8 (T, S, S, 3), robot on black, in the scene's square.
        masks: bool (T, S, S); the first shows the robot standing.
        hz: frames a second.
        workers: processes to work in; 0 works in this one.
        progress: called often.

    Raises:
        DataError: the robot has no feet or no legs to fit.
        MachineError: a worker process was lost.
    """
    began = time.perf_counter()
    space = PoseSpace(scene)
    if not space.legs:
        raise DataError(
            f"{scene.spec.name} names no feet, and the motion cannot be recovered without",
            "name its foot geoms in RobotSpec.feet; --set motion.source=none learns without it",
        )
    every = max(1, round(hz / HIGHEST_RATE))
    kept = np.arange(0, len(masks), every)
    stand_frame, stand = (each[0] for each in scene.render(scene.standing_qpos[None]))
    shaded = _same_shading(frames[0], masks[0], stand_frame, stand)
    frames, masks_kept = frames[kept], masks[kept]

    def attempt(space: PoseSpace) -> tuple[Fit, int] | None:
        with Comparisons(scene, frames, masks_kept, workers, space.camera) as comparisons:
            recovery = _Recovery(comparisons, space, Priors.of(space, hz / every), len(kept), progress)
            return recovery.run(masks.shape[-1], SHADING if shaded else 0.0)

    found = attempt(space)
    if found is None:
        space = PoseSpace(scene, camera=True)
        found = attempt(space)
        assert found is not None
    fit, changed = found
    report = {
        **quality(fit, space, scene.spec, masks_kept, stand, hz / every),
        "camera": _in_words(fit.poses[:, space.view]) if space.camera else None,
        "legs_searched": changed,
        "shading": shaded,
        "frames_fitted": len(kept),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return Recovered(space.qpos(_at_all_frames(fit.poses, kept, len(masks))), report)


class _Recovery:
    """The stages of one recovery, and how far they are."""

    def __init__(
        self, comparisons: Comparisons, space: PoseSpace, priors: Priors, frames: int, progress: Progress
    ) -> None:
        self._comparisons, self._space, self._priors = comparisons, space, priors
        self._frames = frames
        self._progress = progress
        self._steps_told = 0

    def run(self, size: int, shading: float) -> tuple[Fit, int] | None:
        """The fit, and the frames in which a leg was searched; None where the camera is not known and moves."""
        shrink = 2 if size % 2 == 0 and size // 2 >= SMALLEST else 1
        coarse = Look((2.0, 5.0), shrink=shrink)
        poses = self._tracked(coarse)
        if self._camera_moves(poses, coarse, ROUGHLY):
            return None
        poses[:, :2] = travel(self._space.soles(poses))
        changed = 0
        for number in range(ROUNDS):
            noise = self._noise(poses, coarse)
            searched = search_limbs(self._comparisons, self._space, poses, coarse, noise, everywhere=number == 0)
            poses = self._jointly(searched.poses, coarse, LOOSE, ROUND_STEPS).poses
            changed += searched.changed
            if number == 0 and self._camera_moves(poses, coarse):
                return None
            if not searched.changed:
                break
        poses = self._jointly(poses, coarse, STRICT, COARSE_STEPS).poses
        fit = self._jointly(poses, Look((1.2, 3.0), shading), STRICT, FINE_STEPS)
        self._progress(self._steps, self._steps, "steps of the recovery of motion")
        return fit, changed

    @property
    def _steps(self) -> int:
        return ROUNDS * ROUND_STEPS + COARSE_STEPS + FINE_STEPS

    def _tracked(self, look: Look) -> Doubles:
        priors = FramePriors(TRACK_FREEDOM * self._priors.change, self._priors.stand)
        poses = [self._space.stand]
        for t in range(1, self._frames):
            guess = predicted(np.array(poses))
            poses.append(self._comparisons.track(t, guess, priors, look, TRACK_NOISE, TRACK_STEPS).pose)
            self._progress(t + 1, self._frames, "frames in which the motion was tracked")
        return np.array(poses)

    def _jointly(self, poses: Doubles, look: Look, contacts: Contacts, steps: int) -> Fit:
        noise = self._noise(poses, look)
        if self._space.camera:
            contacts = replace(contacts, flight=np.inf)

        def on_step(done: int) -> None:
            self._steps_told += 1
            self._progress(min(self._steps_told, self._steps), self._steps, "steps of the recovery of motion")

        return fit_jointly(self._comparisons, self._space, self._priors, poses, look, noise, contacts, steps, on_step)

    def _camera_moves(self, poses: Doubles, look: Look, times: float = 1.0) -> bool:
        """Whether a camera that is taken as known pans or zooms: that would explain what is left of the pictures."""
        if self._space.camera:
            return False
        right, down, zoom = np.sqrt((self._comparisons.views(poses, look) ** 2).mean(axis=0))
        _log.debug("pan %.4f, %.4f and zoom %.4f are left unexplained", right, down, zoom)
        return bool(max(right, down) > times * MOVED or zoom > times * ZOOMED)

    def _noise(self, poses: Doubles, look: Look) -> float:
        """What the fit so far leaves unexplained, as a standard deviation of residuals."""
        costs, _ = self._comparisons.compare(poses, look)
        return float(np.clip(np.sqrt(np.median(costs[1:]) / RESIDUALS), LEAST_NOISE, MOST_NOISE))


def _in_words(views: Doubles) -> dict[str, list[float]]:
    """Pan and zoom (T, 3) for the report: to the right and down as shares of the picture's side, and the factor."""
    right, down, zoom = views.T
    return {
        "right": [round(float(value), 4) for value in right],
        "down": [round(float(value), 4) for value in down],
        "zoom": [round(float(value), 4) for value in np.exp(zoom)],
    }


def _same_shading(frame: Frames, mask: Masks, stand_frame: Frames, stand: Masks) -> bool:
    """Whether colors and light of the video's first frame are the simulator's."""
    both = mask & stand
    if np.count_nonzero(both) < 0.5 * np.count_nonzero(stand):
        return False
    difference = np.abs(gray(frame, mask) - gray(stand_frame, stand))[both]
    return bool(difference.mean() < SAME_SHADE)


def _at_all_frames(poses: Doubles, kept: npt.NDArray[np.integer], frames: int) -> Doubles:
    """Poses of the frames that were kept, interpolated to all."""
    if len(kept) == frames:
        return poses
    times = np.minimum(np.arange(frames), kept[-1])
    all_poses: Doubles = CubicSpline(kept, poses, axis=0)(times)
    return all_poses
