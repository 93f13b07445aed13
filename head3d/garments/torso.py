"""The body as a tailor sees it: a smooth form of neck, shoulders and chest, and the way from it to a fitted head.

Garments are cut once, on the mean head with its arms hanging, and carried to a person by the smooth displacement of
their neck and shoulders. On the form a place is an azimuth about the neck (radians, 0 in front, > 0 towards the
subject's left) and the way from the neckline down over the shoulders (metres, < 0 up the neck).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import interpolate, ndimage, spatial

from head3d.garments.sheets import grid_faces, resampled
from head3d.geometry.easing import smooth_rise
from head3d.kernels.raster import rasterize
from head3d.morphable.types import HeadModel

INSIDE_M = (0.0, -0.175, -0.03)
"""A place within the chest from which all of neck and shoulders is seen."""
TOP_M, NAPE_M, CUT_M, FLOOR_M = -0.085, -0.03, -0.243, -0.75
"""Heights: the chin's shadow, the hair's at the nape, where the mean mesh is whole, and where no picture looks."""
AZIMUTHS, STEP_M = 720, 0.002
UP_M, DOWN_M = -0.056, 0.56
"""Least and most way from the neckline."""
ARM_FROM_M, ARM_ROOM_M = 0.165, 0.062
"""Arms of the mean stand off; hanging, what is this far out comes in towards ARM_FROM_M + ARM_ROOM_M."""
NECKLINE = ((0.0, -0.150), (35.0, -0.146), (65.0, -0.133), (90.0, -0.125), (130.0, -0.119), (180.0, -0.117))
"""Azimuth (degrees) and height (m) of the natural neckline: the pit of the throat, the neck's foot, the nape."""
LOCATE_STEPS = 3
"""Newton's steps from a node of the form to a place's own foot: it is within half a node already."""
DRAPE_STEPS = (7.0, 8.0)
"""Cloth spans hollows of this many azimuths (degrees) and steps down."""
REACH_M = 0.028
"""Over which the displacement of the mean's vertices is averaged."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Torso:
    """The form of the mean head.

    Attributes:
        points: Places by azimuth (``AZIMUTHS`` rows, from -180 degrees) and way (``STEP_M`` columns), metres.
        normals: Unit, outward.
        front: z (m) of the form by height (rows, from ``FRONT_TOP_M`` down) and x (columns), every millimetre.
    """

    points: Float[np.ndarray, "A S 3"]
    normals: Float[np.ndarray, "A S 3"]
    front: Float[np.ndarray, "R C"]

    def at(self, azimuth: Array, way_m: Array, *, off_m: Array | float = 0.0) -> Array:
        """Places (..., 3) off the form along its normals."""
        return self._read(self.points, azimuth, way_m) + self.normal(azimuth, way_m) * np.asarray(off_m)[..., None]

    def normal(self, azimuth: Array, way_m: Array) -> Array:
        """Unit normals (..., 3) of the form."""
        found = self._read(self.normals, azimuth, way_m)
        return found / np.linalg.norm(found, axis=-1, keepdims=True)

    def ahead(self, x: Array | float, y: Array | float) -> Array:
        """z (m) of the form's front at x, y (m)."""
        row, column = np.broadcast_arrays((FRONT_TOP_M - np.asarray(y)) * 1000, (np.asarray(x) + FRONT_HALF_M) * 1000)
        where = np.stack([row.reshape(-1), column.reshape(-1)])
        return ndimage.map_coordinates(self.front, where, order=1, mode="nearest").reshape(row.shape)

    def drape(self, x: Array | float, y: Array | float, *, off_m: Array | float = 0.0) -> Array:
        """Places (..., 3) on the front at x, y (m), ``off_m`` off it along its normal."""
        step = 0.006
        z = self.ahead(x, y)
        sx = (self.ahead(x + step, y) - self.ahead(x - step, y)) / (2 * step)
        sy = (self.ahead(x, y + step) - self.ahead(x, y - step)) / (2 * step)
        normal = np.stack([-sx, -sy, np.ones_like(z)], axis=-1)
        normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
        return np.stack(np.broadcast_arrays(x, y, z), axis=-1) + normal * np.asarray(off_m)[..., None]

    def locate(self, points: Array) -> tuple[Array, Array, Array]:
        """Azimuth, way (m) and height off the form (m) of places (..., 3) near it."""
        flat = points.reshape(-1, 3)
        grid = self.points[::2]
        _, nearest = spatial.KDTree(grid.reshape(-1, 3)).query(flat)
        row, column = np.divmod(nearest, grid.shape[1])
        azimuth, way = row * 2 / AZIMUTHS * 2 * np.pi - np.pi, UP_M + column * STEP_M
        for _ in range(LOCATE_STEPS):  # from the nearest node to the foot of the perpendicular
            azimuth, way = self._nearer(flat, azimuth, way)
        off = ((flat - self.at(azimuth, way)) * self.normal(azimuth, way)).sum(-1)
        shape = points.shape[:-1]
        return azimuth.reshape(shape), way.reshape(shape), off.reshape(shape)

    def _nearer(self, flat: Array, azimuth: Array, way: Array) -> tuple[Array, Array]:
        """One Newton step of azimuth and way (m) towards where the form is nearest to places (P, 3)."""
        turn, step = 4 * np.pi / AZIMUTHS, 2 * STEP_M
        gap = flat - self.at(azimuth, way)
        gap -= (gap * (normal := self.normal(azimuth, way))).sum(-1, keepdims=True) * normal
        around = (self.at(azimuth + turn, way) - self.at(azimuth - turn, way)) / (2 * turn)
        down = (self.at(azimuth, way + step) - self.at(azimuth, way - step)) / (2 * step)
        a, b, c = ((p * q).sum(-1) for p, q in ((around, around), (around, down), (down, down)))
        e, f = (gap * around).sum(-1), (gap * down).sum(-1)
        whole = np.maximum(a * c - b * b, 1e-9)
        # no further than the node's own neighbours: far off the form its curvature would mislead
        return (
            azimuth + np.clip((c * e - b * f) / whole, -turn, turn),
            np.clip(way + np.clip((a * f - b * e) / whole, -step, step), UP_M, DOWN_M - STEP_M),
        )

    def lifted(self, points: Array, least_m: Array | float) -> Array:
        """Places (..., 3) that lie at least so far off the form."""
        azimuth, way, off = self.locate(points)
        rise = np.maximum(least_m - off, 0)
        if rise.ndim == 2:
            rise = ndimage.gaussian_filter(rise, 1.5, mode="nearest")
        return points + self.normal(azimuth, way) * rise[..., None]

    def guided(self, knots: Sequence[tuple[float, float, float]], count: int) -> Array:
        """A smooth curve (count, 3), evenly spaced, through (azimuth in degrees, way m, height off m)."""
        at = np.array(knots, dtype=float)
        step = np.hypot(np.diff(np.radians(at[:, 0])) * 0.09, np.diff(at[:, 1]))
        along = np.concatenate([[0], np.cumsum(step)])
        curve = interpolate.PchipInterpolator(along, at)(np.linspace(0, along[-1], 8 * count))
        places = self.at(np.radians(curve[:, 0]), curve[:, 1], off_m=curve[:, 2])
        return resampled(places, count)

    def _read(self, grid: Array, azimuth: Array, way_m: Array) -> Array:
        azimuth, way_m = np.broadcast_arrays(np.asarray(azimuth, float), np.asarray(way_m, float))
        row = (azimuth + math.pi) / (2 * math.pi) * AZIMUTHS
        column = np.clip((way_m - UP_M) / STEP_M, 0, grid.shape[1] - 1)
        where = np.stack([np.mod(row, AZIMUTHS), column])
        padded = np.concatenate([grid, grid[:1]])
        parts = [ndimage.map_coordinates(padded[..., k], where, order=1, mode="nearest") for k in range(3)]
        return np.stack(parts, axis=-1)


