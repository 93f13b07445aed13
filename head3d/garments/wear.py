"""Who wears what: a person's field without its own clothes, and the garment on it, for any picture."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.garments.bare import bare_field
from head3d.garments.catalogue import Outfit, cut, keep_below
from head3d.garments.draw import Dressing, composed, drawn, lit
from head3d.garments.light import arriving, as_one, mean_about, seen_from
from head3d.garments.pores import add_pores
from head3d.garments.sheets import Cloth, Fabric
from head3d.garments.torso import Array, Torso, carried, make_torso, snug
from head3d.geometry.mesh import face_normals, vertex_normals
from head3d.geometry.reproject import backproject
from head3d.morphable.region_votes import LabelledView
from head3d.morphable.types import HeadFit
from head3d.render.types import RenderOutput, View

Turn = Callable[[], AbstractContextManager[None]]
CHIN_M = 0.004
"""Below the chin by this much begins what may be body."""
CONTACT_M, CONTACT = 0.007, 0.45
"""How far from cloth skin is darker, and how much where it touches."""


class Wearer:
    """A person in an outfit. Pictures are made of ``field`` with ``cache``, then :meth:`dress` puts the garment on."""

    def __init__(self, trained: RadianceField, fit: HeadFit, photos: Sequence[LabelledView], outfit: Outfit) -> None:
        torso = make_torso(fit.model)
        vertices = fit.vertices().detach().float()
        self.outfit = outfit
        device = trained.shape.device
        here = trained if device.type == "cpu" else copy.deepcopy(trained).cpu()
        bare = bare_field(here, fit, photos, torso, keep_m=keep_below(outfit))
        self._bare, self.hangs = bare.field, torch.from_numpy(bare.hangs).float()
        self.shade = _cache_of(self._bare)  # cloth is cut, drawn and lit on the CPU, wherever the field is
        add_pores(self._bare, bare.painted, self.shade, photos)
        if device.type == "cpu":
            self.field, self.cache = self._bare, self.shade
        else:
            self.field = copy.deepcopy(self._bare).to(device)
            self.cache = _cache_of(self.field)
        self.chin_y = float(vertices[fit.model.groups["face"], 1].min()) - CHIN_M
        cloth = cut(outfit, torso)
        self._dye = torch.from_numpy(cloth.dye).long()
        self.dressing = _dressing(cloth, torso, fit, vertices, outfit, self.shade)
        self._light_ready()

    def _light_ready(self) -> None:
        one = self.dressing
        centre = torch.tensor([0.0, -0.25, -0.02])
        about = mean_about(one.faces, len(one.vertices))
        seen = seen_from(one.vertices, one.faces, about, centre=centre)
        self.visible = as_one(seen, one.piece, one.faces[one.fabric == int(Fabric.BUTTON)])
        self.rim = spatial.KDTree(one.vertices.numpy())

    def dyed(self, outfit: Outfit) -> "Wearer":
        """The same garment in other colours, at once."""
        assert outfit.garment == self.outfit.garment, "another garment must be cut"
        other = copy.copy(self)
        other.outfit = outfit
        other.dressing = replace(self.dressing, albedo=torch.tensor(outfit.dyes)[self._dye])
        return other

    @torch.no_grad()
    def dress(self, output: RenderOutput, view: View, *, turn: Turn = nullcontext) -> RenderOutput:
        """The picture with the garment on.

        Args:
            output: Of ``field``.
            view: Its camera and light.
            turn: Entered for every step: may wait, or raise to stop.
        """
        one, camera = self.dressing, view.camera
        with turn():
            samples = drawn(one, camera)
        needed = torch.zeros(len(one.vertices), dtype=torch.bool)
        for part in samples:
            needed[one.faces[part.face].reshape(-1)] = True
        if not bool(needed.any()):
            return output
        away = ((camera.centre[0] - one.vertices) * one.normals).sum(-1, keepdim=True) < 0
        towards = torch.where(away, -one.normals, one.normals)  # the inside of a collar is lit from inside
        with turn():
            light = arriving(one.vertices, towards, self.visible, self.shade, view.lighting, needed)
        with turn():
            cloth = lit(one, samples, camera, view.lighting, light)
        with turn():
            hair, body = self._kinds(output, view)
            touched = self._touched(output, view, body)
        with turn():
            return composed(touched, cloth, hair=hair, bare=body)

    def _kinds(self, output: RenderOutput, view: View) -> tuple[Float[Tensor, "H W"], Float[Tensor, "H W"]]:
        """How far pixels are hair, and how far body below the chin."""
        solid = output.depth_m > 0
        points = backproject(output.depth_m, view.camera)
        hair = torch.zeros_like(output.alpha)
        hair[solid] = (self._bare.softness(points[solid]) - 1).clamp(0, 1)
        hair = (hair * 2).clamp(0, 1)
        low = ((self.chin_y - points[..., 1]) / 0.02).clamp(0, 1) * solid
        turn = (torch.atan2(points[..., 0], points[..., 2] + 0.03) + torch.pi) / (2 * torch.pi) * len(self.hangs)
        hangs = (3 * self.hangs[turn.long() % len(self.hangs)]).clamp(0, 1)
        return hair * hangs, low * (1 - hair * hangs)

    def _touched(self, output: RenderOutput, view: View, body: Float[Tensor, "H W"]) -> RenderOutput:
        """Skin near cloth is darker: each keeps light from the other."""
        rows = torch.nonzero(body.reshape(-1) > 0.01)[:, 0]
        if not len(rows):
            return output
        points = backproject(output.depth_m, view.camera).reshape(-1, 3)[rows]
        distance, _ = self.rim.query(points.numpy(), distance_upper_bound=4 * CONTACT_M)
        near = torch.from_numpy(np.exp(-distance / CONTACT_M)).float() * body.reshape(-1)[rows]
        rgb = output.rgb_linear.reshape(-1, 3).clone()
        rgb[rows] *= (1 - CONTACT * near)[:, None]
        return replace(output, rgb_linear=rgb.reshape(output.rgb_linear.shape))


def _cache_of(field: RadianceField) -> ShellCache:
    cache = ShellCache(field)
    cache.refresh(field)
    return cache


def _dressing(
    cloth: Cloth, torso: Torso, fit: HeadFit, vertices: Float[Tensor, "V 3"], outfit: Outfit, cache: ShellCache
) -> Dressing:
    def carry(points: Array) -> Array:
        return carried(points, fit.model, vertices)

    def distance(points: Array) -> Array:
        return cache.sdf(torch.from_numpy(points).float()).double().numpy()

    worn = snug(carry(cloth.vertices), torso, cloth.vertices, carry, distance)
    places = torch.from_numpy(worn).float()
    faces = torch.from_numpy(np.ascontiguousarray(cloth.faces)).long()
    normals = vertex_normals(places, faces)
    uv = torch.from_numpy(cloth.uv).float()
    edge, seam = torch.from_numpy(cloth.edge).float(), torch.from_numpy(cloth.seam).float()
    weft, warp = slopes(places, faces, uv[:, 0]), slopes(places, faces, uv[:, 1])
    dyes = torch.tensor(outfit.dyes)
    return Dressing(
        places,
        normals,
        faces,
        uv,
        edge,
        seam,
        torch.nn.functional.normalize(weft, dim=-1),
        torch.nn.functional.normalize(warp, dim=-1),
        slopes(places, faces, edge).clamp(-2, 2),
        slopes(places, faces, seam).clamp(-2, 2),
        torch.from_numpy(cloth.fabric).long(),
        dyes[torch.from_numpy(cloth.dye).long()],
        torch.from_numpy(cloth.piece).long(),
    )


def slopes(places: Float[Tensor, "V 3"], faces: Tensor, values: Float[Tensor, "V"]) -> Float[Tensor, "F 3"]:
    """Gradient over space of values of the vertices, per face (1/m of their unit)."""
    a, b, c = places[faces].unbind(1)
    va, vb, vc = values[faces].unbind(1)
    normal = face_normals(places, faces)
    square = normal.square().sum(-1, keepdim=True).clamp(min=1e-16)
    turn = torch.linalg.cross
    return (
        va[:, None] * turn(normal, c - b) + vb[:, None] * turn(normal, a - c) + vc[:, None] * turn(normal, b - a)
    ) / square
