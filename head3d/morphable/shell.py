"""The closed outside of a head model: skin without mouth bag and sockets, holes capped, eyeballs bulging out."""

from collections import Counter

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadModel


def outer_shell(model: HeadModel, vertices: Float[Tensor, "V 3"]) -> Mesh:
    """Closed outer surface of a posed head (head frame, m), on the model's own vertices.

    The skin and its caps are one closed surface; each eyeball is another that sticks out of its cap. Their union is
    what can be touched from outside.
    """
    return Mesh(vertices, shell_faces(model), model.uv)


def shell_faces(model: HeadModel) -> Int[Tensor, "F 3"]:
    """Triangles of the outer shell: outer skin, caps over mouth, sockets and the cut below, and the eyeballs.

    Caps join opposite rims (lip to lip, lid to lid), so they stay flat however the mouth is open, and add no vertex.
    """
    skin = _faces_within(model, "skin")
    caps = [cap for loop in boundary_loops(skin) for cap in cap_loop(model.mean, loop)]
    eyes = [_faces_within(model, name) for name in ("eye_right", "eye_left")]
    return torch.cat([skin, torch.tensor(caps, dtype=skin.dtype).reshape(-1, 3), *eyes])


def boundary_loops(faces: Int[Tensor, "F 3"]) -> list[list[int]]:
    """Closed chains of the edges that only one triangle has, each in the direction of its triangle.

    Needs triangles that all face outwards: then as many of these edges end in a vertex as begin there.
    """
    directed = Counter((a, b) for x, y, z in faces.tolist() for a, b in ((x, y), (y, z), (z, x)))
    following: dict[int, list[int]] = {}
    for (a, b), times in sorted(directed.items()):
        following.setdefault(a, []).extend([b] * (times - directed.get((b, a), 0)))
    following = {a: ends for a, ends in following.items() if ends}
    loops = []
    while following:
        start = next(iter(following))
        loop, place = [start], {start: 0}
        while True:
            ends = following[loop[-1]]
            after = ends.pop()
            if not ends:
                del following[loop[-1]]
            if (
                after in place
            ):  # back at a vertex of the chain: what lies between is one loop, even in a figure of eight
                loops.append(loop[place[after] :])
                for vertex in loop[place[after] + 1 :]:
                    del place[vertex]
                del loop[place[after] + 1 :]
                if len(loop) == 1 and after not in following:
                    break
            else:
                place[after] = len(loop)
                loop.append(after)
    return loops


def cap_loop(vertices: Float[Tensor, "V 3"], loop: list[int]) -> list[tuple[int, int, int]]:
    """Triangles that close a boundary loop, outwards like their neighbours: the shortest chord is cut off first."""
    ring = np.array(loop)
    points = vertices[ring].detach().double().cpu().numpy()
    caps = []
    while len(ring) > 3:
        i = int(np.linalg.norm(np.roll(points, 1, axis=0) - np.roll(points, -1, axis=0), axis=1).argmin())
        caps.append((int(ring[i]), int(ring[i - 1]), int(ring[(i + 1) % len(ring)])))
        ring, points = np.delete(ring, i), np.delete(points, i, axis=0)
    if len(ring) == 3:
        caps.append((int(ring[1]), int(ring[0]), int(ring[2])))
    return caps


def _faces_within(model: HeadModel, group: str) -> Int[Tensor, "F 3"]:
    inside = torch.zeros(len(model.mean), dtype=torch.bool)
    inside[model.groups[group]] = True
    return model.faces[inside[model.faces].all(1)]
