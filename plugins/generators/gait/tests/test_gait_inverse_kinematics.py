import mujoco
import numpy as np
import pytest

from nil_generator_gait.inverse_kinematics import MISS_TOLERANCE, LimbSolver
from nil_generator_gait.legs import Limb

LEG = """<mujoco><compiler angle="radian" autolimits="true"/><worldbody>
<body name="thigh" pos="0 0 .85"><joint name="hip" axis="0 1 0" range="-1.57 1.57"/><geom size=".03"/>
<body pos="0 0 -.4"><joint name="knee" axis="0 1 0" range=".1 2.05"/><geom size=".03"/>
<body name="foot" pos="0 0 -.4"><joint name="ankle" axis="0 1 0" range="-.87 .52"/><geom size=".03"/>
</body></body></body></worldbody></mujoco>"""
TOE = np.array([0.13, 0, -0.05])  # m, in the foot's frame


def leg_solver(limits: dict[int, tuple[float, float]] | None = None) -> LimbSolver:
    model = mujoco.MjModel.from_xml_string(LEG)
    data = mujoco.MjData(model)
    data.qpos[:] = -0.15, 0.3, -0.15
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    return LimbSolver(model, data, [Limb(model.body("foot").id, (0, 1, 2), TOE, TOE)], flat=True, limits=limits or {})


@pytest.mark.parametrize("goal", [(-0.171, 0.965, -0.793), (-0.4, 1.2, -0.6), (0.3, 0.2, -0.4)])
@pytest.mark.parametrize("start", [(-0.15, 0.3, -0.15), (0.434, 0.1, -0.509), (0.5, 2.05, 0.52)])
def test_the_toe_reaches_its_target_from_any_start(start: tuple[float, ...], goal: tuple[float, ...]) -> None:
    # From (0.434, 0.1, -0.509) descent alone ends 2 cm off, with the knee and the ankle at their limits.
    solver = leg_solver()
    target = solver.position(np.array(goal), 0)
    qpos, distance = solver.solve(np.array(start), target[None])
    assert distance < MISS_TOLERANCE
    assert np.linalg.norm(solver.position(qpos, 0) - target) == pytest.approx(distance)
    assert (qpos >= solver.low).all() and (qpos <= solver.high).all()


def test_a_joint_whose_limits_are_equal_does_not_move() -> None:
    solver = leg_solver({1: (0.3, 0.3)})
    target = solver.position(np.array([-0.3, 0.3, 0.0]), 0)
    qpos, distance = solver.solve(np.array([-0.15, 0.3, -0.15]), target[None])
    assert qpos[1] == pytest.approx(0.3, abs=1e-5) and distance < MISS_TOLERANCE


def test_a_target_out_of_reach_is_approached() -> None:
    solver = leg_solver()
    _, distance = solver.solve(np.array([-0.15, 0.3, -0.15]), np.array([[2.0, 0, 0]]))
    assert 0.5 < distance < 1.5
