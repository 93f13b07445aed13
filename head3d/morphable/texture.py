"""De-lit vertex colours from all photos, and each photo's light.

Light first, from skin of one colour; then colour, from light: with both free the colour would swallow the shading.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from scipy.spatial import KDTree
from torch import Tensor

from head3d.geometry.mesh import vertex_normals
from head3d.geometry.sh import irradiance_basis, sh_basis
from head3d.geometry.sphere import even_directions
from head3d.morphable.flow import DEPTH_TOLERANCE_M, SurfacePicture, picture_surface
from head3d.morphable.state import FitState
from head3d.morphable.types import HeadModel
from head3d.morphable.windows import WINDOW_PX, Window, look_up
from head3d.perception.types import Region

ROUNDS = 2
LAMPS = 64
EVEN_SKY = 0.004
"""Pull of every lamp to the mean brightness, over the mean squared effect of all: lamps behind the head stay even."""
DARKEST_SHADE = 0.15
"""Shading below this fraction of the mean carries no colour: an albedo divided by it would be noise."""


def fit_texture(
    model: HeadModel, state: FitState, windows: Sequence[Window]
) -> tuple[Float[Tensor, "V 3"], Float[Tensor, "N 9 3"]]:
    """Albedo (linear RGB per vertex) and SH light per photo (head frame).

    The product of albedo and light is all that photos tell. The gauge: the most frontal photo's face is lit by 1 on
    average and in every channel, so its average colour is the skin's.
    """
    colors, weights = _sample(model, state, windows)
    normals = torch.stack([vertex_normals(state.vertices(model, i), model.faces) for i in range(state.photos)])
    basis = irradiance_basis(normals)
    skin = torch.zeros(len(model.mean), dtype=torch.bool)
    skin[model.groups["face"]] = True
    for name in ("lips", "brows", "eyelids"):
        if name in model.groups:
            skin[model.groups[name]] = False
    primary = int(np.argmin([abs(state.yaw_pitch_deg(i)[0]) for i in range(state.photos)]))
    tone = _weighted_median(colors[primary][skin], weights[primary][skin])
    albedo = tone.expand(len(model.mean), 3).clone()
    sh = torch.zeros(state.photos, 9, 3)
    for k in range(ROUNDS):
        for i in range(state.photos):
            sh[i] = solve_light(colors[i], albedo, basis[i], weights[i] * skin)
        gauge = _mean_shade(basis[primary], sh[primary], weights[primary] * skin)
        sh = sh / gauge
        shade = torch.einsum("nvk,nkc->nvc", basis, sh)
        floor = DARKEST_SHADE * shade.mean(1, keepdim=True).clamp(min=1e-3)
        trusted = weights[:, :, None] * (shade > floor)
        summed = (trusted * colors / shade.clamp(min=1e-3)).sum(0)
        total = trusted.sum(0)
        albedo = _fill(model, state, summed, total, last=k == ROUNDS - 1)
    return albedo.clamp(0.005, 0.98), sh


def solve_light(
    colors: Float[Tensor, "V 3"], albedo: Float[Tensor, "V 3"], basis: Float[Tensor, "V 9"], weights: Float[Tensor, "V"]
) -> Float[Tensor, "9 3"]:
    """SH light of one photo from the colours of vertices of known albedo.

    Free SH coefficients fit the seen side and turn black or negative on the other. So the light is a sky of lamps that
    cannot be negative, pulled towards an even sky: least squares over lamps >= 0, robust against cast shadows and
    highlights, then projected to SH.
    """
    result = torch.zeros(9, 3)
    result[0] = 2 * math.pi**0.5
    if float(weights.sum()) < 1.0:
        return result
    lamps = sh_basis(_lamp_directions()) * (4 * math.pi / LAMPS)  # all at 1: an even sky of radiance 1
    shade = basis @ lamps.T.float()
    for channel in range(3):
        rows = shade * albedo[:, channel, None]
        even = _weighted_median((colors[:, channel] / albedo[:, channel])[:, None], weights)[0]
        robust = weights.clone()
        lamp = torch.full((LAMPS,), float(even))
        for _ in range(3):
            weighted = rows * robust[:, None]
            matrix = (weighted.T @ rows).double()
            ridge = EVEN_SKY * float(matrix.diagonal().mean()) * LAMPS
            matrix = matrix + ridge * torch.eye(LAMPS, dtype=torch.float64)
            vector = (weighted.T @ colors[:, channel]).double() + ridge * even.double()
            factor = torch.linalg.cholesky(matrix)
            target = torch.linalg.solve_triangular(factor, vector[:, None], upper=False)[:, 0]
            lamp = torch.from_numpy(nnls(factor.T.numpy(), target.numpy())[0]).float()
            error = (rows @ lamp - colors[:, channel]).abs()
            scale = _weighted_median(error[:, None], weights)[0] * 1.48 + 1e-4
            robust = weights / (1 + (error / (2 * scale)) ** 2)
        result[:, channel] = lamps.T.float() @ lamp
    return result


def _lamp_directions() -> Float[Tensor, "K 3"]:
    return even_directions(LAMPS, dtype=torch.float64)[:, [0, 2, 1]]  # from above to below


def _sample(
    model: HeadModel, state: FitState, windows: Sequence[Window]
) -> tuple[Float[Tensor, "N V 3"], Float[Tensor, "N V"]]:
    colors, weights = [], []
    for i, window in enumerate(windows):
        picture = picture_surface(model, state, window, photo=i)
        colors.append(torch.from_numpy(look_up(window.rgb_linear, picture.vertices_px)))
        weights.append(torch.from_numpy(_trust(picture, window)))
    return torch.stack(colors), torch.stack(weights)


def _trust(picture: SurfacePicture, window: Window) -> np.ndarray:
    """Weight of each vertex in one photo: visible, facing the camera, on the person and not on cloth."""
    px = picture.vertices_px
    inside = (px > 1).all(-1) & (px < WINDOW_PX - 1).all(-1)
    at = np.clip(np.nan_to_num(px).astype(int), 0, WINDOW_PX - 1)
    depth = look_up(picture.depth, px)
    visible = np.abs(depth - picture.vertices_depth) < DEPTH_TOLERANCE_M
    labels = window.labels[at[:, 1], at[:, 0]]
    person = ~np.isin(labels, (Region.BACKGROUND, Region.CLOTH, Region.GLASSES)) & (
        window.matte[at[:, 1], at[:, 0]] > 0.9
    )
    facing = np.clip((picture.vertices_cosine - 0.15) / 0.85, 0, 1) ** 2
    return np.where(inside & visible & person, facing, 0).astype(np.float32)


def _weighted_median(values: Float[Tensor, "K C"], weights: Float[Tensor, "K"]) -> Float[Tensor, "C"]:
    answer = []
    for column in values.unbind(-1):
        order = column.argsort()
        total = weights[order].cumsum(0)
        answer.append(column[order[int(torch.searchsorted(total, total[-1] / 2).clamp(max=len(order) - 1))]])
    return torch.stack(answer)


def _mean_shade(basis: Tensor, sh: Tensor, weights: Tensor) -> Float[Tensor, "3"]:
    shade = basis @ sh
    return ((weights[:, None] * shade).sum(0) / weights.sum().clamp(min=1e-6)).clamp(min=1e-3)


def _fill(model: HeadModel, state: FitState, summed: Tensor, total: Tensor, *, last: bool) -> Float[Tensor, "V 3"]:
    """Divide; unseen vertices take their mirror's colour where seen, else the mean of the nearest seen ones."""
    both = summed + 0.02 * summed[model.mirror]  # hardly anything where the vertex itself is seen
    weight = total + 0.02 * total[model.mirror]
    seen = weight.min(-1).values > 0.01
    if not bool(seen.any()):
        return torch.full_like(summed, 0.4)
    albedo = both / weight.clamp(min=1e-6)
    if last and not bool(seen.all()):
        vertices = state.vertices(model, None).numpy()
        _, near = KDTree(vertices[seen.numpy()]).query(vertices[~seen.numpy()], k=min(24, int(seen.sum())))
        albedo[~seen] = albedo[seen][torch.from_numpy(np.asarray(near)).reshape(int((~seen).sum()), -1)].mean(1)
    elif not bool(seen.all()):
        albedo[~seen] = albedo[seen].mean(0)
    return albedo