FRONT_TOP_M, FRONT_BOTTOM_M, FRONT_HALF_M = -0.09, -0.56, 0.3


def neckline(azimuth: Array) -> Array:
    """Height (m) of the natural neckline."""
    degrees, height = np.array(NECKLINE).T
    curve = interpolate.CubicSpline(degrees, height, bc_type="clamped")
    return curve(np.degrees(np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)))


def hung(points_m: Array) -> Array:
    """Places of the mean with its arms let down."""
    moved = points_m.copy()
    out = np.abs(points_m[:, 0]) - ARM_FROM_M
    inward = ARM_FROM_M + ARM_ROOM_M * (1 - np.exp(-np.maximum(out, 0) / ARM_ROOM_M))
    moved[:, 0] = np.where(out > 0, np.sign(points_m[:, 0]) * inward, points_m[:, 0])
    return moved


def body_vertices(model: HeadModel) -> NDArray[np.int64]:
    """The model's vertices that make neck and shoulders."""
    return torch.cat([model.groups["neck"], model.groups["shoulders"]]).numpy()


def make_torso(model: HeadModel) -> Torso:
    """The form over the mean head of a model."""
    body = hung(model.mean[body_vertices(model)].double().numpy())
    top = np.where(body[:, 2] > 0.02, TOP_M, NAPE_M)
    radius = _radius(body[(body[:, 1] < top) & (body[:, 1] > CUT_M - 0.012)])
    points = _by_way(_draped(radius))
    down = np.gradient(points, axis=1)
    around = (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)) / 2
    normals = np.cross(down, around)
    normals = blurred(normals, (3.0, 3.0, 0.0))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-9)
    return Torso(points, normals, _front(points))


