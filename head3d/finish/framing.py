"""Where frames are put: the few places of a head that a preset's window is measured on, in any camera.

The places are those of the neutral head, so that a smile does not move the frame, and they are so few that a page can
do the same sum while the head turns: the viewer's live frame and ``head3d render --crop`` are one frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.finish.crops import CropPreset, frame
from head3d.finish.marks import BODY, CHIN, LEFT_IRIS, RIGHT_IRIS, landmarks_of
from head3d.geometry.cameras import Cameras, project
from head3d.morphable.types import HeadFit
from head3d.render.types import View
from head3d.shapes import shaped

DIRECTIONS = 400
"""An outline is known by the places that lie farthest in this many directions: to half a millimetre on a head."""


@dataclass(frozen=True)
class FrameMarks:
    """A head in a picture, px from the upper left corner (see :class:`head3d.finish.marks.HeadMarks`)."""

    skull_y: float
    hair_y: float
    chin_y: float
    eye_y: float
    centre_x: float


@shaped
@dataclass(frozen=True)
class HeadPoints:
    """Places of a neutral head, head frame, metres.

    Attributes:
        bare: Outermost places of the bare head without neck and shoulders.
        hair: Outermost places of the head with its hair.
        chin: Lowest point of the chin.
        eyes: Middles of the right and the left iris.
    """

    bare: Float[Tensor, "B 3"]
    hair: Float[Tensor, "H 3"]
    chin: Float[Tensor, "3"]
    eyes: Float[Tensor, "2 3"]

    def seen_by(self, camera: Cameras) -> FrameMarks:
        """Where they are in a camera's picture."""
        bare, hair, chin, eyes = (
            project(points, camera.c2w[0], camera.K[0])[0]
            for points in (self.bare, self.hair, self.chin[None], self.eyes)
        )
        skull = float(bare[:, 1].min())
        return FrameMarks(
            skull_y=skull,
            hair_y=min(skull, float(hair[:, 1].min())),
            chin_y=float(chin[0, 1]),
            eye_y=float(eyes[:, 1].mean()),
            centre_x=float(bare[:, 0].min() + bare[:, 0].max()) / 2,
        )

    def framed(self, camera: Cameras, crop: CropPreset) -> Cameras:
        """The same camera through a preset's window, of the preset's size."""
        return frame(camera, crop, marks=self.seen_by(camera))

    def framed_views(self, views: Sequence[View], crop: CropPreset) -> list[View]:
        """The same views through a preset's window."""
        return [replace(view, camera=self.framed(view.camera, crop)) for view in views]


def head_points(fit: HeadFit, surface_m: Float[Tensor, "P 3"]) -> HeadPoints:
    """The places of a fitted head.

    Args:
        fit: The head.
        surface_m: Places all over its field's surface: they know its hair. What lies below the chin is left aside.
    """
    model, vertices = fit.model, fit.vertices().detach().float().cpu()
    skin = model.groups["skin"]
    bare = vertices[skin[~torch.isin(skin, torch.cat([model.groups[name] for name in BODY]))]]
    surface = surface_m.detach().cpu()
    head = surface[surface[:, 1] > float(vertices[model.groups["face"], 1].min())]
    landmarks = landmarks_of(model, vertices)
    return HeadPoints(
        bare=_outermost(bare), hair=_outermost(torch.cat([head, bare])), chin=landmarks[CHIN],
        eyes=landmarks[[RIGHT_IRIS, LEFT_IRIS]],
    )  # fmt: skip


def _outermost(points: Float[Tensor, "P 3"]) -> Float[Tensor, "Q 3"]:
    ways = torch.randn(DIRECTIONS, 3, generator=torch.Generator().manual_seed(0))
    return points[(points @ ways.T).argmax(0).unique()]
