"""A fitted head with an expression and a gaze, as pictures of the field take it."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.expression import expression_map, lattice_of_faces
from head3d.field.gaze import gaze_map, turn_towards
from head3d.morphable.expressions import Expression, eyeballs, posed_skin
from head3d.morphable.types import HeadFit


class PosedHead:
    """A fitted head with an expression: the displacement is made once, the gaze for each camera."""

    def __init__(self, fit: HeadFit, expression: Expression) -> None:
        neutral, self.skin = posed_skin(fit, expression.units)
        self.map = expression_map(neutral, self.skin)
        self.eyes = eyeballs(fit)
        self.turns = expression.eyes

    def deformation(self, *, look_at_m: Float[Tensor, "3"] | None = None) -> Deformation | None:
        """What :func:`render_view` takes; eyes look at a point (head frame, m), or as the expression says if None."""
        turns = [
            turn if look_at_m is None else turn_towards(eye, look_at_m)
            for eye, turn in zip(self.eyes, self.turns, strict=True)
        ]
        whole = gaze_map(self.map, self.eyes, turns, skin=self._skin_about_eyes())
        return None if whole is None else Deformation([whole])

    def _skin_about_eyes(self) -> Float[Tensor, "P 3"]:
        corners, weights = lattice_of_faces(self.skin.vertices, self.skin.faces, step_m=0.0015)
        points = (self.skin.vertices[corners] * weights[..., None]).sum(1)
        distance = torch.stack([(points - eye.centre).norm(dim=-1) - eye.radius_m for eye in self.eyes]).amin(0)
        return points[distance < 0.02]  # the turn ends within 8 mm of the eyeball
