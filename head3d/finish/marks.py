"""Where the head is in a picture: crown, chin, eyes and landmarks of the fitted head as a camera sees them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.morphable.types import HeadModel
from head3d.shapes import shaped

CHIN = 152
"""MediaPipe: the lowest point of the chin."""
RIGHT_IRIS, LEFT_IRIS = 468, 473
"""MediaPipe: the middles of the irises, the subject's own sides."""
BODY = ("shoulders", "neck")
"""Groups of the head model that are no head."""


@shaped
@dataclass(frozen=True)
class HeadMarks:
    """A head in a picture, px, (0, 0) the upper left corner.

    Attributes:
        skull_y: Top of the skull, under the hair.
        hair_y: Top of the hair; equal to ``skull_y`` where there is none.
        chin_y: Lowest point of the chin.
        left_x: Left edge of the bare head in the picture.
        right_x: Its right edge.
        landmarks_px: MediaPipe's 478 points.
    """

    skull_y: float
    hair_y: float
    chin_y: float
    left_x: float
    right_x: float
    landmarks_px: Float[Tensor, "478 2"]

    @property
    def centre_x(self) -> float:
        """Middle of the bare head."""
        return (self.left_x + self.right_x) / 2

    @property
    def eyes_px(self) -> Float[Tensor, "2 2"]:
        """Middles of the subject's right and left iris."""
        return self.landmarks_px[[RIGHT_IRIS, LEFT_IRIS]]

    @property
    def eye_y(self) -> float:
        """Height of the eye line."""
        return float(self.eyes_px[:, 1].mean())


def landmarks_of(model: HeadModel, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, "478 3"]:
    """MediaPipe's points on a head, in the vertices' frame and unit."""
    return (vertices[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)


def head_marks(
    model: HeadModel, vertices: Float[Tensor, "V 3"], camera: Cameras, *, alpha: Float[Tensor, "H W"] | None = None
) -> HeadMarks:
    """Find the head in a camera's picture.

    Args:
        model: Says which vertices are what.
        vertices: The fitted head with its expression, head frame, metres.
        camera: One camera.
        alpha: Coverage of the camera's picture in any resolution: tells the hair. None: the skull is all there is.
    """
    skin = model.groups["skin"]
    body = torch.cat([model.groups[name] for name in BODY])
    head, _ = project(vertices[skin[~torch.isin(skin, body)]], camera.c2w[0], camera.K[0])
    points, _ = project(landmarks_of(model, vertices), camera.c2w[0], camera.K[0])
    skull = float(head[:, 1].min())
    hair = skull
    if alpha is not None:
        scale = camera.size[0] / alpha.shape[0]
        rows = torch.nonzero((alpha > 0.5).any(1))
        hair = min(skull, float(rows[0, 0]) * scale) if len(rows) else skull
    return HeadMarks(
        skull_y=skull,
        hair_y=hair,
        chin_y=float(points[CHIN, 1]),
        left_x=float(head[:, 0].min()),
        right_x=float(head[:, 0].max()),
        landmarks_px=points,
    )
