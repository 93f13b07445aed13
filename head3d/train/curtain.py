"""Long hair: a curtain that hangs free of ears, neck and shoulders, carved out of space by the photos' outlines.

Hair on the scalp is a thickness over the mesh (see hair.py). What hangs beside a neck is not: it stands centimetres off
what is nearest to it. It hangs from the hair above it: at no height is it much wider than the head with its hair is
anywhere above. Of that room the photos leave what they show as hair, or cannot see behind the neck, where none shows
wall, or skin that hair would have hidden. In front of the ears it ends: there it would swallow beard and
cheeks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.geometry.cameras import Cameras, pixel_rays, project
from head3d.geometry.conventions import other_side
from head3d.geometry.draw import draw_mesh
from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.train.hair import BARE
from head3d.train.outlines import MOST_M, looked_up, small_size, within, within_picture
from head3d.train.rays import TrainPhoto

CELL_M = 0.005
BLUR_CELLS = 1.0
ABOUT_M = MOST_M
"""Room about the head in which hair may hang."""
SLACK_M = 0.006
"""Hair moves between photos and fits err: walls and skin carve only what lies so far within them."""
BEFORE_EARS_M = 0.025
"""Above the chin a curtain hangs no farther before the ears than this."""
SLOPE, SLOPE_ABOVE_M = 1.5, 0.02
"""From so far above the chin on, it hangs so much farther forward for each metre down."""
FLARE, FROM_M, WIDER_M = 0.4, 0.05, 0.04
"""For each metre down, from so far above the ears on, it may be so much wider than the head above; and the most."""
BEHIND_M = 0.008
"""It hangs no farther behind the head with its hair: nothing holds it off the nape."""
LYING_M = 0.025
"""Hair that is seen may lie on shoulders and back, so thick."""
LOWEST = 0.03
"""The part of a photo's pixels of hair that may lie below the end of what is hidden by the neck."""
THIN_CELLS = 2
"""Fingers thinner than twice as many cells and one are errors of labels."""
LEAST_M3 = 5e-5
"""Less hair than half a decilitre is noise of the labels."""
OUTSIDE_M = 0.003
"""What lies less far outside the head's own shell is that shell's."""


@dataclass(frozen=True)
class Room:
    """Where curtains may hang, head frame, metres.

    Attributes:
        ears: Height of the ears' middle.
        chin: Height of the chin.
        front: Above the chin, a curtain lies behind this depth.
        neck: Depth of the neck's middle.
    """

    ears: float
    chin: float
    front: float
    neck: float


@dataclass(frozen=True)
class Told:
    """What photos tell of places, metres across their views.

    Attributes:
        hair: How far they lie within what is shown as hair.
        hidden: How far within what long hair may fill behind the neck.
        free: How far within what is not ruled out.
        shown: Which of them are in a picture, on this side of the head: beyond it hair may hide them.
    """

    hair: Float[Tensor, "M"]
    hidden: Float[Tensor, "M"]
    free: Float[Tensor, "M"]
    shown: Bool[Tensor, "M"]


def curtain_volume(mesh: Mesh, model: HeadModel, photos: Sequence[TrainPhoto], *, shell: Volume) -> Volume | None:
    """Signed distance (m, negative inside) to a head with hair that hangs from it; None without such hair.

    Args:
        mesh: Outside of the neutral head, with the vertices of the model.
        model: For its groups.
        photos: Cropped, with labels, mattes and cameras.
        shell: Signed distance (m) to the head with the hair on its scalp.
    """
    if not {"ears", "face", "neck"} <= model.groups.keys():
        return None
    room = _room(mesh, model)
    grid, origin = box_grid(mesh.vertices.amin(0) - ABOUT_M, mesh.vertices.amax(0) + ABOUT_M, CELL_M)
    nodes = grid_nodes(grid, origin, CELL_M)
    if not any((photo.labels == Region.HAIR).any() for photo in photos):
        return None
    told = _all_told(photos, mesh, nodes, room)
    own = distance_to(shell, nodes)
    y, z = nodes[:, 1], nodes[:, 2]
    # the border in front slopes away below the chin: a ledge would be seen from the side
    before_face = (z - room.front - SLOPE * (room.chin + SLOPE_ABOVE_M - y).clamp(min=0.0)) / (1 + SLOPE**2) ** 0.5
    wider = (FLARE * (room.ears + FROM_M - y)).clamp(0.0, WIDER_M)
    eaves = _eaves(torch.where(y > room.chin, own, 2 * ABOUT_M), grid)
    behind = z[(own < 0) & (y > room.chin)].amin() - BEHIND_M - z
    lying = torch.maximum(own - LYING_M, y - room.chin)
    near = torch.minimum(torch.maximum(eaves - wider, behind), lying)
    hangs = torch.minimum(torch.maximum(-told.hair, near), torch.stack([-told.hidden, eaves, behind]).amax(0))
    distance = torch.stack([hangs, -told.free, before_face]).amax(0)
    stray = ~_of_one_piece(torch.minimum(distance, own) < 0, grid)
    distance = torch.where(stray, distance.abs() + 2 * CELL_M, distance)
    if float(((distance < 0) & (own > OUTSIDE_M)).sum()) * CELL_M**3 < LEAST_M3:
        return None
    smooth = ndimage.gaussian_filter(distance.reshape(grid).numpy(), BLUR_CELLS)
    return Volume(torch.from_numpy(smooth)[None], origin, CELL_M)


