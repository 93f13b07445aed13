"""The head model at its mean, as if it had been fitted to photos from the front."""

import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.morphable.head_model import load_head_model
from head3d.morphable.types import HeadFit


def neutral_fit(photos: int = 1) -> HeadFit:
    """All cameras are 1 m away; the photos are 300 x 240 px and show no expression."""
    model, size = load_head_model(), (300, 240)
    c2w = look_at_head(yaw_deg=0, pitch_deg=0, distance_m=1.0)[None]
    return HeadFit(
        model=model,
        identity=torch.zeros(len(model.identity_basis)),
        offsets=torch.zeros(len(model.mean), 3),
        expression=torch.zeros(photos, len(model.expression_names)),
        joints=torch.zeros(photos, 3, 3),
        sh=torch.zeros(photos, 9, 3),
        cameras=(Cameras(c2w, intrinsics(600.0, size)[None], size),) * photos,
        albedo=torch.full((len(model.mean), 3), 0.5),
        residual_px=torch.zeros(photos),
    )
