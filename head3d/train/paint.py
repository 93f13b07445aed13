"""The paint: a coarse volume of albedo taken from the photos, whole also where no photo looked."""

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.volumes import Volume
from head3d.perception.types import Region
from head3d.train.fill import SKIN, USUAL, spread, weighted_median
from head3d.train.kinds import CLOTH, NodeKinds, kind_of
from head3d.train.survey import Survey

HAIRLINE_CELLS = 2.0
"""Blur of unseen hairlines."""
GLIMPSE = 0.15
"""A node known less than this counts as not seen."""


def paint_nodes(
    paint: Volume,
    seen: Survey,
    albedo: Float[Tensor, "P 3"],
    *,
    kinds: NodeKinds,
    near_surface: np.ndarray,
) -> Volume:
    """Albedo at the nodes of a volume: from the photos, else from the mirrored place, else spread from around."""
    keep = (seen.weight > 0.05) & ((seen.facing > 0.2) | (seen.label == Region.HAIR))
    points, values = seen.points[keep].numpy(), albedo[keep].log().numpy()
    facing = torch.where(seen.label == Region.HAIR, 0.7, seen.facing.clamp(min=0) ** 2)  # strands have no one normal
    trust = (seen.weight * facing)[keep].numpy()
    kind = kind_of(seen.label[keep]).numpy()
    nodes = paint.nodes().numpy()
    mirrored = nodes * np.array([-1.0, 1.0, 1.0])
    near = 2.5 * paint.cell_m
    known, result = _gather(spatial.KDTree(points), nodes, values, trust, near, ask=near_surface)
    region = kinds.kind.numpy()
    band = ndimage.binary_dilation(near_surface.reshape(paint.shape), iterations=2).ravel()
    for which in (0, 1, 2):
        mine, same = region == which, kind == which
        if not mine.any():
            continue
        if not same.any():
            same = np.ones(len(kind), dtype=bool)
        # what spreads to unseen places is their own kind only: no skin onto a collar, no shirt onto a neck
        tree, of_kind, word = spatial.KDTree(points[same]), values[same], trust[same]
        own, color = _gather(tree, nodes, of_kind, word, near, ask=near_surface & mine)
        twin, twin_color = _gather(tree, mirrored, of_kind, word, near, ask=near_surface & mine & (own < 1))
        # a stray look at a border says nothing about the cloth behind it
        own = np.where(own > GLIMPSE, own**2, 0.0)
        other = np.where(twin > GLIMPSE, 0.5 * twin * (1 - own), 0.0)
        weight = own + other
        colors = (own[:, None] * color + other[:, None] * twin_color) / np.maximum(weight, 1e-12)[:, None]
        usual = weighted_median(of_kind, word + 1e-6)
        guess = push_pull(
            torch.from_numpy(colors.T.reshape(3, *paint.shape)).float(),
            torch.from_numpy(weight.reshape(paint.shape)).float(),
            default=torch.from_numpy(usual).float(),
        )
        first = np.where(weight[:, None] > GLIMPSE**2, colors, guess.reshape(3, -1).T.numpy())
        if which != SKIN:
            far = weight < USUAL
            first[far], weight[far] = usual, USUAL
        filled = spread(first, weight, band=band & mine, kind=region, shape=paint.shape)
        sure = known[mine, None].clip(0, 1)
        result[mine] = sure * result[mine] + (1 - sure) * filled[mine]
    # hair thins out over skin: blurred where they meet unseen, with nothing off the surface; a collar is sharp
    soft = band & (region != CLOTH)
    unseen = 1 - known.clip(0, 1)
    blurred = _mean_within(result, soft, paint.shape, cells=HAIRLINE_CELLS)
    result += np.where(soft, unseen, 0.0)[:, None] * (blurred - result)
    # nodes are too coarse for a straight border: the two beside it take some of the other's colour
    clothed = _crossing(kinds.clothed.numpy().reshape(paint.shape)).ravel()
    part = np.where(region == CLOTH, 1 - clothed, clothed)
    other = np.where(
        (region == CLOTH)[:, None],
        _mean_within(result, soft, paint.shape, cells=1.0),
        _mean_within(result, band & (region == CLOTH), paint.shape, cells=1.0),
    )
    result += np.where(band, part * unseen, 0.0)[:, None] * (other - result)
    linear = np.exp(result).clip(0.004, 0.985)
    logit = np.log(linear / (1 - linear))
    values_out = np.concatenate([logit, known[:, None].clip(0, 1)], axis=1).T.reshape(4, *paint.shape)
    return Volume(torch.from_numpy(values_out).float(), paint.origin, paint.cell_m)


def _mean_within(values: np.ndarray, mask: np.ndarray, shape: tuple[int, int, int], *, cells: float) -> np.ndarray:
    """Gaussian means of columns over the nodes of a mask; the values themselves where there are none about."""
    amount = ndimage.gaussian_filter(mask.reshape(shape).astype(float), cells).ravel()
    sums = [ndimage.gaussian_filter((column * mask).reshape(shape), cells).ravel() for column in values.T]
    return np.where(amount[:, None] > 1e-3, np.stack(sums, axis=-1) / np.maximum(amount, 1e-3)[:, None], values)


def _crossing(value: np.ndarray) -> np.ndarray:
    """How much of each node's cell lies on the positive side of a value's zero, in [0, 1]."""
    slope = np.sqrt(sum(part**2 for part in np.gradient(value)))
    return (value / np.maximum(slope, 1e-3) + 0.5).clip(0, 1)


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
    known[ask] = np.clip((total - 0.2) / 1.0, 0, 1)
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