ELEVATIONS = np.radians(np.arange(80.0, -66.0, -0.75))


def _radius(body: Array) -> Array:
    """Distance (AZIMUTHS, ELEVATIONS) from the inside to the body; below its cut straight down."""
    arm = body - np.array(INSIDE_M)
    flat = np.hypot(arm[:, 0], arm[:, 2])
    azimuth, elevation = np.arctan2(arm[:, 0], arm[:, 2]), np.arctan2(arm[:, 1], flat)
    length = np.linalg.norm(arm, axis=1)
    turns = [np.stack([azimuth + turn, elevation], axis=-1) for turn in (-2 * np.pi, 0.0, 2 * np.pi)]
    known = np.concatenate(turns)
    at = np.stack(np.meshgrid(_azimuths(), ELEVATIONS, indexing="ij"), axis=-1)
    found = interpolate.LinearNDInterpolator(known, np.tile(length, 3))(at)
    nearest = interpolate.NearestNDInterpolator(known, np.tile(length, 3))(at)
    found = np.where(np.isnan(found), nearest, found)
    # below the cut a wall: its distance along the ground is that of the last whole ring
    ring = CUT_M - INSIDE_M[1]
    wide = found * np.cos(ELEVATIONS)
    deep = found * np.sin(ELEVATIONS)
    last = np.array([np.interp(ring, row[::-1], level[::-1]) for row, level in zip(_falling(deep), wide, strict=True)])
    wall = last[:, None] / np.cos(ELEVATIONS)
    return np.where(wall * np.sin(ELEVATIONS) < ring, wall, found)


def _falling(deep: Array) -> Array:
    return np.minimum.accumulate(deep, axis=1)


def blurred(values: Array, sigma: tuple[float, ...]) -> Array:
    """Values smoothed by Gaussians along each axis; the first is a ring."""
    room = min(int(4 * sigma[0]) + 1, len(values))
    wide = np.concatenate([values[-room:], values, values[:room]])
    return np.asarray(ndimage.gaussian_filter(wide, sigma, mode="nearest"))[room:-room]


def _azimuths() -> Array:
    return (np.arange(AZIMUTHS) / AZIMUTHS * 2 - 1) * np.pi


def _draped(radius: Array) -> Array:
    """The form without the hollows of collar bones: cloth spans them. The neck stays as it is."""
    sigma = (DRAPE_STEPS[0] / 360 * AZIMUTHS, DRAPE_STEPS[1] / 0.75)
    spanned = radius
    for _ in range(3):
        smooth = blurred(spanned, sigma)
        over = blurred(np.maximum(radius - smooth, 0), sigma)
        spanned = smooth + over
    fine = blurred(radius, (4.0, 1.5))
    height = fine * np.sin(ELEVATIONS) + INSIDE_M[1]
    below = smooth_rise(neckline(_azimuths())[:, None] + 0.004 - height, 0.0, 0.03)
    return fine + (spanned - fine) * below


