"""The very last step: what the finished field's colours leave out of each photo is kept beside it (field/detail.py)."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.detail import DEPTH_TOLERANCE_M, RANGE, SOFT, PhotoDetail, packed
from head3d.geometry.cameras import Cameras, project
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.color import linear_from_srgb
from head3d.perception.types import Region
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view
from head3d.train.cameras import refined_cameras
from head3d.train.choice import DECISIVE, sampled
from head3d.train.grain import Kinds, Swatch, add_grain, shown_kinds, swatch
from head3d.train.rays import TrainPhoto
from head3d.train.state import TrainState
from head3d.train.texture import SOLID, edges, mean_about

FINER_M = 0.003
"""What is coarser than this is light and shade: the field's colours know it better."""
FADE_M = 0.002
"""Over this width detail fades out towards what does not count."""
GLINT = 0.15
"""Eyes get no brighter than this logarithm: the photo's own catchlights are not theirs under other light."""
LEAST_PX = 400
"""A photo with the word on fewer pixels adds nothing."""
MOST_PHOTOS = 8
"""More are left out, those with the least to say first: each is a few megabytes."""
TURNS = 4
"""Steps of undoing an expression the other way round."""


@torch.no_grad()
def add_details(
    state: TrainState,
    photos: Sequence[TrainPhoto],
    deformation: Deformation,
    choice: Float[Tensor, "photos D H W"],
    *,
    kinds: Int[Tensor, "M"] | None = None,
) -> None:
    """Give a finished field the detail of its photos, in place.

    Args:
        state: Finished, its cache refreshed.
        photos: What it was trained on.
        deformation: Their expressions.
        choice: How well each photo shows the places of the field's box.
        kinds: Of each node of the paint, 0 skin, 1 hair, 2 clothes; all one kind if None.
    """
    trained = state.field
    cameras = refined_cameras(tuple(photo.camera for photo in photos), trained.turn.cpu(), trained.shift.cpu())
    best = choice.amax(0).clamp(min=1e-9)
    shares = (choice / best) ** DECISIVE
    shares = shares / shares.sum(0).clamp(min=1e-9)
    made: list[tuple[int, PhotoDetail]] = []
    swatches: list[Swatch] = []
    parts = Kinds(trained, kinds)
    for number, (photo, camera) in enumerate(zip(photos, cameras, strict=True)):
        view = View(photo.name, camera, Lighting(trained.sh[number].detach().cpu()))
        posed = render_view(trained, view, cache=state.cache, deformation=deformation, photo=number)
        change, says = left_out(posed, photo)
        neutral = render_view(trained, view, cache=state.cache)
        stack = np.concatenate([change, says[..., None], shown_kinds(photo.labels)], axis=-1)
        found = _onto_neutral(neutral, camera, stack, posed, deformation, number)
        told = found.numpy()
        if (pieces := swatch(neutral, camera, told[..., :3], told[..., 3], told[..., 4:])) is not None:
            swatches.append(pieces)
        points = backproject(neutral.depth_m, camera).reshape(-1, 3)
        share = sampled(shares[number], points.to(shares)).cpu().reshape(neutral.depth_m.shape)
        weight = found[..., 3] * share
        pixels = int((weight > 0.5).sum())
        if pixels >= LEAST_PX:
            made.append((pixels, packed(found[..., :3], weight, neutral.depth_m, camera)))
    made.sort(key=lambda one: -one[0])
    trained.details.extend(detail for _, detail in made[:MOST_PHOTOS])
    trained.details.to(trained.paint.device)
    add_grain(trained, state.cache, swatches, kinds=parts, generator=state.generator)


def left_out(posed: RenderOutput, photo: TrainPhoto) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Logarithm of a photo over the field's picture of it, without what is smooth; and where that means anything."""
    camera = photo.camera
    pixel_m = (
        float(posed.depth_m[posed.depth_m > 0].median() / camera.K[0, 0, 0]) if (posed.depth_m > 0).any() else 1e-3
    )
    wanted = linear_from_srgb(torch.from_numpy(photo.rgb_srgb).float() / 255)
    change = ((wanted + SOFT) / (posed.rgb_linear.clamp(min=0) + SOFT)).log().numpy()
    solid = _solid(posed, photo)
    smooth = mean_about(change, solid.astype(np.float32), sigma_px=FINER_M / pixel_m)
    fine = np.clip(change - smooth, -RANGE, RANGE)
    eyes = photo.labels == Region.EYES
    fine[eyes] = np.minimum(fine[eyes], GLINT)
    away = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 3)
    return fine, np.clip(away * pixel_m / FADE_M, 0, 1)


def _solid(posed: RenderOutput, photo: TrainPhoto) -> Bool[np.ndarray, "H W"]:
    """Pixels that show one surface, and nothing of the wall."""
    sure = (posed.alpha > 0.97) & (posed.depth_m > 0) & ~edges(posed.depth_m)
    return sure.numpy() & (photo.color_weight > 0) & (photo.matte > SOLID)


def _onto_neutral(
    neutral: RenderOutput,
    camera: Cameras,
    told: Float[np.ndarray, "H W C"],
    posed: RenderOutput,
    deformation: Deformation,
    number: int,
) -> Float[Tensor, "H W C"]:
    """What a photo tells, moved to where its camera would see it on the neutral head; 0 for places it does not show."""
    size = neutral.depth_m.shape
    points = backproject(neutral.depth_m, camera).reshape(-1, 3)
    moved = bent(points, deformation, number)
    place, z = project(moved, camera.c2w[0], camera.K[0])
    at = (place / place.new_tensor([size[1], size[0]]) * 2 - 1)[None, None]
    stack = torch.from_numpy(told).float().permute(2, 0, 1)[None]
    found = torch.nn.functional.grid_sample(stack, at, align_corners=False, padding_mode="zeros")[0, :, 0].T
    depth = torch.nn.functional.grid_sample(posed.depth_m[None, None], at, mode="nearest", align_corners=False)
    hidden = ((depth[0, 0, 0] - z).abs() > DEPTH_TOLERANCE_M[0]) | (neutral.depth_m.reshape(-1) <= 0)
    found[hidden] = 0.0
    return found.reshape(*size, -1)


def bent(points_m: Float[Tensor, "P 3"], deformation: Deformation, number: int) -> Float[Tensor, "P 3"]:
    """Where places of the neutral head are in a photo: the inverse of ``Deformation.to_canonical``."""
    photo = torch.full((len(points_m),), number)
    moved = points_m
    for _ in range(TURNS if deformation.moving else 0):
        moved = points_m + (moved - deformation.to_canonical(moved, photo))
    return moved
