"""Directions spread over the sphere."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def even_directions(count: int, *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "K 3"]:
    """Unit vectors spread evenly over the sphere: a Fibonacci lattice whose poles are +z and -z.

    >>> even_directions(4)[:, 2]
    tensor([ 0.7500,  0.2500, -0.2500, -0.7500])
    """
    i = torch.arange(count, dtype=dtype) + 0.5
    z = 1 - 2 * i / count
    azimuth = math.pi * (1 + 5**0.5) * i
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)
