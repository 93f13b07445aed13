"""Artists' hair: card meshes with textures, bound to the head; what the texture leaves transparent is cut away.

The file ``hair_meshes_mh.npz`` (MakeHuman, CC0) binds its points to ICT-FaceKit's skin. They are bound anew to the
nearest skin of the model in use. Cards are opaque where their texture is, so depth and silhouettes stay exact.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from head3d.field.outer_map import axis_foot
from head3d.geometry.mesh import vertex_normals
from head3d.kernels.closest import closest_point
from head3d.morphable.ict_source import load_ict
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.prior.layers import Layer, Material

HAIR_FILE, ICT_FILE, TEXTURES = "hair_meshes_mh.npz", "ict_head_compact_i8.npz", "hair_tex"
CM = 0.01
OFF_SKIN_M = 0.0045
"""Hair near the skin is pushed out to this distance ..."""
NEAR_M = 0.025
"""... where it is nearer than this."""
PIECES = 5
"""A triangle that is partly transparent is cut in as many pieces along each edge."""
MAP_SIZE = 256


@dataclass(frozen=True)
class HairMesh:
    """One artist's hair on a head model.

    Attributes:
        name: Of the file.
        corners: Vertices of the skin triangle that carries each point of the uncut mesh.
        weights: And the place in it.
        offset: From there to the point, neutral mean head, metres.
        cards: Triangles of the uncut mesh.
        of: The three points of the uncut mesh that each point of the cut mesh mixes.
        mix: And their shares.
        faces: Opaque triangles of the cut mesh.
        uv: Place of its points on the texture, (0, 0) its upper left.
        shade: Brightness of the texture over its mean.
    """

    name: str
    corners: Int[Tensor, "B 3"]
    weights: Float[Tensor, "B 3"]
    offset: Float[Tensor, "B 3"]
    cards: Int[Tensor, "C 3"]
    of: Int[Tensor, "P 3"]
    mix: Float[Tensor, "P 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "P 2"]
    shade: Float[Tensor, "A B"]


def load_hair_meshes(folder: Path, model: HeadModel) -> tuple[HairMesh, ...]:
    """Read the artists' hair in a folder of head models; none if it is not there."""
    if not (folder / HAIR_FILE).is_file() or not (folder / ICT_FILE).is_file():
        return ()
    carrier = load_ict(folder / ICT_FILE).mean
    seen = torch.zeros(len(model.mean), dtype=torch.bool)
    seen[model.groups["skin"]] = True
    skin = model.faces[seen[model.faces].all(1)]
    normals = vertex_normals(model.mean, model.faces)
    meshes = []
    with np.load(folder / HAIR_FILE, allow_pickle=False) as archive:
        for name in (str(name) for name in archive["names"]):
            data = {key: archive[f"{name}.{key}"] for key in ("uv", "f", "fuv", "bind_tri", "bind_bary", "off")}
            with Image.open(_texture(folder, name)) as picture:
                texture = np.asarray(picture.convert("RGBA").resize((MAP_SIZE, MAP_SIZE), Image.Resampling.BOX))
            meshes.append(_bind(name, data, texture, carrier, model.mean, normals, skin))
    return tuple(meshes)