def _of_one_piece(solid: Bool[Tensor, "M"], grid: tuple[int, ...]) -> Bool[Tensor, "M"]:
    """The largest of the pieces that hang together, without fingers."""
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 1), THIN_CELLS)
    whole = ndimage.binary_opening(solid.reshape(grid).numpy(), ball)
    pieces = np.zeros(grid, np.int32)
    if not ndimage.label(whole, output=pieces):
        return torch.zeros_like(solid)
    largest = np.bincount(pieces.reshape(-1))[1:].argmax() + 1
    return torch.from_numpy(pieces == largest).reshape(-1)


def _eaves(distance_m: Float[Tensor, "M"], grid: tuple[int, ...]) -> Float[Tensor, "M"]:
    """The least of a signed distance at all places straight above each."""
    return distance_m.reshape(grid).flip(1).cummin(1).values.flip(1).reshape(-1)


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
    return curtain.at(inside)[:, 0] + (points_m - inside).norm(dim=-1)


def _room(mesh: Mesh, model: HeadModel) -> Room:
    ears, face, neck = (mesh.vertices[model.groups[name]] for name in ("ears", "face", "neck"))
    return Room(
        ears=float(ears[:, 1].median()),
        chin=float(face[:, 1].min()),
        front=float(ears[:, 2].median()) + BEFORE_EARS_M,
        neck=float(neck[:, 2].median()),
    )


def _all_told(photos: Sequence[TrainPhoto], mesh: Mesh, nodes_m: Float[Tensor, "M 3"], room: Room) -> Told:
    """What all photos tell; of places none shows, what they tell of the mirrored ones."""
    both = torch.cat([nodes_m, other_side(nodes_m)])
    told = [_told(photo, mesh, both, room) for photo in photos]
    shown, _ = torch.stack([one.shown for one in told]).any(0).chunk(2)
    hair, mirrored = torch.stack([one.hair for one in told]).amax(0).chunk(2)
    hidden, _ = torch.stack([one.hidden for one in told]).amax(0).chunk(2)
    free, allowed = torch.stack([one.free for one in told]).amin(0).chunk(2)
    return Told(
        torch.where(shown, hair, mirrored), hidden, torch.where(shown, free, torch.minimum(free, allowed)), shown
    )


def _told(photo: TrainPhoto, mesh: Mesh, nodes_m: Float[Tensor, "M 3"], room: Room) -> Told:
    """What one photo tells."""
    shown = photo.matte > 127
    locks = shown & (photo.labels == Region.HAIR)
    camera = photo.camera.resized(small_size(photo.labels.shape))
    depth = draw_mesh(mesh.vertices, mesh.faces, camera).depth
    px, own = project(nodes_m, camera.c2w[0], camera.K[0])
    found = looked_up(depth, px, mode="nearest")
    behind, before = (
        torch.where(found > 0, apart, -ABOUT_M).clamp(-ABOUT_M, ABOUT_M) for apart in (own - found, found - own)
    )
    hair = torch.minimum(within(locks, camera, px, own, unseen=-ABOUT_M), -behind)
    lowest = _lowest(locks, photo.camera, room)
    long = lowest < room.chin
    parts = [behind, room.neck - nodes_m[:, 2], nodes_m[:, 1] - lowest]
    hidden = torch.stack(parts).amin(0) if long else torch.full_like(hair, -ABOUT_M)
    person = within(shown, camera, px, own, unseen=ABOUT_M) + SLACK_M
    covers = within(shown & np.isin(photo.labels, BARE), camera, px, own, unseen=-ABOUT_M)
    free = torch.minimum(person, SLACK_M - torch.minimum(covers, before))
    middle = project(torch.tensor([[0.0, room.chin, room.neck]]), camera.c2w[0], camera.K[0])[1]
    return Told(hair, hidden, free, (own < middle) & within_picture(px, own, camera))


def _lowest(locks: Bool[np.ndarray, "H W"], camera: Cameras, room: Room) -> float:
    """How low (m) hair is seen, as if it hung beside the neck."""
    rows, columns = np.nonzero(locks)
    if not len(rows):
        return float("inf")
    pixels = torch.from_numpy(np.stack([columns, rows], axis=-1)).float() + 0.5
    origins, directions = pixel_rays(pixels, camera.c2w[0], camera.K[0])
    middle = torch.tensor([0.0, room.chin, room.neck])
    t = ((middle - origins) * camera.c2w[0, :3, 2]).sum(-1) / (directions * camera.c2w[0, :3, 2]).sum(-1)
    return float((origins[:, 1] + directions[:, 1] * t).quantile(LOWEST))
