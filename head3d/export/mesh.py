"""The head as triangles: the fitted model's own mesh, made finer and drawn onto the trained field's surface.

Unlike an isosurface it keeps what the model knows: open lips and lids, a mouth bag, eyeballs and teeth of their own,
and every vertex's part in every expression.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

from head3d.field.eye_range import LIMIT_RAD
from head3d.field.gaze import Eyeball
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import slope_by_taps
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.geometry.subdivide import face_edges, subdivide
from head3d.morphable.expressions import eyeballs, moving_share
from head3d.morphable.types import HeadFit

ROUNDS = 40
STEP_M = 4e-3
"""A vertex travels no further in one round, so that its neighbours keep up."""
STIFF = 0.4
"""Smoothness of the way against its aim, where the surface faces the same way as the mesh."""
HAIR_M = 5e-3
"""Deeper than this below the surface a vertex is under hair or clothes: it may slide along them."""
CREASE_M = 1.5e-3
"""Deeper than this a vertex of lips, lids or nostrils is in a crease that the field has shut."""
FINE_STEP_M = 1e-3
"""Distance of the taps that give the field's normal, as pictures take it."""


@dataclass(frozen=True)
class Part:
    """One mesh of the head.

    Attributes:
        name: skin, inner (mouth bag and sockets), eye_right, eye_left or teeth.
        mesh: Head frame, m, neutral.
        morphs: Displacement of each vertex at weight one of each of the model's expression units, m.
    """

    name: str
    mesh: Mesh
    morphs: Float[Tensor, "E V 3"]


@dataclass(frozen=True)
class HeadMesh:
    """The head of a subject as meshes; ``parts[0]`` is the skin with hair and clothes."""

    parts: tuple[Part, ...]
    expression_names: tuple[str, ...]

    def part(self, name: str) -> Part:
        """By its name."""
        return next(one for one in self.parts if one.name == name)


def head_mesh(fit: HeadFit, trained: RadianceField, cache: ShellCache, *, rounds: int = 1) -> HeadMesh:
    """Meshes of a finished subject.

    Args:
        fit: The fitted head.
        trained: Its field, on the CPU.
        cache: Of this field, refreshed.
        rounds: Of subdivision: each makes four triangles of one (7,400 for the skin at 0).
    """
    model, vertices = fit.model, fit.vertices().detach().float()
    names = ("skin", "eye_right", "eye_left", "teeth", "lips", "eyelids", "nose")
    member = {name: _members(model.groups[name], len(vertices)) for name in names}
    creased = member["lips"] | member["eyelids"] | member["nose"]
    loose = member["eye_right"] | member["eye_left"] | member["teeth"]
    whole = model.faces[~loose[model.faces].any(1)]
    morphs = model.expression_basis * moving_share(model)[None, :, None]
    body, body_morphs, marks = _finer(vertices, whole, morphs, torch.stack([member["skin"], creased], dim=1), rounds)
    outer, creased = marks.unbind(1)
    body = replace(body, vertices=drawn_onto(trained, cache, body, outer=outer, creased=creased))
    on_skin = outer[body.faces].all(1)
    parts = [
        _part("skin", body, body_morphs, body.faces[on_skin]),
        _part("inner", body, body_morphs, body.faces[~on_skin]),
    ]
    balls = dict(zip(("eye_right", "eye_left"), eyeballs(fit), strict=True))
    for name in (*balls, "teeth"):
        faces = model.faces[member[name][model.faces].all(1)]
        made, moved, _ = _finer(vertices, faces, morphs, member[name][:, None], rounds)
        if name in balls:
            moved = moved + _looks(made.vertices, balls[name], name.removeprefix("eye_"), model.expression_names)
        parts.append(_part(name, made, moved, made.faces))
    return HeadMesh(tuple(parts), model.expression_names)


