"""A head that can be computed: a matte ball with a painted surface, under order-2 light, seen by exact cameras."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from head3d.capture.types import Photo
from head3d.field.config import FieldConfig
from head3d.field.from_mesh import base_volume
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, box_grid
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays
from head3d.geometry.mesh import Mesh
from head3d.geometry.sh import Lighting, ambient, project_directional, shade_lambert
from head3d.imaging.color import srgb_from_linear
from head3d.perception.types import Detection, FaceParsing, Landmarks, Observation

RADIUS_M = 0.09


def untrained(config: FieldConfig, *, seen: Callable[[Tensor], Tensor]) -> RadianceField:
    """A grey ball before training; ``seen`` says of places (P, 3) how far a photo looked at them."""
    shape = base_volume(ball())
    top = shape.origin + torch.tensor([n - 1 for n in reversed(shape.shape)]) * shape.cell_m
    coarse, low = box_grid(shape.origin, top, 0.02)
    traits = Volume(torch.stack([torch.full(coarse, 0.002), torch.ones(coarse)]), low, 0.02)
    finer, low = box_grid(shape.origin, top, 0.004)
    paint = Volume(torch.zeros(4, *finer), low, 0.004)
    paint.values[3] = seen(paint.nodes()).float().reshape(finer)
    generator = torch.Generator().manual_seed(0)
    made = RadianceField(config, shape=shape, traits=traits, paint=paint, sh=torch.zeros(1, 9, 3), generator=generator)
    with torch.no_grad():
        made.geometry_decoder.weight_out.zero_()
    return made


def paint(points: Tensor) -> Tensor:
    """Albedo of the ball: soft stripes and patches a few centimetres wide."""
    x, y, z = (points / RADIUS_M).unbind(-1)
    red = 0.5 + 0.2 * torch.sin(7 * x + 2 * y)
    green = 0.4 + 0.15 * torch.sin(6 * y)
    blue = 0.35 + 0.15 * torch.cos(5 * z + 6 * x * y)
    return torch.stack([red, green, blue], dim=-1)


def lamp(x: float) -> Lighting:
    """A lamp on the side of the sign of x, over some ambient light."""
    direction = torch.nn.functional.normalize(torch.tensor([x, 0.4, 0.8]), dim=-1)
    return Lighting(ambient(torch.full((3,), 0.5)) + project_directional(direction, torch.full((3,), 0.8)))


def camera(yaw_deg: float, pitch_deg: float = 0.0, *, size: int = 96) -> Cameras:
    """A camera 0.6 m away that frames the ball."""
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=pitch_deg, distance_m=0.6)
    return Cameras(c2w[None], intrinsics(2.6 * size, (size, size))[None], (size, size))


@dataclass(frozen=True)
class Truth:
    """Exact picture: linear RGB, albedo, and where the ball is."""

    rgb: Tensor
    albedo: Tensor
    inside: Tensor


def picture(view: Cameras, light: Lighting) -> Truth:
    """What a camera sees."""
    origins, directions = pixel_rays(pixel_grid(*view.size), view.c2w[0], view.K[0])
    middle = -(origins * directions).sum(-1)
    gap = RADIUS_M**2 - (origins + directions * middle[:, None]).pow(2).sum(-1)
    inside = gap > 0
    points = origins + directions * (middle - gap.clamp(min=0).sqrt())[:, None]
    albedo = paint(points)
    rgb = shade_lambert(albedo, torch.nn.functional.normalize(points, dim=-1), light.sh) * inside[:, None]
    height, width = view.size
    return Truth(rgb.reshape(height, width, 3), albedo.reshape(height, width, 3), inside.reshape(height, width))


def observation(name: str, view: Cameras, light: Lighting) -> Observation:
    """A photo of the ball with perfect labels."""
    seen = picture(view, light)
    rgb = (srgb_from_linear(seen.rgb).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    labels = seen.inside.numpy().astype(np.uint8)  # Region.SKIN is 1
    empty = np.zeros((0, 2))
    points = Landmarks("mediapipe478", np.zeros((478, 2)), np.zeros(478, bool), np.zeros(478), 1.0)
    parsing = FaceParsing(labels, labels.astype(np.float32), empty, {"left": empty, "right": empty})
    found = Detection(np.zeros(4), np.zeros((6, 2)), 1.0)
    return Observation(Photo(name, rgb, None, name), found, points, parsing, np.zeros(128, np.float32))


def ball(radius_m: float = RADIUS_M, *, rings: int = 48) -> Mesh:
    """A closed ball of triangles."""
    polar = torch.linspace(0, torch.pi, rings + 1)[1:-1]
    around = torch.arange(2 * rings) * torch.pi / rings
    ring = torch.stack([around.sin(), torch.zeros_like(around), around.cos()], dim=-1)
    rows = [p.sin() * ring + torch.tensor([0.0, 1.0, 0.0]) * p.cos() for p in polar]
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    vertices = torch.cat([*rows, poles]) * radius_m
    width, last = 2 * rings, len(rows) * 2 * rings
    faces = []
    for i in range(width):
        j = (i + 1) % width
        faces += [(last, i, j), (last + 1, last - width + j, last - width + i)]
        for row in range(len(rows) - 1):
            a, b, c, d = row * width + i, row * width + j, (row + 1) * width + i, (row + 1) * width + j
            faces += [(a, c, b), (b, c, d)]
    return Mesh(vertices, torch.tensor(faces))


def psnr(a: Tensor, b: Tensor, inside: Tensor) -> float:
    """dB in sRGB within a mask."""
    error = (srgb_from_linear(a).clamp(0, 1) - srgb_from_linear(b).clamp(0, 1))[inside]
    return float(-10 * torch.log10(error.pow(2).mean()))
