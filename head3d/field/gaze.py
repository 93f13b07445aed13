"""Turn the eyes of the field: an addition to its displacement about each eyeball. Lids stay where they are.

The iris turns as a stiff disc about the eye's centre, the lids do not move, and the white between them is stretched:
the field knows nothing of the white behind a lid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.field.expression import displaced, unfolded
from head3d.field.eye_range import EASY_RAD, LIMIT_RAD
from head3d.field.lattice_fit import refine_lattice
from head3d.field.volumes import Volume, box_grid
from head3d.geometry.rotations import matrix_from_axis_angle

GAZE_CELL_M = 0.0015
"""Cell where nothing but the eyes moves: a lid's edge is that sharp."""
ROOM_M = 0.008
"""The turn is gone this far outside the eyeball."""
LID_M = 0.0025
"""An iris this near to a lid is stretched instead of turned: over less than this a slanting lid's edge would fold."""
RIM = 1.1
"""The disc that turns reaches this far beyond the iris: its dark rim stays round."""
LAYERS_M = (0.0, 0.0015, -0.0015)
"""Samples on the eyeball, before it and behind it."""
SPACING = 14
"""Rings of samples in a disc."""
STILL_RAD = 1e-3
STRAIGHT = (0.0, 0.0)
"""Of a gaze that is turned aside by nothing: yaw and pitch, degrees."""
UNSEEN_DEG = 100.0
"""Whoever stands further round sees no iris, and no gaze."""
STEPS = 80
"""Of the solver, enough for the 30 cells across an eye."""


@dataclass(frozen=True)
class Eyeball:
    """An eye of the neutral head.

    Attributes:
        centre: Of rotation, head frame, metres.
        forward: Unit direction to the middle of the iris.
        radius_m: From the centre to the iris.
        iris_rad: Angle of the iris' radius seen from the centre.
    """

    centre: Float[Tensor, "3"]
    forward: Float[Tensor, "3"]
    radius_m: float
    iris_rad: float


