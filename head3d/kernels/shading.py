"""Light on matte surfaces: harmonics of order 2 (Ramamoorthi & Hanrahan 2001), and lamps. Legend: N lights, L lamps."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.ops import kernel_op

LAMP_M = 1e-3
"""Nearer than this a lamp is no point any more: 1 / distance^3 stays what it is there."""


def shade_sh(
    albedo: Float[Tensor, "R 3"],
    normal: Float[Tensor, "R 3"],
    *,
    sh: Float[Tensor, "N 9 3"],
    light: Int[Tensor, "R"],
    darkest: float,
) -> Float[Tensor, "R 3"]:
    """Light each surface with its own of several skies: albedo / pi * irradiance(normal), kept positive smoothly.

    Args:
        albedo: Linear RGB.
        normal: Unit outward normals, head frame.
        sh: Incident radiance, linear RGB, coefficients l*l + l + m (see ``geometry.conventions``).
        light: Which of them lights a surface. A GPU moves an index out of range into it.
        darkest: Irradiance never falls below this part of the ambient light; it leaves Lambert's law at twice that.

    Returns:
        Linear RGB radiance, not clamped above, differentiable once in albedo, normal and sh. The floor is a constant.
    """
    require("albedo", albedo, (None, 3))
    require("normal", normal, (len(albedo), 3))
    require("sh", sh, (None, 9, 3))
    require("light", light, (len(albedo),), integer=True)
    if light.device.type == "cpu" and len(light):  # to ask a GPU would be to wait for it
        low, high = (int(end) for end in torch.aminmax(light))
        if low < 0 or high >= len(sh):
            raise ShapeError("light", expected=f"indices of {len(sh)} lights", actual=f"{low} to {high}")
    inputs = albedo, normal.to(albedo.dtype), sh.to(albedo.dtype), light.long()
    return (_shade_sh if _compiled(albedo) else shade_sh_torch)(*inputs, darkest)


def shade_lamps(
    albedo: Float[Tensor, "R 3"],
    normal: Float[Tensor, "R 3"],
    *,
    points: Float[Tensor, "R 3"],
    positions: Float[Tensor, "L 3"],
    intensities: Float[Tensor, "L 3"],
) -> Float[Tensor, "R 3"]:
    """Light surfaces with lamps: albedo / pi * sum of intensity * max(cos, 0) / distance^2; nothing throws shadows.

    Args:
        albedo: Linear RGB.
        normal: Unit outward normals, head frame.
        points: Where the surfaces are, metres, head frame; without gradient.
        positions: Of the lamps, metres, head frame; without gradient.
        intensities: Linear RGB of the lamps: a white surface that faces one at 1 m has this radiance over pi.

    Returns:
        Linear RGB radiance, differentiable once in albedo, normal and intensities.
    """
    require("albedo", albedo, (None, 3))
    require("normal", normal, (len(albedo), 3))
    require("points", points, (len(albedo), 3))
    require("positions", positions, (None, 3))
    require("intensities", intensities, (len(positions), 3))
    others = (t.to(albedo.dtype) for t in (normal, points.detach(), positions.detach(), intensities))
    return (_shade_lamps if _compiled(albedo) else shade_lamps_torch)(albedo, *others)


def irradiance_basis(normal: Float[Tensor, "R 3"]) -> Float[Tensor, "R 9"]:
    """Harmonics times the Lambert factors (pi, 2 pi / 3, pi / 4) over pi; as ``geometry.sh``, which lies above us."""
    x, y, z = normal.unbind(-1)
    c0, c1 = 0.5 / math.sqrt(math.pi), math.sqrt(1 / (3 * math.pi))
    c2, c20 = math.sqrt(15 / (64 * math.pi)), math.sqrt(5 / (256 * math.pi))
    first = [torch.full_like(x, c0), c1 * y, c1 * z, c1 * x]
    second = [c2 * x * y, c2 * y * z, c20 * (3 * z * z - 1), c2 * x * z, c2 / 2 * (x * x - y * y)]
    return torch.stack([*first, *second], dim=-1)


def shade_sh_torch(albedo: Tensor, normal: Tensor, sh: Tensor, light: Tensor, darkest: float) -> Tensor:
    """The same in plain torch."""
    mine = sh[light]
    bright = (irradiance_basis(normal)[:, :, None] * mine).sum(1)
    floor = darkest * mine[:, 0].abs().detach() / (2 * math.sqrt(math.pi))
    above = bright / floor.clamp(min=1e-6) - 2
    return albedo * torch.where(bright > 2 * floor, bright, floor * (1 + torch.exp(above.clamp(max=0.0))))


def shade_lamps_torch(albedo: Tensor, normal: Tensor, points: Tensor, positions: Tensor, intensities: Tensor) -> Tensor:
    """The same in plain torch."""
    way = positions - points[:, None]
    square = way.square().sum(-1).clamp(min=LAMP_M**2)
    part = torch.relu((normal[:, None] * way).sum(-1)) / (math.pi * square * square.sqrt())
    return albedo * (part @ intensities)


def _compiled(tensor: Tensor) -> bool:
    return library_for(tensor) is not None


def _wanted(written: tuple[Tensor, ...], added: Tensor, which: int) -> list[Tensor]:
    """Room for the gradients whose bit is set in ``which``, with zeros where the kernel adds; the others empty."""
    made = [torch.empty_like(t) if which >> bit & 1 else t.new_empty(0) for bit, t in enumerate(written)]
    return [*made, torch.zeros_like(added) if which >> len(written) & 1 else added.new_empty(0)]


def _asked(ctx, inputs: tuple[int, ...]) -> int:
    return sum(1 << bit for bit, index in enumerate(inputs) if ctx.needs_input_grad[index])


@kernel_op("shade_sh")
def _shade_sh(albedo: Tensor, normal: Tensor, sh: Tensor, light: Tensor, darkest: float) -> Tensor:
    albedo, normal, sh, light = (t.contiguous() for t in (albedo, normal, sh, light))
    out = torch.empty_like(albedo)
    call_for(albedo, "shade_sh_fwd", albedo, normal, len(albedo), sh, len(sh), light, darkest, out)
    return out


@kernel_op("shade_sh_backward")
def _shade_sh_backward(
    g_out: Tensor, albedo: Tensor, normal: Tensor, sh: Tensor, light: Tensor, darkest: float, which: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Bits 0, 1, 2 of ``which`` ask for the gradients of albedo, normal and sh; else they are empty."""
    albedo, normal, sh, light = (t.contiguous() for t in (albedo, normal, sh, light))
    made = _wanted((albedo, normal), sh, which)
    pointers = [one if which >> bit & 1 else None for bit, one in enumerate(made)]
    sizes = len(albedo), sh, len(sh), light, darkest
    call_for(albedo, "shade_sh_bwd", albedo, normal, *sizes, g_out.contiguous(), *pointers)
    return made[0], made[1], made[2]


