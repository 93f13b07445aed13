"""Three feature planes XY, YZ, ZX (Chan et al. 2022, EG3D): a point's features are what its projections find, added."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import library_for, require
from head3d.kernels.lookup import lookup_op


def triplane(planes: Float[Tensor, "3 H W C"], points_unit: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
    """Interpolate three planes at the projections of points, and add up what is found.

    Args:
        planes: Channels last, so that a node is one run of memory. ``planes[k, i, j]`` lies at j / (W - 1) of
            coordinate k and at i / (H - 1) of coordinate k + 1 mod 3: XY, YZ, ZX.
        points_unit: In the unit cube; what lies outside is moved to its border and gets no gradient.

    Returns:
        Features, differentiable once in planes and points.
    """
    require("planes", planes, (3, None, None, None))
    require("points_unit", points_unit, (None, 3))
    if min(planes.shape[1:3]) < 2:
        raise ShapeError("planes", expected="at least two nodes along each axis", actual=str(tuple(planes.shape)))
    points = points_unit.to(planes.dtype)
    if library_for(planes, "triplane") is None:
        return triplane_torch(planes, points)
    return _triplane(planes, points)


def triplane_torch(planes: Tensor, points: Tensor) -> Tensor:
    """The same in plain torch, but exactly on the border: there torch's slope is 0, ours that of the cell."""
    u = torch.nan_to_num(points).clamp(0, 1) * 2 - 1
    pairs = torch.stack([u[:, [0, 1]], u[:, [1, 2]], u[:, [2, 0]]])[:, :, None]
    found = torch.nn.functional.grid_sample(
        planes.permute(0, 3, 1, 2), pairs, align_corners=True, padding_mode="border"
    )  # (3, C, P, 1)
    return found.sum(0).squeeze(-1).T


_triplane = lookup_op("triplane", sizes_from=1, part="triplane")
