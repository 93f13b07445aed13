"""The light of a photo as a sky and few lamps.

Free harmonics explain skin by anything: a lamp on a side nobody sees, or shading that belongs to the albedo. Light is
mostly a sky and few lamps of positive power; asked for that, a head of one colour tells its light twice as well.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from head3d.geometry.sh import ambient, project_directional

LAMPS = 200
"""Directions a lamp may have: 15 degrees apart."""
ROUNDS = 4
"""Reweightings: highlights, brows and what the albedo has wrong must not make lamps."""
TOLERANCE = 1.5
"""Errors beyond so many medians count less."""


def lamp_directions(count: int = LAMPS) -> Float[Tensor, "L 3"]:
    """Unit vectors spread evenly over the sphere (a Fibonacci lattice)."""
    k = torch.arange(count) + 0.5
    z, azimuth = 1 - 2 * k / count, math.pi * (1 + 5**0.5) * k
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)


def lamp_shading(normals: Float[Tensor, "P 3"]) -> Float[Tensor, "P L"]:
    """Radiance of white matte surfaces under each lamp of unit irradiance, and last under a sky of unit radiance."""
    facing = (normals.double() @ lamp_directions().double().T).clamp_min(0)
    return torch.cat([facing / math.pi, torch.ones(len(facing), 1, dtype=facing.dtype)], dim=1)


def lamp_harmonics() -> Float[Tensor, "L 9"]:
    """Harmonics of the same lamps and sky, as ``irradiance_basis`` takes them."""
    white = torch.ones(3)
    lamps = [project_directional(place, white)[:, 0] for place in lamp_directions()]
    return torch.stack([*lamps, ambient(white)[:, 0]])


def fit_lamps(
    shading: Float[Tensor, "P L"],
    seen: Float[Tensor, "P"],
    *,
    thrift: float = 0.0,
    near: Float[Tensor, "L"] | None = None,
    pull: float = 0.0,
) -> tuple[Float[Tensor, "L"], Float[Tensor, "P"]]:
    """Non-negative powers of lamps and sky (last) that explain what is seen: robust least squares with few lamps.

    Args:
        shading: What each gives each row at unit power.
        seen: Luminance of the rows.
        thrift: Price of lamp power, as a fraction of what the brightest lamp's rows would pay for it.
        near: Powers to stay near to, where the rows do not tell.
        pull: How strongly, against what the rows say of a usual lamp.

    Returns:
        Powers, and the weight each row ended with.
    """
    A, b = shading.double(), seen.double()
    count = A.shape[1]
    price = thrift**2 * float(A[:, :-1].square().sum(0).max())
    weight = torch.ones_like(b)
    power = torch.zeros(count, dtype=torch.float64)
    lamps = torch.ones(count, dtype=torch.float64)
    lamps[-1] = 0
    for _ in range(ROUNDS):
        gram = (A * weight[:, None]).T @ A
        usual = float(gram.diagonal().mean())
        goal = A.T @ (weight * b)
        gram = gram + price * torch.outer(lamps, lamps)
        if near is not None:
            gram = gram + pull * usual * torch.eye(count, dtype=torch.float64)
            goal = goal + pull * usual * near.double()
        root = torch.linalg.cholesky(gram + 1e-9 * usual * torch.eye(count, dtype=torch.float64))
        right = torch.linalg.solve_triangular(root, goal[:, None], upper=False)[:, 0]
        power = torch.from_numpy(nnls(np.ascontiguousarray(root.T.numpy()), right.numpy(), maxiter=20 * count)[0])
        error = (A @ power - b).abs()
        weight = 1 / (1 + (error / (TOLERANCE * error.median() + 1e-6)).square())
    return power, weight