def mesh_layer(hair: HairMesh, vertices: Float[Tensor, "V 3"]) -> Layer:
    """The hair on a posed head."""
    base = (vertices[hair.corners] * hair.weights[..., None]).sum(1) + hair.offset
    out = torch.nn.functional.normalize(base - axis_foot(base), dim=-1)
    own = vertex_normals(base, hair.cards)
    own = own * torch.where((own * out).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    # Cards near the skin lie under others and see less of the sky.
    sky = 0.6 + 0.35 * (hair.offset.norm(dim=-1, keepdim=True) / 0.03).clamp(0, 1)
    values = torch.cat([base, own + 1.2 * out, sky], dim=1)
    values = (values[hair.of] * hair.mix[..., None]).sum(1)
    count = len(values)
    return Layer(
        vertices=values[:, 0:3],
        faces=hair.faces,
        normal=torch.nn.functional.normalize(values[:, 3:6], dim=-1),
        paint=torch.cat([hair.uv, torch.zeros(count, 1)], dim=1),
        open_sky=values[:, 6],
        gloss=torch.full((count,), 1.2),
        material=torch.full((len(hair.faces),), int(Material.HAIR_MAP)),
        label=torch.full((len(hair.faces),), int(Region.HAIR)),
    )


def _texture(folder: Path, name: str) -> Path:
    path = folder / TEXTURES / f"{name}_diffuse.png"
    return path if path.is_file() else folder / TEXTURES / f"{name.rstrip('0123456789')}_diffuse.png"


def _bind(
    name: str,
    data: dict[str, np.ndarray],
    texture: np.ndarray,
    carrier: Float[Tensor, "C 3"],
    mean: Float[Tensor, "V 3"],
    normals: Float[Tensor, "V 3"],
    skin: Int[Tensor, "F 3"],
) -> HairMesh:
    bound = torch.from_numpy(data["bind_tri"].astype(np.int64))
    bary = torch.from_numpy(data["bind_bary"].astype(np.float32))
    on_skin = (carrier[bound] * bary[..., None]).sum(1)
    points = on_skin + torch.from_numpy(data["off"].astype(np.float32)) * CM
    nearest = closest_point(on_skin, mean, skin)
    corners = skin[nearest.triangle]
    root = (mean[corners] * nearest.barycentrics[..., None]).sum(1)
    up = torch.nn.functional.normalize((normals[corners] * nearest.barycentrics[..., None]).sum(1), dim=-1)
    offset = points - root
    short = (OFF_SKIN_M - (offset * up).sum(-1)).clamp_min(0) * (offset.norm(dim=-1) < NEAR_M)
    offset = offset + short[:, None] * up
    cards = torch.from_numpy(data["f"].astype(np.int64))
    place = torch.from_numpy(data["uv"].astype(np.float32)[data["fuv"].astype(np.int64)])
    place = torch.stack([place[..., 0] % 1.0, 1 - place[..., 1] % 1.0], dim=-1)
    alpha = torch.from_numpy(texture[..., 3].astype(np.float32) / 255)
    grey = torch.from_numpy(texture[..., :3].astype(np.float32).mean(-1) / 255) ** 2.2
    of, mix, faces, uv = _cut(cards, place, alpha)
    return HairMesh(
        name=name,
        corners=corners,
        weights=nearest.barycentrics,
        offset=offset,
        cards=cards,
        of=of,
        mix=mix,
        faces=faces,
        uv=uv,
        shade=(grey / ((grey * alpha).sum() / alpha.sum().clamp_min(1))).clamp(0.15, 3.0),
    )


def _cut(
    cards: Int[Tensor, "C 3"], place: Float[Tensor, "C 3 2"], alpha: Float[Tensor, "A B"]
) -> tuple[Int[Tensor, "P 3"], Float[Tensor, "P 3"], Int[Tensor, "F 3"], Float[Tensor, "P 2"]]:
    """Drop what is transparent and cut finer what is partly so: mixes of points, triangles, places on the texture."""
    grid, pieces = _pattern(PIECES)
    middles = grid[pieces].mean(1)
    seen = _alpha_at(alpha, torch.einsum("mk,ckd->cmd", middles, place)) > 0.5
    whole, partly = seen.all(1), seen.any(1) & ~seen.all(1)
    corner = torch.eye(3)
    of = torch.cat([cards[whole].repeat_interleave(3, 0), cards[partly].repeat_interleave(len(grid), 0)])
    mix = torch.cat([corner.repeat(int(whole.sum()), 1), grid.repeat(int(partly.sum()), 1)])
    uv = torch.cat([place[whole].reshape(-1, 2), torch.einsum("mk,ckd->cmd", grid, place[partly]).reshape(-1, 2)])
    first = 3 * int(whole.sum())
    fine = first + len(grid) * torch.arange(int(partly.sum()))[:, None, None] + pieces[None]
    faces = torch.cat([torch.arange(first).reshape(-1, 3), fine[seen[partly]]])
    used, index = faces.unique(return_inverse=True)
    return of[used], mix[used], index, uv[used]


def _pattern(pieces: int) -> tuple[Float[Tensor, "M 3"], Int[Tensor, "N 3"]]:
    """Barycentric grid of a triangle cut in ``pieces`` along each edge, and its small triangles."""
    index = {(i, j): n for n, (i, j) in enumerate((i, j) for i in range(pieces + 1) for j in range(pieces + 1 - i))}
    grid = torch.tensor([[pieces - i - j, i, j] for i, j in index]).float() / pieces
    up = [(index[i, j], index[i + 1, j], index[i, j + 1]) for i, j in index if i + j < pieces]
    down = [(index[i + 1, j], index[i + 1, j + 1], index[i, j + 1]) for i, j in index if i + j < pieces - 1]
    return grid, torch.tensor(up + down)


def _alpha_at(alpha: Float[Tensor, "A B"], place: Float[Tensor, "C M 2"]) -> Float[Tensor, "C M"]:
    return torch.nn.functional.grid_sample(
        alpha[None, None], place[None] * 2 - 1, align_corners=False, padding_mode="border"
    )[0, 0]
