"""Inertias that no body can have, mended."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.types import Doubles

_LEAST_MASS = 1e-3  # kg
_SMALLEST = 0.01  # m: radius of gyration of what has none
_NOTHING = 1e-12  # kg m^2
_LEAST_SHARE = 1e-6  # of the largest principal moment; thinner rods are mistakes


def balance_inertia(spec: mujoco.MjSpec) -> None:
    """Mend inertias that MuJoCo refuses, in place.

    Principal moments that are negative or next to nothing become those of a point at 1 cm; where one is larger than the
    other two together, all three become their mean (MuJoCo's ``balanceinertia``). Masses stay; but a body that moves
    without any, as where joints of several axes are put together, gets 1 g.
    """
    spec.compiler.balanceinertia = True
    for body in spec.bodies[1:]:
        if body.joints and not _has_mass(body):
            body.explicitinertial, body.mass, body.inertia = True, _LEAST_MASS, [_LEAST_MASS * _SMALLEST**2] * 3
            body.fullinertia = [float("nan")] * 6
        elif body.explicitinertial and np.isnan(body.fullinertia[0]):
            body.inertia = _positive(np.asarray(body.inertia), float(body.mass))
        elif body.explicitinertial:
            body.fullinertia = _mended(np.asarray(body.fullinertia), float(body.mass))


def _has_mass(body: mujoco.MjsBody) -> bool:
    """Whether a body, or one that is fixed to it, weighs anything."""
    if body.explicitinertial:
        own = body.mass > 0
    else:
        own = any(geom.mass > 0 or (geom.mass != 0 and geom.density > 0) for geom in body.geoms)
    return bool(own) or any(_has_mass(child) for child in body.bodies if not child.joints)


def _mended(numbers: Doubles, mass: float) -> Doubles:
    """The inertia xx, yy, zz, xy, xz, yz (6,) kg m^2 with principal moments that can be."""
    xx, yy, zz, xy, xz, yz = numbers
    moments, axes = np.linalg.eigh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    matrix = axes @ np.diag(_positive(moments, mass)) @ axes.T
    return np.array([*np.diag(matrix), matrix[0, 1], matrix[0, 2], matrix[1, 2]])


def _positive(moments: Doubles, mass: float) -> Doubles:
    """Principal moments (3,) kg m^2, none of them negative or next to nothing."""
    least = max(_LEAST_SHARE * moments.max(), _NOTHING)
    found: Doubles = np.where(moments > least, moments, mass * _SMALLEST**2)
    return found
