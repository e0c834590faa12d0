"""Visual geoms go to group 2, colliders to group 3; a geom that is both is duplicated."""

from __future__ import annotations

import mujoco

from nil_core.api import DataError, plain_default, touch_floor_only

VISUAL, COLLIDER = 2, 3
COPIED = ("type", "size", "pos", "quat", "fromto", "meshname", "fitscale", "material", "rgba")
COPIED_ORIENTATION = ("type", "axisangle", "xyaxes", "zaxis", "euler")


def sort_geoms(spec: mujoco.MjSpec, self_collision: bool) -> None:
    """Sort the geoms of a robot alone, in place.

    MuJoCo shows the groups 0 to 2. A geom touches if its contact bits say so; a model that leaves contacts to explicit
    pairs has no such bits, and there all hidden geoms touch, or all if none is hidden. Where nothing is seen, the
    colliders are shown. Bodies keep their inertia, also where the file leaves it to geoms, which have no mass any more.
    """
    _fix_inertia(spec)
    geoms = list(spec.geoms)
    touching = [geom for geom in geoms if geom.contype or geom.conaffinity]
    touching = touching or [geom for geom in geoms if geom.group > VISUAL] or geoms
    names = {geom.name for geom in touching}
    seen = [geom for geom in geoms if geom.group <= VISUAL and geom.rgba[3] > 0] or touching
    shown = {geom.name for geom in seen}
    for geom in geoms:
        if geom.name in names:
            if geom.name in shown:
                _show(geom)
            geom.group = COLLIDER
            geom.conaffinity = int(geom.conaffinity) | 1  # the floor's bit
        else:
            geom.contype = geom.conaffinity = 0
            geom.group = VISUAL
            if geom.name not in shown:
                spec.delete(geom)
    if not self_collision:
        touch_floor_only(spec)


def _fix_inertia(spec: mujoco.MjSpec) -> None:
    try:
        model = spec.compile()
    except ValueError as error:
        message = f"the robot alone does not compile: {' '.join(str(error).split())}"
        raise DataError(message, "MuJoCo reads the whole file: this is a mistake of nil's, please report it") from error
    for body in spec.bodies[1:]:
        compiled = model.body(body.name)
        body.explicitinertial = True
        body.mass, body.inertia = compiled.mass[0], compiled.inertia
        body.ipos, body.iquat = compiled.ipos, compiled.iquat
        body.ialt.type, body.fullinertia = mujoco.mjtOrientation.mjORIENTATION_QUAT, [float("nan")] * 6
    for geom in spec.geoms:
        geom.mass = 0.0


def _show(collider: mujoco.MjsGeom) -> None:
    copy = collider.parent.add_geom(
        plain_default(), name=f"{collider.name}_visual", group=VISUAL, contype=0, conaffinity=0, mass=0
    )
    for attribute in COPIED:
        setattr(copy, attribute, getattr(collider, attribute))
    for attribute in COPIED_ORIENTATION:
        setattr(copy.alt, attribute, getattr(collider.alt, attribute))
    if collider.frame is not None:
        copy.frame = collider.frame