def _by_way(radius: Array) -> Array:
    """Places (AZIMUTHS, S, 3) by the way from the neckline."""
    azimuth = _azimuths()
    ways = np.arange(UP_M, DOWN_M, STEP_M)
    rows = []
    for one, line, start in zip(azimuth, radius, neckline(azimuth), strict=True):
        flat, y = line * np.cos(ELEVATIONS), line * np.sin(ELEVATIONS) + INSIDE_M[1]
        keep = y > CUT_M - 0.02
        flat, y = flat[keep], y[keep]
        flat, y = np.append(flat, flat[-1] + 0.012), np.append(y, FLOOR_M)
        length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(flat), np.diff(y)))])
        zero = np.interp(-start, -np.minimum.accumulate(y), length)
        out, high = (np.interp(ways + zero, length, part) for part in (flat, y))
        rows.append(np.stack([out * np.sin(one), high, out * np.cos(one) + INSIDE_M[2]], axis=-1))
    return np.stack(rows)


def _front(points: Array) -> Array:
    """z of the front by height and x, every millimetre, hollows and the sides filled smoothly."""
    ahead = np.abs(_azimuths()) < np.radians(100)
    part = points[ahead][::2, ::3]
    faces = grid_faces(*part.shape[:2])
    flat = part.reshape(-1, 3)
    px = np.stack([(flat[:, 0] + FRONT_HALF_M) * 1000, (FRONT_TOP_M - flat[:, 1]) * 1000, 1 - flat[:, 2]], axis=-1)
    size = (round((FRONT_TOP_M - FRONT_BOTTOM_M) * 1000), round(2 * FRONT_HALF_M * 1000))
    seen = rasterize(torch.from_numpy(px), torch.from_numpy(faces), size=size)
    z = np.where(seen.triangle.numpy() >= 0, 1 - seen.depth.double().numpy(), np.nan)
    empty = np.isnan(z)
    nearest = np.asarray(ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True))
    return ndimage.gaussian_filter(z[tuple(nearest)], 2.0)


def carried(places_m: Array, model: HeadModel, vertices: Float[torch.Tensor, "V 3"], *, chunk: int = 8192) -> Array:
    """Places of the mean's form on a person: moved as the neck and shoulders about them are.

    Args:
        places_m: (P, 3) on the mean.
        model: Whose mean.
        vertices: The person's, head frame, metres.
        chunk: Places at once.
    """
    body = body_vertices(model)
    known = torch.from_numpy(hung(model.mean[body].double().numpy())).float()
    shift = torch.from_numpy(hung(vertices[body].double().numpy())).float() - known
    whole = known[:, 1] > CUT_M - 0.012  # the rim of the cut is no place of a body
    known, shift = known[whole], shift[whole]
    moved = []
    for places in torch.from_numpy(places_m).float().split(chunk):
        square = torch.cdist(places, known).square()
        near = square.amin(1, keepdim=True)
        weight = torch.exp(-(square - near) / (2 * REACH_M**2))  # far below, the nearest still speaks
        moved.append(places + weight @ shift / weight.sum(1, keepdim=True))
    return torch.cat(moved).double().numpy()


SNUG_WAYS_M = np.array([-0.034, -0.024, -0.014, -0.004, 0.006])
SNUG_FADE_M = (0.010, 0.070)
"""Below the neckline cloth hangs from the shoulders, whatever the neck."""
SNUG_MOST_M = (-0.016, 0.014)


def snug(
    places_m: Array, torso: Torso, form: Array, carry: Callable[[Array], Array], distance: Callable[[Array], Array]
) -> Array:
    """Carried places moved in or out so that the neck of the form lies on the person's.

    Args:
        places_m: (P, 3) on the person.
        torso: The form.
        form: The same places on the mean.
        carry: From the mean to the person.
        distance: Signed distance (m) to the person's skin.
    """
    azimuth = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    rings = torso.at(azimuth[:, None], SNUG_WAYS_M[None])
    off = distance(carry(rings.reshape(-1, 3))).reshape(rings.shape[:2])
    move = np.clip(-blurred(off, (2.0, 0.8)), *SNUG_MOST_M)
    own_azimuth, way, _ = torso.locate(form)
    row = (own_azimuth + np.pi) / (2 * np.pi) * 72
    column = np.interp(way, SNUG_WAYS_M, np.arange(len(SNUG_WAYS_M)))
    padded = np.concatenate([move, move[:1]])
    amount = ndimage.map_coordinates(padded, np.stack([row % 72, column]), order=1, mode="nearest")
    faded = amount * (1 - smooth_rise(way, *SNUG_FADE_M))
    return places_m + torso.normal(own_azimuth, way) * faded[:, None]
