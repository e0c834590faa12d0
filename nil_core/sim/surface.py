"""What is seen of a mesh from outside, with few triangles.

Robots' meshes are drawings for manufacture: screws, motors inside closed covers, loose parts, hundreds of thousands of
triangles. :func:`simplify` draws a mesh anew on a grid of cubes, keeps the outer side alone, merges flat areas, and
drops what cannot be seen: the inside of open covers.
"""

from __future__ import annotations

import fast_simplification
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from nil_core.types import Doubles, Floats

Triangles = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]

AGGRESSIVENESS = 3.0  # of fast_simplification: lower is slower, and truer; at its default of 7 thin parts vanish
COARSER = (0.0, 0.3, 0.6, 1.2, 1.8)  # in cubes: vertices this near are merged where edges alone do not collapse enough
MOST_CUBES = 200  # along a mesh, and ...
MOST_SQUARES = 500_000  # ... on its surface: cubes of larger meshes are larger, so that memory and time have a limit
DIRECTIONS = 60  # that a mesh is seen from
SPACING = 0.7  # of points on triangles, in cubes
CLOSE_ENOUGH = 1.05  # triangles, as a share of those wanted


def simplify(vertices: Floats, triangles: Triangles, cube: float, area: float, fewest: int) -> tuple[Floats, Triangles]:
    """What is seen of the outer surface, in triangles of a given mean area.

    Args:
        vertices: float32 (V, 3), m.
        triangles: int32 (F, 3), indices of vertices.
        cube: m, side of the cubes; details smaller than this are lost. Larger for meshes of more than 200 cubes.
        area: square meters to a triangle, on average; where the surface has more than its convex hull, because it
            has an inside too, the hull's area counts.
        fewest: triangles to keep at least.

    Returns:
        vertices and triangles, of the same types.
    """
    extent = float(np.ptp(vertices, axis=0).max())
    cube = max(cube, extent / MOST_CUBES, (total_area(vertices, triangles) / MOST_SQUARES) ** 0.5)
    outer, corners = outer_surface(vertices, triangles, cube)
    surface = min(total_area(outer, corners), _hull_area(outer))
    wanted = max(int(surface / area), fewest)
    for merged in COARSER:
        if merged:
            outer, corners = merge(outer, corners, merged * cube)
        if len(corners) > wanted:
            outer, corners = fast_simplification.simplify(outer, corners, target_count=wanted, agg=AGGRESSIVENESS)
        if len(corners) <= CLOSE_ENOUGH * wanted:
            break
    used, shown = np.unique(corners[seen(outer, corners, SPACING * cube)], return_inverse=True)
    return outer[used].astype(np.float32), shown.reshape(-1, 3).astype(np.int32)


def seen(vertices: Floats, triangles: Triangles, step: float) -> npt.NDArray[np.bool_]:
    """Which triangles show their front in a picture of the mesh alone from any of 60 directions, from far away.

    Args:
        vertices: float32 (V, 3), m.
        triangles: int32 (F, 3), indices of vertices, counter-clockwise from the front.
        step: m, side of the pictures' pixels; what is smaller may be missed.

    Returns:
        bool (F,).
    """
    result = np.zeros(len(triangles), np.bool_)
    if not len(triangles):
        return result
    points, owner = _points(vertices, triangles, step, margin=1 / 3)  # at an edge, the neighbor is seen, too
    a, b, c = vertices[triangles].astype(np.float64).transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    for axes in _views(DIRECTIONS):
        front = (normals @ axes[2] >= 0)[owner]  # triangles without an area have no back
        x, y, depth = axes @ points[front].T
        columns, rows = (np.floor((each - each.min(initial=np.inf)) / step).astype(np.int64) for each in (x, y))
        pixel = columns * (rows.max(initial=0) + 1) + rows
        nearest = np.full(pixel.max(initial=0) + 1, -np.inf)
        np.maximum.at(nearest, pixel, depth)
        result[owner[front][depth >= nearest[pixel]]] = True
    return result


def _views(count: int) -> Doubles:
    """Right, up and towards the eye, (count, 3, 3), of directions all around (a Fibonacci lattice)."""
    number = np.arange(count) + 0.5
    z, turn = 1 - 2 * number / count, np.pi * (1 + 5**0.5) * number
    flat = np.sqrt(1 - z**2)
    eye = np.stack([np.cos(turn) * flat, np.sin(turn) * flat, z], axis=1)
    right = np.stack([-np.sin(turn), np.cos(turn), np.zeros(count)], axis=1)
    return np.stack([right, np.cross(eye, right), eye], axis=1)


