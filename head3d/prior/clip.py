"""Cut a mesh along a line drawn on it by values at its vertices: a hairline or a collar does not follow triangles."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Patch:
    """A part of a mesh with a clean border; its points are mixes of two vertices of the whole, so it moves with it.

    Attributes:
        ends: The two vertices of the whole mesh.
        mix: Share of the second.
        faces: Among the patch's own points.
    """

    ends: Int[Tensor, "P 2"]
    mix: Float[Tensor, "P"]
    faces: Int[Tensor, "F 3"]

    def carry(self, values: Float[Tensor, "V *C"]) -> Float[Tensor, "P *C"]:
        """Values at the patch's points from values at the vertices of the whole."""
        mix = self.mix.reshape(-1, *(1,) * (values.dim() - 1))
        return values[self.ends[:, 0]] * (1 - mix) + values[self.ends[:, 1]] * mix


def cut_patch(faces: Int[Tensor, "F 3"], level: Float[Tensor, "V"]) -> Patch:
    """The part of a mesh where the linear interpolation of ``level`` is positive."""
    inside = level > 0
    count = inside[faces].sum(1)
    whole = faces[count == 3]
    pieces = [torch.stack([whole, whole], dim=-1)]  # corners as (from, to) pairs; equal for vertices
    for kept in (1, 2):
        tri = faces[count == kept]
        # turn each triangle so that its odd corner comes first
        odd = (inside[tri] == (kept == 1)).int().argmax(1)
        turned = tri.gather(1, (odd[:, None] + torch.arange(3)) % 3)
        a, b, c = turned.unbind(1)
        at = torch.stack
        if kept == 1:
            pieces.append(at([at([a, a], -1), at([a, b], -1), at([a, c], -1)], 1))
        else:
            ab, ac, bb, cc = at([b, a], -1), at([c, a], -1), at([b, b], -1), at([c, c], -1)
            pieces += [at([ab, bb, cc], 1), at([ab, cc, ac], 1)]
    corners = torch.cat(pieces).reshape(-1, 2)
    corners = corners.sort(dim=1).values
    ends, index = corners.unique(dim=0, return_inverse=True)
    first, second = level[ends[:, 0]], level[ends[:, 1]]
    crossing = (first / torch.where(first == second, torch.ones_like(first), first - second)).clamp(0, 1)
    mix = torch.where(ends[:, 0] == ends[:, 1], torch.zeros_like(crossing), crossing)
    return Patch(ends, mix, index.reshape(-1, 3))
