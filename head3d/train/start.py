"""The field before its first step: light of each photo, and the paint (coarse albedo) the photos put on the base shell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import spatial
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache, trace
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.cameras import pixel_grid, pixel_rays
from head3d.geometry.sh import ambient, irradiance_basis
from head3d.imaging.color import linear_from_srgb
from head3d.perception.types import Region
from head3d.shapes import shaped
from head3d.train.rays import TrainPhoto

SKIN = (Region.SKIN, Region.EARS, Region.NECK)
SKIN_RANGE = (0.04, 0.7)
"""Linear albedo of human skin, darkest blue to lightest red."""
SURVEY_PX = 224
"""Long side of the pictures the base is surveyed with: 1 to 2 mm a pixel, as fine as the paint."""


@shaped
@dataclass(frozen=True)
class Survey:
    """What the photos see of the base shell, one row per pixel.

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
    trained: RadianceField, photos: Sequence[TrainPhoto], deformation: Deformation, *, long_side_px: int = SURVEY_PX
) -> Survey:
    """Look at the base shell from every photo."""
    cache = ShellCache(trained)
    rows: list[list[Tensor]] = []
    for number, photo in enumerate(photos):
        height, width = photo.camera.size
        times = min(1.0, long_side_px / max(height, width))
        small = photo.camera.resized((max(int(height * times), 8), max(int(width * times), 8)))
        pixels = pixel_grid(*small.size)
        origins, directions = pixel_rays(pixels, small.c2w[0], small.K[0])

        def undo(points: Tensor, which: Tensor, number: int = number) -> Tensor:
            return deformation.to_canonical(points, torch.full_like(which, number))

        t, hit = trace(cache, origins, directions, to_canonical=undo if deformation.moving else None)
        index = torch.nonzero(hit)[:, 0]
        points = origins[index] + directions[index] * t[index, None]
        if deformation.moving:
            points = undo(points, index)
        slope, _ = trained.normals(points, step_m=2.5e-3)
        normals = torch.nn.functional.normalize(slope, dim=-1, eps=1e-9)
        facing = -(normals * directions[index]).sum(-1)
        place = (pixels[index] / times).long()
        x, y = place[:, 0].clamp(max=width - 1).numpy(), place[:, 1].clamp(max=height - 1).numpy()
        colors = linear_from_srgb(torch.from_numpy(photo.rgb_srgb[y, x]).float() / 255)
        weight = torch.from_numpy(photo.color_weight[y, x]).float() / 255 * (torch.from_numpy(photo.matte[y, x]) > 230)
        label = torch.from_numpy(photo.labels[y, x]).long()
        rows.append([points, normals, colors, facing, label, torch.full_like(label, number), weight])
    return Survey(*(torch.cat(column) for column in zip(*rows, strict=True)))


def solve_light(
    seen: Survey, albedo: Float[Tensor, "P 3"], *, count: int, use: Bool[Tensor, "P"], ridge: float
) -> Float[Tensor, "N 9 3"]:
    """Light of every photo by reweighted least squares: first its grey shape, then a stiffer correction per channel.

    A photo sees one side of the head; for the directions it does not see, the light stays near the mean of all photos.

    Args:
        seen: Survey of the base.
        albedo: Present guess, linear RGB.
        count: Number of photos.
        use: Rows to trust (skin).
        ridge: Stiffness, per squared coefficient of grey light of level one.
    """
    basis = irradiance_basis(seen.normals).double()
    good = use & (seen.facing > 0.25) & (seen.weight > 0.5)
    good &= (seen.colors.amax(-1) < 0.95) & (seen.colors.amin(-1) > 0.004)  # neither blown out nor black
    unit = ambient(torch.ones(3))[:, 0].double()
    stiff = torch.tensor([1e-4] + [ridge] * 3 + [3 * ridge] * 5, dtype=torch.float64)
    ratio = (seen.colors / albedo).double()
    rows = [good & (seen.photo == photo) for photo in range(count)]
    level = torch.ones(count, 3, dtype=torch.float64)
    for photo in range(count):
        if int(rows[photo].sum()) >= 60:
            level[photo] = ratio[rows[photo]].median(0).values.clamp(min=1e-3)
    shapes = unit.expand(count, 9).clone()
    for _ in range(2):
        goal = shapes.mean(0)
        for photo in range(count):
            if int(rows[photo].sum()) >= 60:
                grey = (ratio[rows[photo]] / level[photo]).mean(-1)
                shapes[photo] = _robust_ridge(basis[rows[photo]], grey, stiff, goal)
    light = shapes[:, :, None] * level[:, None]
    for photo in range(count):
        for channel in range(3):
            if int(rows[photo].sum()) >= 60:
                goal, b = light[photo, :, channel].clone(), ratio[rows[photo], channel]
                light[photo, :, channel] = _robust_ridge(basis[rows[photo]], b, 10 * stiff, goal)
    return torch.stack([keep_positive(sh) for sh in light.float()])


