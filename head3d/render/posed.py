"""A fitted head with an expression and a gaze, as pictures of the field take it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.expression import expression_map, lattice_of_faces
from head3d.field.gaze import STRAIGHT, Eyeball, eye_contact_deg, gaze_map, turn_towards, turned_aside
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.mesh import Mesh
from head3d.kernels.render_field import FieldVolume
from head3d.morphable.expressions import Expression, eyeballs, posed_skin
from head3d.morphable.types import HeadFit
from head3d.render.config import RenderConfig
from head3d.render.iris import find_irises
from head3d.render.mouth import Lips, darken_gap
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view

LID_STEP_M = 0.0015
"""Distance between points of the lids: as fine as the gaze's own cells."""
LIP_STEP_M = 0.0006
"""Distance between points of the lips: below the least gap that shows."""
LID_REACH_M = 0.02
"""Of the eyeball's surface: a turn of the eyes is gone nearer than that."""


class PosedHead:
    """A fitted head with an expression: the displacement is made once, the gaze for each camera."""

    def __init__(self, trained: RadianceField, fit: HeadFit, expression: Expression) -> None:
        neutral, posed = posed_skin(fit, expression.units)
        self.map = expression_map(neutral, posed)
        self.fitted_eyes = eyeballs(fit)
        self.turns = expression.eyes
        lips = fit.model.groups["lips"]
        # twice: the lips, and so much about them that the patch's border is in no picture of a gap
        around = _touching(posed.faces, _touching(posed.faces, lips).unique())
        corners, weights = lattice_of_faces(posed.vertices, around, step_m=LIP_STEP_M)
        near = [(mesh.vertices[corners] * weights[..., None]).sum(1) for mesh in (neutral, posed)]
        self.lips = Lips(near[0], near[1], posed.vertices[lips])
        self.lids = _skin_about(self.fitted_eyes, posed)
        self.eyes = find_irises(trained, self.fitted_eyes, skin=_skin_about(self.fitted_eyes, neutral))

    def picture(
        self,
        trained: RadianceField,
        view: View,
        *,
        config: RenderConfig,
        cache: ShellCache,
        look_at_camera: bool = False,
        aside_deg: tuple[float, float] = STRAIGHT,
    ) -> tuple[RenderOutput, FieldVolume | None]:
        """:func:`render_view` of this head, and the displacement to the neutral head that it shows (m; None: still)."""
        at = view.camera.centre[0] if look_at_camera else None
        bent = self.deformation(look_at_m=at, aside_deg=aside_deg)
        if bent is None:
            return render_view(trained, view, config=config, cache=cache), None
        bent = bent.to(trained.sd_m.device)
        output = render_view(trained, view, config=config, cache=cache, deformation=bent)
        volume = bent.volume_of(0)
        assert volume is not None, "a deformation that was made moves"
        return darken_gap(output, view, volume, lips=self.lips), volume

    def deformation(
        self, *, look_at_m: Float[Tensor, "3"] | None = None, aside_deg: tuple[float, float] = STRAIGHT
    ) -> Deformation | None:
        """What :func:`render_view` takes; eyes look at a point (head frame, m), or as the expression says if None.

        From there they are turned ``aside_deg``: to the person's own left and up, degrees, as far as eyes turn.
        """
        eyes = self.fitted_eyes if look_at_m is None and aside_deg == STRAIGHT else self.eyes
        whole = gaze_map(self.map, eyes, self._turns(look_at_m, aside_deg), skin=self.lids)
        return None if whole is None else Deformation([whole])

    def eye_contact_deg(
        self,
        camera_m: Float[Tensor, "3"],
        *,
        look_at_m: Float[Tensor, "3"] | None = None,
        aside_deg: tuple[float, float] = STRAIGHT,
    ) -> float | None:
        """How far past a camera (head frame, m) the eyes look (see :func:`head3d.field.gaze.eye_contact_deg`)."""
        return eye_contact_deg(self.eyes, self._turns(look_at_m, aside_deg), camera_m)

    def _turns(self, look_at_m: Float[Tensor, "3"] | None, aside_deg: tuple[float, float]) -> list[Float[Tensor, "3"]]:
        """Axis-angle of either eye."""
        turns = list(self.turns) if look_at_m is None else [turn_towards(eye, look_at_m) for eye in self.eyes]
        return [turned_aside(turn, aside_deg) for turn in turns]


def neutral_eyes(trained: RadianceField, fit: HeadFit) -> tuple[Eyeball, ...]:
    """The eyes of a field that shows no expression."""
    eyes = eyeballs(fit)
    skin, _ = posed_skin(fit, torch.zeros(len(fit.model.expression_names)))
    return find_irises(trained, eyes, skin=_skin_about(eyes, skin))


def _skin_about(eyes: Sequence[Eyeball], skin: Mesh) -> Float[Tensor, "P 3"]:
    """Points of the skin about the eyes, metres."""
    corners, weights = lattice_of_faces(skin.vertices, skin.faces, step_m=LID_STEP_M)
    points = (skin.vertices[corners] * weights[..., None]).sum(1)
    distance = torch.stack([(points - eye.centre).norm(dim=-1) - eye.radius_m for eye in eyes]).amin(0)
    return points[distance < LID_REACH_M]


def _touching(faces: Int[Tensor, "F 3"], chosen: Int[Tensor, "C"]) -> Int[Tensor, "G 3"]:
    """The triangles with a chosen vertex."""
    return faces[torch.isin(faces, chosen).any(1)]
