"""What cloth looks like from near: fibres, ribs, twill and stitches in colour and normal, as wide as pixels allow."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.garments.sheets import Fabric
from head3d.geometry.easing import smoothstep

STITCH_IN_M, STITCH_M = 0.0052, 0.0026
"""Top stitching: how far from the cut edge, and the length of a stitch."""
STRIPE_M = 0.0105
"""Between the fine stripes of a tie."""
ROUND_M = 0.0016
"""A cut edge is folded over: its last millimetres turn down."""


@dataclass(frozen=True)
class Finish:
    """How a fabric reflects and what its surface is.

    Attributes:
        mottle: Relative spread of its colour, fibre by fibre.
        gloss: Of the sheen; 1 is as skin's.
        sharpness: Blinn-Phong exponent of the sheen.
        fuzz: Light that fibres at the outline send on, relative to the albedo.
        stitched: Whether cut edges are top stitched.
    """

    mottle: float
    gloss: float
    sharpness: float
    fuzz: float
    stitched: bool = False


FINISHES: dict[Fabric, Finish] = {
    Fabric.JERSEY: Finish(0.045, 0.0, 8.0, 0.10),
    Fabric.RIB: Finish(0.035, 0.0, 8.0, 0.10),
    Fabric.COTTON: Finish(0.018, 0.10, 12.0, 0.03, stitched=True),
    Fabric.WOOL: Finish(0.15, 0.05, 8.0, 0.16),
    Fabric.SILK: Finish(0.02, 0.9, 22.0, 0.04),
    Fabric.BUTTON: Finish(0.0, 1.6, 60.0, 0.0),
}


@dataclass(frozen=True)
class Touch:
    """What the near look changes.

    Attributes:
        tint: Factor on the albedo.
        slope: Rise of the surface along weft and warp.
        down: Rise of the surface away from the cut edge.
        groove: Rise of the surface across the seam.
    """

    tint: Float[Tensor, "P"]
    slope: Float[Tensor, "P 2"]
    down: Float[Tensor, "P"]
    groove: Float[Tensor, "P"]


def touch(
    fabric: Int[Tensor, "P"],
    uv_m: Float[Tensor, "P 2"],
    edge_m: Float[Tensor, "P"],
    seam_m: Float[Tensor, "P"],
    pixel_m: Float[Tensor, "P"],
) -> Touch:
    """The near look of places of cloth.

    Args:
        fabric: ``Fabric``.
        uv_m: Along weft and warp, metres.
        edge_m: To the cut edge.
        seam_m: To the seam, signed.
        pixel_m: Width of a pixel there: what is finer is left out.
    """
    u, v = uv_m.unbind(-1)
    mottle = _of(fabric, "mottle")

    def clear(wave_m: float) -> Tensor:
        return (1 - 2 * pixel_m / wave_m).clamp(0, 1)  # nothing below two pixels a wave

    fibre = (
        0.6 * _noise(uv_m / 0.0011, 1) * clear(0.0022) + 0.5 * _noise(uv_m / 0.0033, 2) + 0.3 * _noise(uv_m / 0.012, 3)
    )
    tint = 1 + mottle * fibre
    slope = torch.zeros_like(uv_m)
    rib = (fabric == int(Fabric.RIB)).to(u)
    wave = 2 * torch.pi / 0.0021
    slope[:, 0] += rib * 0.55 * torch.cos(wave * u) * clear(0.0021)
    tint = tint * (1 + rib * 0.07 * torch.sin(wave * u) * clear(0.0021))
    twill = (fabric == int(Fabric.WOOL)).to(u)
    diagonal = torch.sin(2 * torch.pi * (u + v) / 0.0019)
    tint = tint * (1 + twill * 0.035 * diagonal * clear(0.0019))
    silk = (fabric == int(Fabric.SILK)).to(u)
    reps = torch.cos(2 * torch.pi * (u - v) / 0.0016) * clear(0.0016)
    slope += silk[:, None] * 0.10 * torch.stack([reps, -reps], dim=-1)
    stripe = ((u + v) / STRIPE_M) % 1.0
    lines = torch.exp(-(((stripe - 0.5) * STRIPE_M / 0.0007) ** 2)) * clear(0.0014)
    tint = tint * (1 + silk * 0.55 * lines)
    slope += (
        (0.10 * mottle / 0.05)[:, None]
        * torch.stack([_noise(uv_m / 0.0025, 5), _noise(uv_m / 0.0025, 6)], dim=-1)
        * 0.35
    )
    stitched = _of(fabric, "stitched")
    line = stitched * torch.exp(-(((edge_m - STITCH_IN_M) / 0.0006) ** 2)) * clear(0.0012)
    dash = 0.5 + 0.5 * torch.sin(2 * torch.pi * (u + v) / STITCH_M)
    tint = tint * (1 - 0.10 * line * dash)
    # the edge: a quarter round; inside of the stitching a shallow hollow
    inside = (1 - edge_m / ROUND_M).clamp(0, 1)
    down = 1.1 * inside * inside
    down = down - stitched * 0.22 * (edge_m - STITCH_IN_M) / 0.0012 * torch.exp(
        -(((edge_m - STITCH_IN_M) / 0.0012) ** 2)
    )
    t = seam_m / 0.0013
    groove = 0.45 * t * torch.exp(-t * t)
    tint = tint * (1 - 0.07 * torch.exp(-((seam_m / 0.0008) ** 2)))
    return Touch(tint, slope, down, groove)


def _of(fabric: Int[Tensor, "P"], name: str) -> Float[Tensor, "P"]:
    table = torch.tensor([float(getattr(FINISHES[one], name)) for one in Fabric], device=fabric.device)
    return table[fabric]


def finish_of(fabric: Int[Tensor, "P"]) -> Float[Tensor, "P 3"]:
    """Gloss, sharpness and fuzz of places."""
    return torch.stack([_of(fabric, name) for name in ("gloss", "sharpness", "fuzz")], dim=-1)


def _noise(at: Float[Tensor, "P 2"], seed: int) -> Float[Tensor, "P"]:
    """Value noise of unit cells, about [-1, 1], smooth."""
    low = at.floor()
    t = at - low
    t = smoothstep(t)
    corner = low.long()

    def value(dx: int, dy: int) -> Tensor:
        h = (corner[:, 0] + dx) * 374761393 + (corner[:, 1] + dy) * 668265263 + seed * 1442695041
        h = (h ^ (h >> 13)) * 1274126177
        return ((h ^ (h >> 16)) & 0xFFFF).to(at) / 32767.5 - 1

    top = value(0, 0) * (1 - t[:, 0]) + value(1, 0) * t[:, 0]
    bottom = value(0, 1) * (1 - t[:, 0]) + value(1, 1) * t[:, 0]
    return (top * (1 - t[:, 1]) + bottom * t[:, 1]) * 1.4