def _robust_ridge(A: Tensor, b: Tensor, stiff: Tensor, goal: Tensor) -> Tensor:
    """Reweighted (Huber) least squares with a ridge towards ``goal``; the ridge counts per row."""
    weight = torch.ones_like(b)
    x = goal
    for _ in range(4):
        left = (A * weight[:, None]).T @ A + torch.diag(stiff * weight.sum())
        x = torch.linalg.solve(left, A.T @ (weight * b) + stiff * weight.sum() * goal)
        error = (A @ x - b).abs()
        weight = 1 / (error / (error.median() + 1e-6)).clamp(min=1.5)
    return x


def keep_positive(sh: Float[Tensor, "9 3"], *, least: float = 0.1) -> Float[Tensor, "9 3"]:
    """Damp what is not ambient until no direction receives less than a part of the ambient irradiance."""
    i = torch.arange(200) + 0.5
    z, azimuth = 1 - 2 * i / 200, 2.399963 * i  # golden angle: even over the sphere
    around = torch.stack([(1 - z * z).sqrt() * azimuth.cos(), z, (1 - z * z).sqrt() * azimuth.sin()], dim=-1)
    ambient_part = sh * torch.tensor([1.0] + [0.0] * 8)[:, None]
    flat = (irradiance_basis(around) @ ambient_part).mean(0)
    lowest = (irradiance_basis(around) @ (sh - ambient_part)).amin(0)
    factor = ((1 - least) * flat / (-lowest).clamp(min=1e-9)).clamp(max=1.0)
    return ambient_part + (sh - ambient_part) * factor.min()


def start_light_and_paint(
    trained: RadianceField,
    seen: Survey,
    *,
    count: int,
    node_region: Int[Tensor, "M"],
    ridge: float,
    rounds: int = 2,
) -> tuple[Float[Tensor, "N 9 3"], Volume]:
    """Alternate between the photos' light and the coarse albedo.

    Args:
        trained: Whose paint volume gives the nodes.
        seen: Survey of the base.
        count: Number of photos.
        node_region: Per node of the paint, 0 skin, 1 hair, 2 clothes: unseen places take the colour of their own kind.
        ridge: Stiffness of the light.
        rounds: Alternations.

    Returns:
        Light (N,9,3), and the paint: albedo logits and seen.
    """
    skin = torch.isin(seen.label, torch.tensor([int(region) for region in SKIN]))
    if int(skin.sum()) < 200:
        skin = seen.weight > 0.5
    frontal = skin & (seen.facing > 0.5)
    # the split between albedo and light is not in the pixels: photographers expose faces well and balance for white, so
    # the median photo's skin is taken at its word
    tones = [seen.colors[frontal & (seen.photo == photo)] for photo in range(count)]
    medians = torch.stack([tone.median(0).values for tone in tones if len(tone) > 20] or [torch.full((3,), 0.3)])
    albedo = medians.median(0).values.clamp(*SKIN_RANGE).expand(len(seen.points), 3)
    level = albedo[0].clone()
    sh = torch.zeros(count, 9, 3)
    paint = Volume(trained.paint.clone(), trained.paint_origin, trained.cells["paint"])
    near_surface = (trained.base_sdf(paint.nodes()).abs() < 2.5 * paint.cell_m).numpy()
    for turn in range(rounds):
        sh = solve_light(seen, albedo, count=count, use=skin, ridge=ridge * (1 if turn else 3))
        light = (irradiance_basis(seen.normals)[:, :, None] * sh[seen.photo]).sum(1)
        floor = 0.12 * sh[seen.photo, 0] / 3.545
        delit = (seen.colors / torch.maximum(light, floor)).clamp(0.005, 0.98)
        gauge = (
            level / delit[skin & (seen.facing > 0.5)].median(0).values
        )  # the product is seen, the split is not: keep the skin's tone
        delit, sh = (delit * gauge).clamp(0.005, 0.98), sh / gauge
        paint = paint_nodes(paint, seen, delit, node_region=node_region, near_surface=near_surface)
        albedo = torch.sigmoid(sample_values(paint.values[:3], paint.origin, paint.cell_m, seen.points))
    return sh, paint


