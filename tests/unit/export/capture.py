"""A small set of pictures with cameras: a ball from three sides."""

from pathlib import Path

import numpy as np
import torch

from head3d.export.nerfstudio import CaptureFrame, scattered, write_capture
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.views import named_view
from head3d.render.volume import render_view_torch
from head3d.rendering import surface_cache
from tests.unit.export.balls import ball, ball_field


def write_ball(place: Path) -> Path:
    """Write the set into a folder; returns it."""
    field = ball_field()
    cache = surface_cache(field)
    frames = []
    for yaw, pitch in ((0.0, 0.0), (90.0, 0.0), (-40.0, 20.0)):
        view: View = named_view(f"{yaw}", size=(48, 64), yaw_deg=yaw, pitch_deg=pitch, centre_m=(0.0, 0.0, 0.0))
        output = render_view_torch(field, view, config=RenderConfig(), cache=cache)
        pixels = (output.albedo.clamp(0, 1) * 255).numpy().astype(np.uint8)
        frames.append(CaptureFrame(pixels, output, view, {"view": view.name}))
    points = scattered(ball(), count=100, generator=torch.Generator().manual_seed(0))
    write_capture(place, frames, points, torch.full((100, 3), 0.5))
    return place