def turn_towards(eye: Eyeball, target_m: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Axis-angle that makes an eye look at a point (head frame, m), as far as eyes turn."""
    wanted = torch.nn.functional.normalize(target_m - eye.centre, dim=0)
    axis = torch.linalg.cross(eye.forward, wanted)
    angle = math.atan2(float(axis.norm()), float(eye.forward @ wanted))
    return torch.nn.functional.normalize(axis, dim=0, eps=1e-12) * eased(angle)


def limited(turn: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """An axis-angle no larger than eyes turn."""
    angle = float(turn.norm())
    return turn * (eased(angle) / max(angle, 1e-9))


def turned_aside(turn: Float[Tensor, "3"], aside_deg: tuple[float, float]) -> Float[Tensor, "3"]:
    """A turn of an eye (axis-angle) and one more: to the person's own left and up, degrees; no further than eyes go."""
    if aside_deg == STRAIGHT:
        return turn
    yaw, pitch = (math.radians(one) for one in aside_deg)
    left = matrix_from_axis_angle(turn.new_tensor([0.0, yaw, 0.0]))
    both = left @ matrix_from_axis_angle(turn.new_tensor([-pitch, 0.0, 0.0])) @ matrix_from_axis_angle(turn)
    # R - R^T = 2 sin(t) [axis], trace = 1 + 2 cos(t): far from half a turn, where the axis would be lost
    axis = torch.stack([both[2, 1] - both[1, 2], both[0, 2] - both[2, 0], both[1, 0] - both[0, 1]]) / 2
    angle = math.atan2(float(axis.norm()), (float(both.trace()) - 1) / 2)
    return torch.nn.functional.normalize(axis, dim=0, eps=1e-12) * eased(angle)


def eased(angle_rad: float) -> float:
    """The angle itself up to ``EASY_RAD``, then ever less more, up to ``LIMIT_RAD``."""
    room = LIMIT_RAD - EASY_RAD
    return angle_rad if angle_rad <= EASY_RAD else EASY_RAD + room * math.tanh((angle_rad - EASY_RAD) / room)


def eye_contact_deg(
    eyes: Sequence[Eyeball], turns: Sequence[Float[Tensor, "3"]], target_m: Float[Tensor, "3"]
) -> float | None:
    """Angle between where eyes look and a point, degrees, mean of the eyes; None if they are turned away from it.

    Args:
        eyes: As they are in the neutral head.
        turns: Axis-angle of each.
        target_m: Of the camera, head frame.
    """
    angles = []
    for eye, turn in zip(eyes, turns, strict=True):
        looks, wanted = matrix_from_axis_angle(turn) @ eye.forward, target_m - eye.centre
        angles.append(math.atan2(float(torch.linalg.cross(looks, wanted).norm()), float(looks @ wanted)))
    mean = math.degrees(sum(angles) / len(angles))
    return mean if mean <= UNSEEN_DEG else None


def gaze_map(
    base: Volume | None, eyes: Sequence[Eyeball], turns: Sequence[Float[Tensor, "3"]], *, skin: Float[Tensor, "P 3"]
) -> Volume | None:
    """Add turned eyes to a displacement.

    Args:
        base: Displacement to the neutral head (m) of the expression; None if neutral.
        eyes: Eyeballs.
        turns: Axis-angle of each.
        skin: Points of the posed skin about the eyes, head frame, metres: none of them moves.

    Returns:
        Displacement of both; None if neither moves.
    """
    moving = [(eye, turn) for eye, turn in zip(eyes, turns, strict=True) if float(turn.norm()) > STILL_RAD]
    if not moving:
        return base
    boxes = [_box(eye) for eye, _ in moving]
    low = torch.stack([box[0] for box in boxes]).amin(0)
    high = torch.stack([box[1] for box in boxes]).amax(0)
    whole = _empty(low, high, GAZE_CELL_M) if base is None else grown(base, low, high)
    values = whole.values.clone()
    for (eye, turn), (near, far) in zip(moving, boxes, strict=True):
        first = ((near - whole.origin) / whole.cell_m).round().long()
        last = ((far - whole.origin) / whole.cell_m).round().long() + 1
        window = (slice(None), *(slice(int(first[axis]), int(last[axis])) for axis in (2, 1, 0)))
        before = Volume(values[window].clone(), whole.origin + first * whole.cell_m, whole.cell_m)
        posed, neutral = iris_samples(eye, turn, skin=skin)
        points, origins = torch.cat([posed, skin]), torch.cat([neutral, displaced(whole, skin)])
        data = points, origins - points, torch.ones(len(points))
        values[window] = unfolded(refine_lattice(before, *data, rounds=STEPS, everywhere=True), *data).values
    return Volume(values, whole.origin, whole.cell_m)


def iris_samples(
    eye: Eyeball, turn: Float[Tensor, "3"], *, skin: Float[Tensor, "P 3"]
) -> tuple[Float[Tensor, "Q 3"], Float[Tensor, "Q 3"]]:
    """Places of the turned iris that no lid covers (head frame, m), and where they are while the eye looks ahead."""
    sideways = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), eye.forward)
    sideways = torch.nn.functional.normalize(sideways, dim=0)
    upwards = torch.linalg.cross(eye.forward, sideways)
    rays = [eye.forward]
    for ring in range(1, SPACING + 1):
        polar = RIM * eye.iris_rad * ring / SPACING
        for step in range(6 * ring):
            around = 2 * math.pi * step / (6 * ring)
            across = math.cos(around) * sideways + math.sin(around) * upwards
            rays.append(math.cos(polar) * eye.forward + math.sin(polar) * across)
    disc = torch.stack(rays)
    rest = torch.cat([disc * (eye.radius_m + layer) for layer in LAYERS_M])
    turned = rest @ matrix_from_axis_angle(turn).T + eye.centre
    distance, _ = spatial.KDTree(skin.numpy()).query(turned.numpy())
    bare = torch.from_numpy(distance > LID_M)
    return turned[bare], rest[bare] + eye.centre


def grown(volume: Volume, low: Float[Tensor, "3"], high: Float[Tensor, "3"]) -> Volume:
    """A volume with zeros about it, so that it covers a box."""
    last = torch.tensor([n - 1 for n in reversed(volume.shape)]) * volume.cell_m
    before = ((volume.origin - low) / volume.cell_m).ceil().clamp(min=0).long()
    after = ((high - volume.origin - last) / volume.cell_m).ceil().clamp(min=0).long()
    pads = [int(n) for pair in zip(before, after, strict=True) for n in pair]
    return Volume(torch.nn.functional.pad(volume.values, pads), volume.origin - before * volume.cell_m, volume.cell_m)


def _box(eye: Eyeball) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """About the front half of an eyeball."""
    reach = eye.radius_m + ROOM_M
    low = eye.centre - torch.tensor([reach, reach, 0.0])
    return low, eye.centre + reach


def _empty(low: Tensor, high: Tensor, cell_m: float) -> Volume:
    shape, origin = box_grid(low, high, cell_m)
    return Volume(torch.zeros(3, *shape), origin, cell_m)
