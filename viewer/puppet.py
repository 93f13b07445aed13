"""The head as a puppet: its mesh with the model's expression units, drawn by our rasteriser as fast as a face moves.

The mesh gives the shape; colours come from the field itself, at the place of the neutral head that each pixel shows, so
that a mesh of 30,000 triangles is as sharp as a picture. Light is that of a studio that stands still while the head
turns: harmonics, without cast shadows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.export.mesh import head_mesh
from head3d.finish.apply import backdrop_picture, roll_off
from head3d.geometry.cameras import Cameras, project
from head3d.geometry.mesh import vertex_normals
from head3d.geometry.sh import harmonics_of, rotate_sh, shade_lambert
from head3d.imaging.color import levels_from_linear
from head3d.kernels.raster import interpolate, rasterize
from head3d.looks import Look
from head3d.render.shadows import CONE_SHARE, cone_axes, openness
from head3d.render.volume import mirrored_albedo
from head3d.studio import Studio

DETAIL = 1
"""Rounds of subdivision: 30,000 triangles of skin."""
LEAST_UNIT = 0.01
"""Units below this move nothing that shows."""
OFF_M = 2e-3
"""Over the surface, where the open sky is looked for."""


@dataclass(frozen=True)
class Pose:
    """What a face does.

    Attributes:
        rotation: Of the head against straight into the camera, head frame to turned head.
        units: Weights of the model's expression units, in [0, 1].
    """

    rotation: Float[Tensor, "3 3"]
    units: Float[Tensor, "E"]


class Puppet:
    """One subject, dressed in a look's light, backdrop and frame, ready to be moved."""

    @torch.no_grad()
    def __init__(self, studio: Studio, look: Look, *, height_px: int = 384) -> None:
        self.names = studio.fitted.model.expression_names
        head = head_mesh(studio.fitted, studio.field.cpu(), studio.cache, rounds=DETAIL)
        self.vertices = torch.cat([one.mesh.vertices for one in head.parts])
        starts = np.cumsum([0, *(len(one.mesh.vertices) for one in head.parts)]).tolist()
        self.faces = torch.cat([one.mesh.faces + start for one, start in zip(head.parts, starts, strict=False)])
        self.morphs = torch.cat([one.morphs for one in head.parts], dim=1).flatten(1)
        self.sky = _sky(studio, self.vertices, vertex_normals(self.vertices, self.faces))
        look = replace(look, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, seen_from="")
        view = studio.view(look, height_px)
        self.camera, self.sh = view.camera, harmonics_of(view.lighting)
        self.field = studio.field
        self.gain = studio.gain([studio.picture(look, 64)])
        self.shoulder = studio.config.finish.shoulder
        self.backdrop = backdrop_picture(studio.finish_config(look), self.camera.size)
        self.pivot = studio.fitted.vertices()[studio.fitted.model.groups["neck"]].mean(0)
        """The head turns about the neck's middle."""

    @torch.no_grad()
    def draw(self, pose: Pose) -> UInt8[np.ndarray, "H W 3"]:
        """The head in a pose, sRGB."""
        moving = torch.nonzero(pose.units.abs() > LEAST_UNIT)[:, 0]
        vertices = self.vertices
        if len(moving):
            vertices = vertices + (pose.units[moving] @ self.morphs[moving]).view(-1, 3)
        camera = self._about(pose.rotation)
        pixels, depth = project(vertices, camera.c2w[0], camera.K[0])
        seen = rasterize(torch.cat([pixels, depth[:, None]], dim=-1), self.faces, size=camera.size)
        mask = seen.triangle >= 0
        normals = vertex_normals(vertices, self.faces)
        table = torch.cat([self.vertices, normals, self.sky[:, None]], dim=-1)
        values = interpolate(table, self.faces, seen)[mask]
        places, normal, sky = values[:, :3], values[:, 3:6], values[:, 6:]
        albedo, _ = self.field.surface_color(places)
        albedo = mirrored_albedo(self.field, places, albedo)
        light = rotate_sh(self.sh, pose.rotation.T)
        lit = shade_lambert(albedo, torch.nn.functional.normalize(normal, dim=-1), light) * sky
        lit = roll_off((lit * self.gain).clamp_min(0), shoulder=self.shoulder)
        picture = self.backdrop.clone()
        picture[mask] = lit
        # a mesh has hard edges: mixing over one pixel each side is what a lens does
        soft = torch.from_numpy(cv2.blur(mask.numpy().astype(np.float32), (3, 3)))[..., None]
        spread = torch.from_numpy(cv2.blur((picture * mask[..., None]).numpy(), (3, 3))) / soft.clamp_min(1e-3)
        edge = (soft > 0) & (soft < 1)
        whole = torch.where(edge, spread * soft + self.backdrop * (1 - soft), picture)
        return levels_from_linear(whole)

    def _about(self, rotation: Float[Tensor, "3 3"]) -> Cameras:
        """The camera as the turned head sees it: turning the head is turning the camera the other way."""
        c2w = self.camera.c2w.clone()
        c2w[0, :3, :3] = rotation.T @ c2w[0, :3, :3]
        c2w[0, :3, 3] = rotation.T @ (c2w[0, :3, 3] - self.pivot) + self.pivot
        return replace(self.camera, c2w=c2w)


def named_units(names: tuple[str, ...], weights: Mapping[str, float]) -> Float[Tensor, "E"]:
    """Weights in the model's order."""
    return torch.tensor([weights.get(name, 0.0) for name in names])


def _sky(studio: Studio, vertices: Float[Tensor, "V 3"], normals: Float[Tensor, "V 3"]) -> Float[Tensor, "V"]:
    """Part of an even sky that arrives at vertices of the neutral head."""
    share = torch.full((6,), CONE_SHARE[1])
    share[0] = CONE_SHARE[0]
    off = torch.full_like(vertices[:, 0], OFF_M)
    seen = openness(studio.cache, vertices, cone_axes(normals), off_m=off, normal=normals)
    sky = (seen * share).sum(1) / share.sum()
    return (1 - studio.config.render.relight.occlusion * (1 - sky)).clamp(0, 1)