def outer_surface(vertices: Floats, triangles: Triangles, cube: float) -> tuple[Floats, Triangles]:
    """The boundary between the cubes that a mesh touches or encloses and those that are reached from outside.

    The boundary's vertices are moved to the surface of the mesh: to the mean of its points in the cubes around them.
    """
    points, _ = _points(vertices, triangles, SPACING * cube)
    cells = np.floor((points - points.min(0)) / cube).astype(np.int64) + 1  # with a free cube all around
    shape = cells.max(0) + 2
    touched, owner, count = np.unique(
        np.ravel_multi_index(tuple(cells.T), shape), return_inverse=True, return_counts=True
    )
    means = np.stack([np.bincount(owner, axis) for axis in points.T], axis=1) / count[:, None]
    entry = np.full(shape, -1, np.int64)  # of each cube in means
    entry.ravel()[touched] = np.arange(len(touched))
    regions, _ = ndimage.label(entry < 0)
    squares = _squares(regions != regions[0, 0, 0])
    used, corners = np.unique(np.ravel_multi_index(tuple(squares.reshape(-1, 3).T), shape + 1), return_inverse=True)
    a, b, c, d = corners.reshape(-1, 4).T
    lattice = np.stack(np.unravel_index(used, shape + 1), axis=1)
    moved = _means_around(lattice, entry, means)
    return moved.astype(np.float32), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def merge(vertices: Floats, triangles: Triangles, grid: float) -> tuple[Floats, Triangles]:
    """One vertex, the mean, for each occupied cell of a grid (m); triangles within a cell or doubled vanish.

    Two triangles with the same corners stay if they face opposite ways: they are the sides of a thin plate.
    """
    cells = np.round(vertices / grid).astype(np.int64)
    _, cell, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(cell, axis) for axis in vertices.T], axis=1) / count[:, None]
    corners = cell[triangles]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    turns = (np.argmin(corners, axis=1)[:, None] + np.arange(3)) % 3  # begin with the least, and keep the order
    _, first = np.unique(np.take_along_axis(corners, turns, axis=1), axis=0, return_index=True)
    used, corners = np.unique(corners[np.sort(first)], return_inverse=True)
    return means[used].astype(np.float32), corners.reshape(-1, 3).astype(np.int32)


def total_area(vertices: Floats, triangles: Triangles) -> float:
    """Square meters of all triangles."""
    a, b, c = vertices[triangles].astype(np.float64).transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _hull_area(vertices: Floats) -> float:
    try:
        return float(ConvexHull(vertices).area)
    except QhullError:  # they lie in one plane
        return np.inf


def _points(
    vertices: Floats, triangles: Triangles, step: float, margin: float = 0.0
) -> tuple[Doubles, npt.NDArray[np.int64]]:
    """Points (P, 3) all over the triangles, ``step`` (m) apart at most, and the triangle (P,) of each.

    Args:
        vertices: of the mesh.
        triangles: of the mesh.
        step: m.
        margin: to a triangle's edges, in distances of its points.
    """
    corners = vertices[triangles].astype(np.float64)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    parts = np.maximum(np.ceil(longest / step), 1).astype(np.int64)
    points, owner = [], []
    for n in np.unique(parts):
        i, j = np.indices((n + 1, n + 1)).reshape(2, -1)
        i, j = i[i + j <= n], j[i + j <= n]
        weights = (np.stack([i, j, n - i - j], axis=1) + margin) / (n + 3 * margin)
        points.append((weights @ corners[parts == n]).reshape(-1, 3))
        owner.append(np.repeat(np.flatnonzero(parts == n), len(weights)))
    return np.concatenate(points), np.concatenate(owner)


def _squares(solid: npt.NDArray[np.bool_]) -> Integers:
    """The sides of cubes between solid and free, (Q, 4, 3): lattice points, counter-clockwise from the free side."""
    squares = []
    for axis in range(3):
        step = np.diff(solid.astype(np.int8), axis=axis)
        for kind in (1, -1):  # from free to solid along the axis; from solid to free
            corner = np.argwhere(step == kind)
            corner[:, axis] += 1
            around = np.repeat(corner[:, None], 4, axis=1)
            around[:, :, (axis + 1) % 3] += [0, 1, 1, 0]
            around[:, :, (axis + 2) % 3] += [0, 0, 1, 1]
            squares.append(around[:, ::-1] if kind == 1 else around)
    return np.concatenate(squares)


def _means_around(lattice: Integers, entry: Integers, means: Doubles) -> Doubles:
    """For lattice points (P, 3) the average of the means of the up to eight cubes around that the mesh touches."""
    total, count = np.zeros((len(lattice), 3)), np.zeros(len(lattice))
    for offset in np.indices((2, 2, 2)).reshape(3, -1).T:
        found = entry[tuple((lattice - offset).T)]
        touched = found >= 0
        total[touched] += means[found[touched]]
        count += touched
    return total / count[:, None]
