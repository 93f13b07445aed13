"""Long hair below the ears: a curtain that hangs free of the neck, carved out of space by the photos' outlines.

Hair on the scalp is a thickness over the mesh (see hair.py). What hangs beside a neck is not: it stands centimetres off
what is nearest to it. There the visual hull of the pixels that show hair is used: a place is hair if two photos from
different sides show hair there and none shows wall. Above the ears that hull would make the head a box, and in front
of them swallow beard and cheeks, so it ends there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, grid_nodes, sample_values
from head3d.geometry.cameras import project
from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.train.rays import TrainPhoto

CELL_M = 0.005
BLUR_CELLS = 1.0
ABOUT_M = 0.06
"""Room about the head in which hair may hang, and the largest distance that is told."""
OUTLINE_PX = 360
"""Long side of the pictures that outlines are taken from: about a millimetre and a half a pixel."""
APART_DEG = 35.0
"""Two photos at least so far apart tell how deep a curtain is."""
DEPTH_M = 0.04
"""Half of its depth where all photos look from one side."""
SLACK_M = 0.006
"""Hair moves between photos and fits err: walls carve only what lies this far outside the person."""
BEFORE_EARS_M = 0.025
"""Above the chin a curtain hangs no farther before the ears than this."""
SLOPE, SLOPE_ABOVE_M = 1.5, 0.02
"""From so far above the chin on, it hangs so much farther forward for each metre down."""
BEHIND_M = 0.03
"""It hangs no farther behind the head."""
MOST_M = 0.075
"""Nor farther from head and shoulders: photos end, and where they do nothing carves."""
LEAST_M3 = 5e-5
"""Less hair than half a decilitre is noise of the labels."""


@dataclass(frozen=True)
class Room:
    """Where curtains may hang, head frame, metres.

    Attributes:
        top: Height of the ears' middle.
        chin: Height of the chin.
        front: Above the chin, a curtain lies behind this depth.
        neck: Depth of the neck's middle.
        back: Depth of the back of the head and the hair on it.
    """

    top: float
    chin: float
    front: float
    neck: float
    back: float


def curtain_volume(mesh: Mesh, model: HeadModel, photos: Sequence[TrainPhoto]) -> Volume | None:
    """Signed distance (m, negative inside) to hair that hangs below the ears; None without such hair.

    Args:
        mesh: Outside of the neutral head, with the vertices of the model.
        model: For its groups.
        photos: Cropped, with labels, mattes and cameras.
    """
    if not {"ears", "face", "neck", "scalp"} <= model.groups.keys():
        return None
    room = _room(mesh, model)
    low, high = mesh.vertices.amin(0) - ABOUT_M, mesh.vertices.amax(0) + ABOUT_M
    high[1] = room.top + 2 * CELL_M
    shape, origin = box_grid(low, high, CELL_M)
    nodes = grid_nodes(shape, origin, CELL_M)
    hair, person, yaws = [], [], []
    for photo in photos:
        shown = photo.matte > 127
        locks = shown & (photo.labels == Region.HAIR)
        person.append(_within_outline(photo, shown, nodes, unseen=ABOUT_M) + SLACK_M)
        if locks.any():
            hair.append(_within_outline(photo, locks, nodes, unseen=-ABOUT_M))
            yaws.append(math.degrees(float(photo.camera.yaw_pitch[0, 0])))
    if not hair:
        return None
    depth = torch.minimum(_agreed(hair, yaws, nodes, room), torch.stack(person).amin(0))
    y, z = nodes[:, 1], nodes[:, 2]
    # the border in front slopes away below the chin: a ledge would be seen from the side
    before_face = (z - room.front - SLOPE * (room.chin + SLOPE_ABOVE_M - y).clamp(min=0.0)) / (1 + SLOPE**2) ** 0.5
    off, _ = spatial.KDTree(mesh.vertices.numpy()).query(nodes.numpy(), distance_upper_bound=2 * ABOUT_M)
    far = torch.from_numpy(np.minimum(off, 2 * ABOUT_M)).float() - MOST_M
    bounds = torch.stack([-depth, y - room.top, before_face, room.back - z, far])
    distance = bounds.amax(0).reshape(shape)
    if float((distance < 0).sum()) * CELL_M**3 < LEAST_M3:
        return None
    return Volume(torch.from_numpy(ndimage.gaussian_filter(distance.numpy(), BLUR_CELLS))[None], origin, CELL_M)


def hung(shape: Volume, curtain: Volume, *, chunk: int = 1 << 20) -> Volume:
    """A head's signed distance with a curtain's: their union. Above the curtain's volume it is the head's alone."""
    nodes, values = shape.nodes(), shape.values.reshape(-1).clone()
    for start in range(0, len(nodes), chunk):
        part = nodes[start : start + chunk]
        values[start : start + chunk] = torch.minimum(values[start : start + chunk], distance_to(curtain, part))
    return Volume(values.reshape(shape.values.shape), shape.origin, shape.cell_m)


def distance_to(curtain: Volume, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """Signed distance (m) to a curtain, also outside its volume (there at least)."""
    size = torch.tensor([n - 1 for n in reversed(curtain.shape)]) * curtain.cell_m
    inside = torch.minimum(torch.maximum(points_m, curtain.origin), curtain.origin + size)
    return sample_values(curtain.values, curtain.origin, curtain.cell_m, inside)[:, 0] + (points_m - inside).norm(
        dim=-1
    )


def _room(mesh: Mesh, model: HeadModel) -> Room:
    ears, face, neck = (mesh.vertices[model.groups[name]] for name in ("ears", "face", "neck"))
    return Room(
        top=float(ears[:, 1].median()),
        chin=float(face[:, 1].min()),
        front=float(ears[:, 2].median()) + BEFORE_EARS_M,
        neck=float(neck[:, 2].median()),
        back=float(mesh.vertices[model.groups["scalp"], 2].min()) - BEHIND_M,
    )


def _within_outline(
    photo: TrainPhoto, mask: Bool[np.ndarray, "H W"], nodes_m: Float[Tensor, "M 3"], *, unseen: float
) -> Float[Tensor, "M"]:
    """How far (m, across the view) places lie within the outline of a mask; ``unseen`` where the photo ends."""
    height, width = mask.shape
    times = min(1.0, OUTLINE_PX / max(height, width))
    small = cv2.resize(mask.astype(np.uint8), (max(int(width * times), 8), max(int(height * times), 8)))
    inward, outward = (cv2.distanceTransform(part, cv2.DIST_L2, 3) for part in (small, 1 - small))
    signed = torch.from_numpy(inward - outward)[None, None]
    camera = photo.camera.resized(small.shape)
    px, depth = project(nodes_m, camera.c2w[0], camera.K[0])
    place = px / torch.tensor([small.shape[1], small.shape[0]]) * 2 - 1
    found = torch.nn.functional.grid_sample(signed, place[None, None], align_corners=False, padding_mode="border")
    metres = (found[0, 0, 0] * depth / camera.K[0, 0, 0]).clamp(-ABOUT_M, ABOUT_M)
    seen = (place.abs() < 1).all(-1) & (depth > 0)
    return torch.where(seen, metres, unseen)


def _agreed(
    hair: Sequence[Float[Tensor, "M"]], yaws: Sequence[float], nodes_m: Float[Tensor, "M 3"], room: Room
) -> Float[Tensor, "M"]:
    """How far (m) places lie within the hair of any two photos that look from different sides."""
    pairs = [
        torch.minimum(hair[i], hair[j])
        for i, j in combinations(range(len(hair)), 2)
        if abs(yaws[i] - yaws[j]) >= APART_DEG
    ]
    if pairs:
        return torch.stack(pairs).amax(0)
    # all look from one side: a curtain hangs over the shoulders, about as deep as a hand is wide
    front = max(range(len(hair)), key=lambda number: -abs(yaws[number]))
    return torch.minimum(hair[front], DEPTH_M - (nodes_m[:, 2] - room.neck).abs())
