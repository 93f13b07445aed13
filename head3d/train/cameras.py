"""Camera refinement inside training: each photo's head may turn about the head's origin and slide across the view.

Distance and scale stay locked: their gradients are weak and every run that freed them drifted away along them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from head3d.geometry.cameras import Cameras
from head3d.geometry.rotations import matrix_from_axis_angle

TURN_RAD = 0.05
SHIFT_M = 0.02


class CameraRefinement(nn.Module):
    """Turn (rad) and lateral slide (m) of every photo's head, as multiples of what is plausible."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.zeros(count, 3))
        self.slide = nn.Parameter(torch.zeros(count, 2))

    def rays(
        self, c2w: Float[Tensor, "N 4 4"], photo: Int[Tensor, "R"], camera_rays: Float[Tensor, "R 3"]
    ) -> tuple[Float[Tensor, "R 3"], Float[Tensor, "R 3"]]:
        """Origins (m) and unit directions, head frame, of unit rays given in camera axes."""
        moved = moved_cameras(c2w, self.turn * TURN_RAD, self.slide * SHIFT_M)[photo]
        return moved[:, :3, 3], torch.einsum("rij,rj->ri", moved[:, :3, :3], camera_rays)


def moved_cameras(
    c2w: Float[Tensor, "N 4 4"], turn: Float[Tensor, "N 3"], shift: Float[Tensor, "N 2"]
) -> Float[Tensor, "N 4 4"]:
    """Poses after each head turned by an axis-angle (rad) about the origin and slid (m) along its camera's x and y."""
    back = matrix_from_axis_angle(-turn)
    rotation = back @ c2w[:, :3, :3]
    centre = c2w[:, :3, 3] - torch.einsum("nij,nj->ni", c2w[:, :3, :2], shift)
    place = torch.einsum("nij,nj->ni", back, centre)
    top = torch.cat([rotation, place[..., None]], dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=c2w.dtype, device=c2w.device).expand(len(c2w), 1, 4)
    return torch.cat([top, bottom], dim=1)


def refined_cameras(
    cameras: tuple[Cameras, ...], turn: Float[Tensor, "N 3"], shift: Float[Tensor, "N 2"]
) -> tuple[Cameras, ...]:
    """Cameras of the fit with what training changed on them (``field.turn``, ``field.shift``)."""
    moved = moved_cameras(torch.cat([camera.c2w for camera in cameras]), turn, shift)
    return tuple(Cameras(moved[i : i + 1], camera.K, camera.size) for i, camera in enumerate(cameras))
