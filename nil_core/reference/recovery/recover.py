"""Motion recovery: fit rendered poses to the video, starting from the known standing pose of the first frame.

1. Tracking at half the resolution: each pose is fitted near the previous one, and where limbs are lost also near joint
   angles of earlier frames (:mod:`.tracking`).
2. Limb search: lost legs try the leg poses of other frames (:mod:`.limb_search`).
3. Joint fit of all frames (:mod:`.joint_fit`): images, smoothness, joint limits and foot contacts. 2 and 3 alternate
   until no leg changes.
4. Joint fit at full resolution, with shading if the video has the simulator's.

If the residuals of 1 or of the first fit of 3 look like a camera that pans, shakes or zooms, the recovery starts again
with the video's camera among the unknowns.

Masks alone are sufficient: colors and light of a video model are not the simulator's.
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
from nil_core.reference.recovery.distinct_frames import distinct_frames
from nil_core.reference.recovery.joint_fit import Fit, fit_jointly
from nil_core.reference.recovery.limb_search import search_limbs
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.quality import quality
from nil_core.reference.recovery.silhouette import Look, gray
from nil_core.reference.recovery.tracking import track
from nil_core.reference.recovery.workers import Comparisons
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, Progress, no_progress

_log = logging.getLogger(__name__)

MAX_FIT_HZ = 30.0  # faster references are subsampled; the recovered motion is interpolated at frames that are left out
MIN_IMAGE_PIXELS = 128  # images are not downsampled below this side: thin legs would vanish

MAX_SEARCH_ROUNDS = 3
ROUND_STEPS, COARSE_STEPS, FINE_STEPS = 4, 4, 8
LOOSE_CONTACTS, STRICT_CONTACTS = Contacts(slip=0.01, sink=0.02), Contacts(slip=0.004, sink=0.006)

RESIDUALS_PER_FRAME = 40.0  # number of independent residuals, to estimate the noise from a frame's cost
MIN_NOISE, MAX_NOISE = 0.15, 1.0

MIN_PAN, MIN_ZOOM = 0.001, 0.004  # rms of the unexplained pan (share of the side) and zoom of a moving camera
TRACKED_FACTOR = 2.0  # times these thresholds before the joint fit

SHADING_WEIGHT = 2.0  # of gray values
MAX_SHADE_DIFFERENCE = 0.06  # mean difference of gray values, 0 ... 1, of a video rendered by the simulator


@dataclass(frozen=True)
class Recovered:
    """A recovered motion.

    Attributes:
        qpos: float64 (T, nq), one row for each frame.
        report: JSON values, see docs/motion.md.
    """

    qpos: Doubles
    report: dict[str, Any]


def recover(
    scene: RobotScene, frames: Frames, masks: Masks, hz: float, workers: int, progress: Progress = no_progress
) -> Recovered:
    """Recover the robot's motion from a video.

    Args:
        scene: the robot in the video, which is also the trained one.
        frames: uint8 (T, S, S, 3), robot on black, in the scene's view.
        masks: bool (T, S, S); the first shows the standing robot.
        hz: frames per second.
        workers: number of worker processes; 0: in this process.
        progress: called after every frame or step.

    Raises:
        DataError: the robot has no feet or no legs to fit.
        MachineError: a worker process was lost.
    """
    began = time.perf_counter()
    space = PoseSpace(scene)
    if not space.legs:
        raise DataError(
            f"{scene.spec.name} names no feet, which the recovery of a motion needs",
            "name its foot geoms in RobotSpec.feet; --set motion.source=none learns without a motion",
        )
    every = max(1, round(hz / MAX_FIT_HZ))
    kept = np.arange(0, len(masks), every)[distinct_frames(masks[::every])]
    times = kept / hz
    steps = np.diff(kept) / every
    stand_frame, stand = (each[0] for each in scene.render(scene.standing_qpos[None]))
    shaded = _same_shading(frames[0], masks[0], stand_frame, stand)
    frames, masks_kept = frames[kept], masks[kept]

    def attempt(space: PoseSpace) -> tuple[Fit, int] | None:
        with Comparisons(scene, frames, masks_kept, workers, space.camera) as comparisons:
            recovery = _Recovery(comparisons, space, Priors.of(space, hz / every, steps), progress)
            return recovery.run(masks.shape[-1], SHADING_WEIGHT if shaded else 0.0)

    found = attempt(space)
    if found is None:
        space = PoseSpace(scene, camera=True)
        found = attempt(space)
        assert found is not None
    fit, changed = found
    poses = _at_all_frames(fit.poses, kept, len(masks))
    report = {
        **quality(fit, space, scene.spec, masks_kept, stand, times),
        "camera": _view_report(poses[:, space.view]) if space.camera else None,
        "legs_searched": changed,
        "shading": shaded,
        "frames_fitted": len(kept),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return Recovered(space.qpos(poses), report)


class _Recovery:
    """Runs the stages of one recovery and reports progress."""

    def __init__(self, comparisons: Comparisons, space: PoseSpace, priors: Priors, progress: Progress) -> None:
        self._comparisons, self._space, self._priors = comparisons, space, priors
        self._progress = progress
        self._steps_done = 0

    def run(self, size: int, shading: float) -> tuple[Fit, int] | None:
        """Return the fit and the number of replaced leg poses; None if the camera is taken as known but moves."""
        shrink = 2 if size % 2 == 0 and size // 2 >= MIN_IMAGE_PIXELS else 1
        coarse = Look((2.0, 5.0), shrink=shrink)
        poses = track(self._comparisons, self._space, self._priors, coarse, self._progress)
        if self._camera_moves(poses, coarse, TRACKED_FACTOR):
            return None
        poses[:, :2] = travel(self._space.soles(poses))
        changed = 0
        for number in range(MAX_SEARCH_ROUNDS):
            noise = self._noise(poses, coarse)
            searched = search_limbs(self._comparisons, self._space, poses, coarse, noise, everywhere=number == 0)
            poses = self._jointly(searched.poses, coarse, LOOSE_CONTACTS, ROUND_STEPS).poses
            changed += searched.changed
            if number == 0 and self._camera_moves(poses, coarse):
                return None
            if not searched.changed:
                break
        poses = self._jointly(poses, coarse, STRICT_CONTACTS, COARSE_STEPS).poses
        fit = self._jointly(poses, Look((1.2, 3.0), shading), STRICT_CONTACTS, FINE_STEPS)
        self._progress(self._steps, self._steps, "motion recovery steps")
        return fit, changed

    @property
    def _steps(self) -> int:
        return MAX_SEARCH_ROUNDS * ROUND_STEPS + COARSE_STEPS + FINE_STEPS

    def _jointly(self, poses: Doubles, look: Look, contacts: Contacts, steps: int) -> Fit:
        noise = self._noise(poses, look)
        if self._space.camera:
            contacts = replace(contacts, flight=np.inf)

        def on_step(done: int) -> None:
            self._steps_done += 1
            self._progress(min(self._steps_done, self._steps), self._steps, "motion recovery steps")

        return fit_jointly(self._comparisons, self._space, self._priors, poses, look, noise, contacts, steps, on_step)

    def _camera_moves(self, poses: Doubles, look: Look, times: float = 1.0) -> bool:
        """Whether a camera that is taken as known pans or zooms, as the image residuals suggest."""
        if self._space.camera:
            return False
        right, down, zoom = np.sqrt((self._comparisons.views(poses, look) ** 2).mean(axis=0))
        _log.debug("unexplained pan %.4f, %.4f and zoom %.4f", right, down, zoom)
        return bool(max(right, down) > times * MIN_PAN or zoom > times * MIN_ZOOM)

    def _noise(self, poses: Doubles, look: Look) -> float:
        """Standard deviation of the residuals of the current poses."""
        costs, _ = self._comparisons.compare(poses, look)
        return float(np.clip(np.sqrt(np.median(costs[1:]) / RESIDUALS_PER_FRAME), MIN_NOISE, MAX_NOISE))


def _view_report(views: Doubles) -> dict[str, list[float]]:
    """Report of pan and zoom (T, 3): pan to the right and down as shares of the image side, and zoom factor."""
    right, down, zoom = views.T
    return {
        "right": [round(float(value), 4) for value in right],
        "down": [round(float(value), 4) for value in down],
        "zoom": [round(float(value), 4) for value in np.exp(zoom)],
    }


def _same_shading(frame: Frames, mask: Masks, stand_frame: Frames, stand: Masks) -> bool:
    """Whether the shading of the video's first frame is the simulator's."""
    both = mask & stand
    if np.count_nonzero(both) < 0.5 * np.count_nonzero(stand):
        return False
    difference = np.abs(gray(frame, mask) - gray(stand_frame, stand))[both]
    return bool(difference.mean() < MAX_SHADE_DIFFERENCE)


def _at_all_frames(poses: Doubles, kept: npt.NDArray[np.integer], frames: int) -> Doubles:
    """Interpolate the poses of the kept frames to all frames."""
    if len(kept) == frames:
        return poses
    times = np.minimum(np.arange(frames), kept[-1])
    all_poses: Doubles = CubicSpline(kept, poses, axis=0)(times)
    return all_poses
