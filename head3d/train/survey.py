"""What the photos see of the surface: of the base shell before training, of what became of it after."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache, trace
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, pixel_grid, pixel_rays
from head3d.imaging.color import linear_from_srgb
from head3d.perception.types import Region
from head3d.shapes import shaped
from head3d.train.rays import TrainPhoto

SURVEY_PX = 224
"""Long side of the pictures the base is surveyed with: 1 to 2 mm a pixel, as fine as the paint."""
EDGE_M, HAIR_EDGE_M, STEP_M = 0.015, 0.006, 0.03
"""Face or hair that a photo seems to show on what lies farther off by the third, so near to the edge of something
nearer, belongs to that: beards and cheeks stand off the shell."""
OF_THE_FACE = (Region.SKIN, Region.BROWS, Region.EYES, Region.LIPS, Region.MOUTH, Region.EARS, Region.GLASSES)


@shaped
@dataclass(frozen=True)
class Survey:
    """What the photos see of the surface, one row per pixel.

    Attributes:
        points: Neutral head frame, metres.
        normals: Of the base, unit.
        colors: Linear RGB.
        facing: Cosine between normal and ray.
        label: Region of the pixel.
        photo: Index of the photo.
        weight: The photo's word on this colour, in [0, 1].
    """

    points: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    colors: Float[Tensor, "P 3"]
    facing: Float[Tensor, "P"]
    label: Int[Tensor, "P"]
    photo: Int[Tensor, "P"]
    weight: Float[Tensor, "P"]


@torch.no_grad()
def survey(
    trained: RadianceField,
    photos: Sequence[TrainPhoto],
    deformation: Deformation,
    *,
    cache: ShellCache | None = None,
    hair_edge_m: float = HAIR_EDGE_M,
    long_side_px: int = SURVEY_PX,
) -> Survey:
    """Look at a field from every photo; rows on the CPU.

    Args:
        trained: The field.
        photos: Cropped.
        deformation: Their expressions.
        cache: Of the surface to look at; the base shell if None.
        hair_edge_m: So near to an edge of what is nearer, hair may be that one's (a beard, curls); where hair hangs
            behind a jaw, little.
        long_side_px: Of the pictures.
    """
    cache = ShellCache(trained) if cache is None else cache
    device = cache.values.device
    rows: list[list[Tensor]] = []
    for number, photo in enumerate(photos):
        height, width = photo.camera.size
        times = min(1.0, long_side_px / max(height, width))
        small = photo.camera.resized((max(int(height * times), 8), max(int(width * times), 8)))
        pixels = pixel_grid(*small.size)
        origins, directions = (part.to(device) for part in pixel_rays(pixels, small.c2w[0], small.K[0]))
        own = torch.full((len(origins),), number, device=device)
        t, hit = trace(cache, origins, directions, deformation=deformation, photo=own)
        place = (pixels / times).long()
        x, y = place[:, 0].clamp(max=width - 1).numpy(), place[:, 1].clamp(max=height - 1).numpy()
        label = torch.from_numpy(photo.labels[y, x]).long()
        doubted = _behind_edges(t, hit, small, edge_m=EDGE_M) & torch.isin(label, torch.tensor(OF_THE_FACE)).to(device)
        doubted |= _behind_edges(t, hit, small, edge_m=hair_edge_m) & (label == Region.HAIR).to(device)
        index = torch.nonzero(hit & ~doubted)[:, 0]
        points = deformation.to_canonical(origins[index] + directions[index] * t[index, None], own[index])
        normals = torch.nn.functional.normalize(trained.surface(points, step_m=2.5e-3).gradient, dim=-1, eps=1e-9)
        facing = -(normals * directions[index]).sum(-1)
        points, normals, facing, index = points.cpu(), normals.cpu(), facing.cpu(), index.cpu()
        label, x, y = label[index], x[index.numpy()], y[index.numpy()]
        colors = linear_from_srgb(torch.from_numpy(photo.rgb_srgb[y, x]).float() / 255)
        weight = torch.from_numpy(photo.color_weight[y, x]).float() / 255 * (torch.from_numpy(photo.matte[y, x]) > 230)
        weight = weight * (torch.from_numpy(photo.held_out[y, x]) == 0)
        rows.append([points, normals, colors, facing, label, torch.full_like(label, number), weight])
    return Survey(*(torch.cat(column) for column in zip(*rows, strict=True)))


def _behind_edges(
    t: Float[Tensor, "P"], hit: Bool[Tensor, "P"], camera: Cameras, *, edge_m: float
) -> Bool[Tensor, "P"]:
    """Pixels of a camera that show what lies right beside, and well behind, something nearer."""
    reach = max(round(edge_m * float(camera.K[0, 0, 0]) / float(camera.centre[0].norm())), 1)
    near = torch.where(hit, -t, -torch.inf).reshape(1, 1, *camera.size)
    nearest = -torch.nn.functional.max_pool2d(near, 2 * reach + 1, stride=1, padding=reach).reshape(-1)
    return t - nearest > STEP_M
