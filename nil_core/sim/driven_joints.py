"""The actuated joints of a robot in its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import mujoco
import numpy as np
import numpy.typing as npt

from nil_core.types import Doubles, RobotSpec


@dataclass(frozen=True)
class DrivenJoints:
    """The J actuated joints, in the order of actions.

    Attributes:
        ids: int (J,), in the model.
        qpos, qvel: int (J,), their addresses in the state.
        lower, upper: float64 (J,), limits in rad; infinite where there are none.
    """

    ids: npt.NDArray[np.integer]
    qpos: npt.NDArray[np.integer]
    qvel: npt.NDArray[np.integer]
    lower: Doubles
    upper: Doubles

    @classmethod
    def of(cls, model: mujoco.MjModel, spec: RobotSpec) -> Self:
        """Those of a robot's model."""
        ids = np.array([model.joint(actuator.joint).id for actuator in spec.actuators])
        limited = model.jnt_limited[ids].astype(bool)
        lower, upper = model.jnt_range[ids].T
        return cls(
            ids,
            model.jnt_qposadr[ids],
            model.jnt_dofadr[ids],
            np.where(limited, lower, -np.inf),
            np.where(limited, upper, np.inf),
        )
