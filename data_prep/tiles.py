"""A grid map: each authority one square of the same size, near where it lies.

On a map in longitude and latitude the thirty-three authorities of London cover no more room than
one county. Here the map is first stretched until every authority has the same area, and then each
is given a square of a grid, so that the distances moved, squared, add up to least: an assignment
problem, the same for the same map.

References
----------
Dougenik, Chrisman and Niemeyer (1985), An algorithm to construct continuous area cartograms, The
Professional Geographer 37.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

_STEPS = 20
# Points moved at a time.
_POINTS = 256
# Rows and columns of empty squares around the map.
_ROOM = 2
# A degree of longitude over one of latitude in the middle of England.
_NARROW = float(np.cos(np.radians(52.8)))


def lay_tiles(
    geometries: Mapping[str, Mapping[str, Any]],
    beside: Mapping[str, Collection[str]] | None = None,
) -> dict[str, tuple[int, int]]:
    """A square (column, row) for each authority, columns from the west and rows from the north.

    Parameters
    ----------
    geometries
        GeoJSON polygons, single or several, in longitude and latitude, by code; holes are land.
    beside
        For authorities that no map shows: those that they border on, by code. They are laid where
        these are, on the average; without any that is laid they are left out.

    Returns
    -------
    Squares from (0, 0) on, no two alike.
    """
    if not geometries:
        return {}
    # Sorted, so that sums are the same to the last digit.
    codes = sorted(geometries)
    centres = dict(zip(codes, _equal_centres([geometries[c] for c in codes]), strict=True))
    waiting = {code: near for code, near in sorted((beside or {}).items()) if code not in centres}
    while ready := [code for code, near in waiting.items() if centres.keys() & near]:
        found = {
            code: np.mean([centres[one] for one in sorted(centres.keys() & waiting[code])], axis=0)
            for code in ready
        }
        centres |= found
        waiting = {code: near for code, near in waiting.items() if code not in found}
    at = np.array(list(centres.values()))
    squares = _assign(at)
    return {
        code: (int(column), int(row))
        for code, (column, row) in zip(centres, squares.tolist(), strict=True)
    }


def _assign(at: np.ndarray) -> np.ndarray:
    """The squares, each of side 1, that lie nearest to places all in all; (place, 2)."""
    # A third of a second to import, which every command would pay.
    from scipy.optimize import linear_sum_assignment

    at = at - at.min(axis=0)
    low = np.zeros(2) - _ROOM
    high = np.ceil(at.max(axis=0)) + _ROOM
    while (high - low + 1).prod() < len(at):
        high = high + 1
    columns, rows = (np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
    cells = np.array([(x, y) for x in columns for y in rows])
    distance = ((at[:, None, :] - cells[None]) ** 2).sum(axis=2)
    chosen = cells[linear_sum_assignment(distance)[1]].astype(int)
    # An island far out need not leave a sea of empty rows.
    columns, rows = (np.unique(chosen[:, axis], return_inverse=True)[1] for axis in (0, 1))
    return np.stack([columns, rows], axis=1)


def _equal_centres(geometries: list[Mapping[str, Any]]) -> np.ndarray:
    """Centres of areas once all have the area 1, southwards positive; (area, 2)."""
    rings, owners = [], []
    for owner, geometry in enumerate(geometries):
        drawn = geometry["coordinates"]
        for polygon in [drawn] if geometry["type"] == "Polygon" else drawn:
            ring = np.array([(x * _NARROW, -y) for x, y, *_ in polygon[0]])
            rings.append(ring)
            owners.append(owner)
    points = np.concatenate(rings)
    points -= points.mean(axis=0)
    starts = np.cumsum([0, *map(len, rings)])[:-1]
    owner_of = np.array(owners)
    for _ in range(_STEPS):
        area, centre = _areas(points, starts, owner_of, len(geometries))
        # The whole keeps its area, so that one square is one authority.
        scale = np.sqrt(len(geometries) / area.sum())
        points, centre, area = points * scale, centre * scale, area * scale**2
        points = points + _push(points, centre, area)
    area, centre = _areas(points, starts, owner_of, len(geometries))
    return np.asarray(centre * np.sqrt(len(geometries) / area.sum()))


def _areas(
    points: np.ndarray, starts: np.ndarray, owners: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Area and centre of every authority, its rings together."""
    following = np.roll(points, -1, axis=0)
    cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
    # The step from the last point of a ring to the first of the next is no edge.
    last = np.append(starts[1:], len(points)) - 1
    cross[last] = 0
    area = np.add.reduceat(cross, starts) / 2
    moment = np.add.reduceat((points + following) * cross[:, None], starts, axis=0) / 6
    sign = np.sign(area)
    total = np.bincount(owners, sign * area, count)
    moments = np.stack(
        [np.bincount(owners, sign * moment[:, axis], count) for axis in (0, 1)], axis=1
    )
    return total, moments / total[:, None]


def _push(points: np.ndarray, centre: np.ndarray, area: np.ndarray) -> np.ndarray:
    """How far each point is moved: away from areas that are too small, towards those too large."""
    radius = np.sqrt(area / np.pi)
    mass = np.sqrt(1 / np.pi) - radius
    reduction = 1 / (1 + np.mean(np.maximum(area, 1) / np.minimum(area, 1)))
    moved = np.empty_like(points)
    # A few points at a time, and each direction by itself: their distances from all centres then
    # stay in the processor's cache, which takes a fifth of the time.
    for start in range(0, len(points), _POINTS):
        some = points[start : start + _POINTS]
        across, down = (some[:, axis, None] - centre[:, axis] for axis in (0, 1))
        distance = np.maximum(np.sqrt(across**2 + down**2), 1e-9)
        part = distance / radius
        force = mass * np.where(part > 1, 1 / part, part**2 * (4 - 3 * part)) / distance
        for axis, apart in enumerate((across, down)):
            moved[start : start + _POINTS, axis] = reduction * (force * apart).sum(axis=1)
    return moved
