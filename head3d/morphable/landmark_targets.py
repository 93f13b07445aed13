"""Landmarks as residuals: which points count, how much, and the detector's known bias taken out."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.conventions import INTERPUPILLARY_M
from head3d.morphable.calibration import detector_bias
from head3d.morphable.energies import PointTargets
from head3d.morphable.state import FitState
from head3d.morphable.types import HeadModel
from head3d.perception.topology import LEFT_BROW, OVAL, RIGHT_BROW
from head3d.perception.types import Observation

OVAL_WEIGHT = 0.15
"""The oval slides along the cheek: the detector draws an outline, not a point."""
BROW_WEIGHT = 0.5
TYPICAL_SD_M = 0.025 * INTERPUPILLARY_M
"""The detector's random error on a frontal face: a point this sure has the nominal standard deviation."""
LANDMARKS_UP_TO_DEG = 75.0
"""Beyond, the detector stops working; outline and flow carry the view."""


def landmark_targets(
    model: HeadModel, state: FitState, observation: Observation, *, photo: int, sigma: float, weight: float
) -> PointTargets | None:
    """The landmarks of one photo; None for profiles and faces the detector was not sure of.

    Args:
        model: Head model.
        state: Current fit: its yaw says how far to trust the detector.
        observation: The photo.
        photo: Its index.
        sigma: Standard deviation over the distance between the pupils.
        weight: Multiplies all squared residuals.
    """
    landmarks = observation.landmarks
    yaw, pitch = state.yaw_pitch_deg(photo)
    if abs(yaw) > LANDMARKS_UP_TO_DEG:
        weight = weight * 0.05
    weights = torch.full((478,), weight)
    weights[list(OVAL)] *= OVAL_WEIGHT
    weights[list(RIGHT_BROW + LEFT_BROW)] *= BROW_WEIGHT
    chosen = model.landmark_ok & torch.from_numpy(landmarks.visible)
    chosen[468:] = False  # irises follow the gaze: see eyes.py
    if int(chosen.sum()) < 20:
        return None
    px_per_m = state.px_per_m(photo)
    offset, sd = detector_bias(yaw, pitch)
    shift = (upright(state, photo) @ offset.T).T * px_per_m
    spread = torch.from_numpy(landmarks.sigma_px).float()
    sigmas = ((sigma * INTERPUPILLARY_M * px_per_m * sd / TYPICAL_SD_M) ** 2 + spread**2).sqrt() / weights.sqrt()
    return PointTargets(
        photo=photo,
        triangles=model.landmark_triangles[chosen],
        barycentrics=model.landmark_barycentrics[chosen],
        target_px=(torch.from_numpy(landmarks.points_px).float() - shift)[chosen],
        sigma_px=sigmas[chosen],
    )


def upright(state: FitState, photo: int) -> Float[Tensor, "2 2"]:
    """Turns directions of a picture in which the head is upright (x right, y down) into the photo's."""
    up = torch.nn.functional.normalize(state.rotation[photo, :2, 1], dim=0)
    return torch.stack([torch.stack([-up[1], up[0]]), -up], dim=1).float()