@_shade_sh.register_fake
def _(albedo, normal, sh, light, darkest):
    return albedo.new_empty(albedo.shape)


@_shade_sh_backward.register_fake
def _(g_out, albedo, normal, sh, light, darkest, which):
    return tuple(t.new_empty(t.shape if which >> bit & 1 else 0) for bit, t in enumerate((albedo, normal, sh)))


def _save_sh(ctx, inputs, output):
    *tensors, ctx.darkest = inputs
    ctx.save_for_backward(*tensors)


def _backward_sh(ctx, g_out):
    which = _asked(ctx, (0, 1, 2))
    made = _shade_sh_backward(g_out, *ctx.saved_tensors, ctx.darkest, which)
    return *(one if which >> bit & 1 else None for bit, one in enumerate(made)), None, None


_shade_sh.register_autograd(_backward_sh, setup_context=_save_sh)


@kernel_op("shade_lamps")
def _shade_lamps(albedo: Tensor, normal: Tensor, points: Tensor, positions: Tensor, intensities: Tensor) -> Tensor:
    albedo, normal, points, positions, intensities = (
        t.contiguous() for t in (albedo, normal, points, positions, intensities)
    )
    out = torch.empty_like(albedo)
    call_for(
        albedo, "shade_lamps_fwd", albedo, normal, points, len(albedo), positions, intensities, len(positions), out
    )
    return out


@kernel_op("shade_lamps_backward")
def _shade_lamps_backward(
    g_out: Tensor, albedo: Tensor, normal: Tensor, points: Tensor, positions: Tensor, intensities: Tensor, which: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Bits 0, 1, 2 of ``which`` ask for the gradients of albedo, normal and intensities; else they are empty."""
    albedo, normal, points, positions, intensities = (
        t.contiguous() for t in (albedo, normal, points, positions, intensities)
    )
    made = _wanted((albedo, normal), intensities, which)
    pointers = [one if which >> bit & 1 else None for bit, one in enumerate(made)]
    lamps = positions, intensities, len(positions)
    call_for(albedo, "shade_lamps_bwd", albedo, normal, points, len(albedo), *lamps, g_out.contiguous(), *pointers)
    return made[0], made[1], made[2]


@_shade_lamps.register_fake
def _(albedo, normal, points, positions, intensities):
    return albedo.new_empty(albedo.shape)


@_shade_lamps_backward.register_fake
def _(g_out, albedo, normal, points, positions, intensities, which):
    shapes = albedo, normal, intensities
    return tuple(t.new_empty(t.shape if which >> bit & 1 else 0) for bit, t in enumerate(shapes))


def _save_lamps(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward_lamps(ctx, g_out):
    which = _asked(ctx, (0, 1, 4))
    made = _shade_lamps_backward(g_out, *ctx.saved_tensors, which)
    g_albedo, g_normal, g_intensities = (one if which >> bit & 1 else None for bit, one in enumerate(made))
    return g_albedo, g_normal, None, None, g_intensities


_shade_lamps.register_autograd(_backward_lamps, setup_context=_save_lamps)