def drawn_onto(
    trained: RadianceField, cache: ShellCache, mesh: Mesh, *, outer: Bool[Tensor, "V"], creased: Bool[Tensor, "V"]
) -> Float[Tensor, "V 3"]:
    """Vertices moved to the field's zero level; those that are not ``outer`` follow their neighbours.

    Each round every vertex aims at the surface along the gradient of the distance, and the smoothest way that agrees
    with what can be trusted is gone: a fold of the lips, where the field is shut, follows the lips around it.
    """
    vertices, links = mesh.vertices.clone(), _links(mesh.faces, len(mesh.vertices))
    degree = np.asarray(links.sum(1)).ravel()
    depth = -trained.base_sdf(vertices)
    deep = ((depth - 1e-3) / HAIR_M).clamp(0.0, 1.0) * (outer & ~creased)
    free = outer & ~(creased & (depth > CREASE_M))
    firm = torch.where(creased, 0.3, 1.0)  # lids and lips move as one, or their rims fray
    for turn in range(ROUNDS):
        last = turn >= ROUNDS - 4
        if last:
            met = trained.surface(vertices, step_m=FINE_STEP_M)
            distance, slope = met.sdf.detach(), met.gradient.detach()
        else:
            distance, slope = cache.sdf(vertices), _slope(cache, vertices)
        slope = torch.nn.functional.normalize(slope, dim=-1, eps=1e-9)
        normal = vertex_normals(vertices, mesh.faces)
        agree = (((normal * slope).sum(-1) - 0.2) / 0.6).clamp(0.0, 1.0)
        trust = torch.maximum(agree, deep) * free * firm
        aim = -(distance.clamp(-STEP_M, STEP_M))[:, None] * slope
        way = _smooth_way(aim, trust, links, degree)
        # under hair nothing ties a vertex to its place: let it slide to the middle of its neighbours
        mean = torch.from_numpy(links @ vertices.double().numpy() / degree[:, None]).float()
        slide = mean - vertices
        slide = slide - (slide * slope).sum(-1, keepdim=True) * slope
        vertices = vertices + way + (0.0 if last else 0.5) * deep[:, None] * slide
    return vertices


def _smooth_way(aim: Tensor, trust: Tensor, links: sparse.csr_matrix, degree: np.ndarray) -> Tensor:
    weight = trust.double().numpy()  # 0 has no aim at all: a bag of the mouth goes where its lips go
    system = sparse.diags(weight + STIFF) - sparse.diags(STIFF / degree) @ links
    right = weight[:, None] * aim.double().numpy()
    scale = sparse.diags(1.0 / (weight + STIFF))
    found = [linalg.bicgstab(system, right[:, k], x0=right[:, k], rtol=1e-4, maxiter=60, M=scale)[0] for k in range(3)]
    return torch.from_numpy(np.stack(found, axis=-1)).float()


def _slope(cache: ShellCache, points: Tensor) -> Tensor:
    return slope_by_taps(cache.sdf, points, step_m=cache.cell_m)


def _links(faces: Tensor, count: int) -> sparse.csr_matrix:
    a, b = face_edges(faces)[0].unbind(1)
    one = np.ones(len(a))
    half = sparse.coo_matrix((one, (a.numpy(), b.numpy())), shape=(count, count))
    return (half + half.T).tocsr()


def _looks(vertices: Tensor, ball: Eyeball, side: str, names: tuple[str, ...]) -> Float[Tensor, "E v 3"]:
    """The turn of an eyeball that belongs to its eyeLook units, which move nothing but lids in the model.

    At weight one it is exact; on the way there the ball is at most 2 % too small.
    """
    outwards = 1.0 if side == "left" else -1.0  # +X is the subject's left
    turns = {"Down": (1.0, 0.0), "Up": (-1.0, 0.0), "Out": (0.0, outwards), "In": (0.0, -outwards)}
    moved = torch.zeros(len(names), *vertices.shape)
    for word, (about_x, about_y) in turns.items():
        name = f"eyeLook{word}{side.capitalize()}"
        if name in names:
            turn = matrix_from_axis_angle(torch.tensor([about_x, about_y, 0.0]) * LIMIT_RAD)
            moved[names.index(name)] = (vertices - ball.centre) @ (turn.T - torch.eye(3))
    return moved


def _finer(
    vertices: Tensor, faces: Int[Tensor, "F 3"], morphs: Float[Tensor, "E V 3"], marks: Bool[Tensor, "V K"], rounds: int
) -> tuple[Mesh, Float[Tensor, "E v 3"], Bool[Tensor, "v K"]]:
    """A part of the model by itself, subdivided; expressions are linear along edges, marks are those of both ends."""
    used, flat = torch.unique(faces, return_inverse=True)
    mesh, moved, mark = Mesh(vertices[used], flat.reshape(-1, 3)), morphs[:, used], marks[used]
    for _ in range(rounds):
        ends = face_edges(mesh.faces)[0]
        moved = torch.cat([moved, moved[:, ends].mean(2)], dim=1)
        mark = torch.cat([mark, mark[ends].all(1)])
        mesh = subdivide(mesh)
    return mesh, moved, mark


def _part(name: str, mesh: Mesh, morphs: Tensor, faces: Tensor) -> Part:
    used, flat = torch.unique(faces, return_inverse=True)
    return Part(name, Mesh(mesh.vertices[used], flat.reshape(-1, 3)), morphs[:, used])


def _members(group: Tensor, count: int) -> Bool[Tensor, "V"]:
    return torch.zeros(count, dtype=torch.bool).index_fill(0, group, True)