def paint_nodes(
    paint: Volume,
    seen: Survey,
    albedo: Float[Tensor, "P 3"],
    *,
    node_region: Int[Tensor, "M"],
    near_surface: np.ndarray,
) -> Volume:
    """Albedo at the nodes of a volume: from the photos, else from the mirrored place, else spread from around."""
    keep = (seen.weight > 0.3) & (seen.facing > 0.2)
    points, values = seen.points[keep].numpy(), albedo[keep].log().numpy()
    trust = (seen.weight * seen.facing.clamp(min=0) ** 2)[keep].numpy()
    kind = torch.full_like(seen.label, 0)
    kind[seen.label == Region.HAIR] = 1
    kind[seen.label == Region.CLOTH] = 2
    kind = kind[keep].numpy()
    nodes = paint.nodes().numpy()
    tree = spatial.KDTree(points)
    near = 2.5 * paint.cell_m
    known, spread = _gather(tree, nodes, values, trust, near, ask=near_surface)
    twin, twin_color = _gather(
        tree, nodes * np.array([-1.0, 1.0, 1.0]), values, trust, near, ask=near_surface & (known < 1)
    )
    region = node_region.numpy()
    result = np.zeros((len(nodes), 3))
    for which in (0, 1, 2):
        mine = region == which
        if not mine.any():
            continue
        own, other = np.where(mine, known**2, 0.0), np.where(mine, 0.5 * twin * (1 - known), 0.0)
        weight = own + other
        colors = (own[:, None] * spread + other[:, None] * twin_color) / np.maximum(weight, 1e-12)[:, None]
        same = kind == which
        default = np.average(values[same], axis=0, weights=trust[same] + 1e-6) if same.sum() > 50 else None
        filled = push_pull(
            torch.from_numpy(colors.T.reshape(3, *paint.shape)).float(),
            torch.from_numpy(weight.reshape(paint.shape)).float(),
            default=None if default is None else torch.from_numpy(default).float(),
        )
        result[mine] = filled.reshape(3, -1).T.numpy()[mine]
    # kinds of places meet in steps where nobody looked: blur those
    blurred = np.stack(
        [ndimage.gaussian_filter(result[:, k].reshape(paint.shape), 2.0).ravel() for k in range(3)], axis=-1
    )
    result += (1 - known.clip(0, 1))[:, None] * (blurred - result)
    linear = np.exp(result).clip(0.004, 0.985)
    logit = np.log(linear / (1 - linear))
    values_out = np.concatenate([logit, known[:, None].clip(0, 1)], axis=1).T.reshape(4, *paint.shape)
    return Volume(torch.from_numpy(values_out).float(), paint.origin, paint.cell_m)


def _gather(
    tree: spatial.KDTree, nodes: np.ndarray, values: np.ndarray, trust: np.ndarray, near: float, *, ask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the survey's log colours about each node, and how well it is known."""
    known, colors = np.zeros(len(nodes)), np.zeros((len(nodes), 3))
    distance, index = tree.query(nodes[ask], k=8, distance_upper_bound=near)
    found = np.isfinite(distance)
    index = np.where(found, index, 0)
    weight = np.where(found, np.exp(-((np.where(found, distance, 0) / (0.5 * near)) ** 2)) * trust[index], 0.0)
    total = weight.sum(1)
    colors[ask] = (values[index] * weight[..., None]).sum(1) / np.maximum(total, 1e-12)[:, None]
    known[ask] = np.clip(total / 0.15, 0, 1)
    return known, colors


def push_pull(
    values: Float[Tensor, "C D H W"], weight: Float[Tensor, "D H W"], *, default: Float[Tensor, "C"] | None
) -> Float[Tensor, "C D H W"]:
    """Fill what is unknown from ever coarser means of what is known (Gortler et al. 1996)."""
    levels = [(values[None] * weight, weight[None, None])]
    while max(levels[-1][1].shape[2:]) > 2:
        color, share = levels[-1]
        pooled = [
            torch.nn.functional.avg_pool3d(part, 2, ceil_mode=True, count_include_pad=False) for part in (color, share)
        ]
        levels.append((pooled[0], pooled[1]))
    color, share = levels[-1]
    fallback = color / share.clamp(min=1e-8) if default is None else default[None, :, None, None, None].expand_as(color)
    filled = torch.where(share > 1e-6, color / share.clamp(min=1e-8), fallback)
    for color, share in reversed(levels[:-1]):
        up = torch.nn.functional.interpolate(filled, size=color.shape[2:], mode="trilinear", align_corners=False)
        part = (share * 4).clamp(max=1.0)
        filled = part * color / share.clamp(min=1e-8) + (1 - part) * up
    return filled[0]
