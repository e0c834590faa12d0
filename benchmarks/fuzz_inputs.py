"""Whole inputs that fuzz.py damages."""

from __future__ import annotations

LEG = """<body name="{name}_thigh" pos="{x} {y} 0"><joint name="{name}_hip" axis="0 1 0" range="-60 60"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".03"/>
  <body name="{name}_shank" pos="0 0 -.2"><joint name="{name}_knee" axis="0 1 0" range="-120 0" damping=".5"/>
    <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".02"/>
    <geom name="{name}_foot" type="sphere" pos="0 0 -.2" size=".03" class="foot"/></body></body>"""
PLACES = {"fl": (0.2, 0.1), "fr": (0.2, -0.1), "rl": (-0.2, 0.1), "rr": (-0.2, -0.1)}
MOTORS = "".join(f'<motor joint="{n}_{j}" gear="2" ctrlrange="-15 15"/>' for n in PLACES for j in ("hip", "knee"))
MJCF = f"""<mujoco model="four legs"><compiler angle="degree"/><option timestep="0.002"/>
  <default><geom condim="3" rgba="1 0 0 1"/><default class="foot"><geom friction="1 .1 .1"/></default></default>
  <asset><texture name="grid" builtin="checker" type="2d" width="8" height="8"/><material name="grid" texture="grid"/>
  </asset><worldbody><light pos="0 0 2"/><geom name="floor" type="plane" size="1 1 1" material="grid"/>
  <body name="trunk" pos="0 0 .45"><freejoint name="free"/><geom name="trunk" type="box" size=".25 .1 .06"/>
  <site name="imu"/>{"".join(LEG.format(name=n, x=x, y=y) for n, (x, y) in PLACES.items())}</body></worldbody>
  <actuator>{MOTORS}</actuator><sensor><gyro site="imu"/></sensor>
  <keyframe><key name="home" qpos="0 0 .43 1 0 0 0 0.1 -0.2 0.1 -0.2 0.1 -0.2 0.1 -0.2"/></keyframe></mujoco>"""

INERTIA = '<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>'


def _link(name: str, shape: str, mass: float) -> str:
    geometry = f'<geometry>{shape}</geometry><origin xyz="0 0 -0.1" rpy="0 0 0"/>'
    inertial = f'<inertial><origin xyz="0 0 0"/><mass value="{mass}"/>{INERTIA}</inertial>'
    return f'<link name="{name}">{inertial}<visual>{geometry}</visual><collision>{geometry}</collision></link>'


def _joint(name: str, parent: str, child: str, xyz: str) -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/><origin xyz="{xyz}" rpy="0 0 0"/><axis xyz="0 1 0"/>'
    return f'<joint name="{name}" type="revolute">{ends}<limit lower="-1" upper="2" effort="7" velocity="1"/></joint>'


def urdf() -> str:
    parts = [_link("trunk", '<box size="0.5 0.2 0.1"/>', 5)]
    for name, (x, y) in PLACES.items():
        parts += [_link(f"{name}_thigh", '<cylinder radius="0.03" length="0.2"/>', 1)]
        parts += [_link(f"{name}_shank", '<cylinder radius="0.02" length="0.2"/>', 0.5)]
        parts += [_joint(f"{name}_hip", "trunk", f"{name}_thigh", f"{x} {y} 0")]
        parts += [_joint(f"{name}_knee", f"{name}_thigh", f"{name}_shank", "0 0 -0.2")]
    return f'<robot name="four">{"".join(parts)}</robot>'
