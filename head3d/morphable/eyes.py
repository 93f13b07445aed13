"""Gaze: turn each eyeball until its iris lands where the photo shows it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.morphable.energies import project_points
from head3d.morphable.state import FitState
from head3d.morphable.types import HeadModel
from head3d.perception.types import Observation

GAZE_LIMIT_RAD = 0.7
"""Eyes do not turn further; a larger answer is a closed eye or a wrong iris."""


def turn_eyes(model: HeadModel, state: FitState, observations: Sequence[Observation]) -> Float[Tensor, "N 2 3"]:
    """Axis-angles of [right, left] eyes per photo; both eyes get the mean of what the two irises say.

    The iris sits about 1.1 cm before the eye's centre, so a shift of 1 mm in the picture is 5 degrees.
    """
    turned = torch.zeros(state.photos, 2, 3)
    for i, observation in enumerate(observations):
        iris = observation.landmarks.iris_px
        if iris is None:
            continue
        vertices = state.vertices(model, i).double()
        answers = []
        for side in range(2):
            centre_index = 468 + 5 * side
            if not bool(observation.landmarks.visible[centre_index]):
                continue
            group = model.groups["eye_right" if side == 0 else "eye_left"]
            centre = vertices[group].mean(0)
            rest = (
                vertices[model.landmark_triangles[centre_index]]
                * model.landmark_barycentrics[centre_index].double()[:, None]
            ).sum(0) - centre
            seen = torch.from_numpy(iris[side, 0]).double()
            answers.append(_solve(state, i, centre=centre, rest=rest, seen=seen))
        if answers:
            turned[i] = torch.stack(answers).mean(0).clamp(-GAZE_LIMIT_RAD, GAZE_LIMIT_RAD).float()
    return turned


def _solve(state: FitState, photo: int, *, centre: Tensor, rest: Tensor, seen: Tensor) -> Float[Tensor, "3"]:
    """Turn about x and y (no torsion) by Gauss-Newton; a small ridge keeps closed eyes at rest."""
    angles = torch.zeros(2, dtype=torch.float64)

    def iris(turn: Tensor) -> Tensor:
        axis = torch.cat([turn, torch.zeros(1, dtype=torch.float64)])
        return project_points(state, photo, (centre + matrix_from_axis_angle(axis) @ rest)[None])[0]

    for _ in range(5):
        jacobian = torch.autograd.functional.jacobian(iris, angles)
        assert isinstance(jacobian, Tensor)
        ridge = 0.02 * jacobian.pow(2).sum() * torch.eye(2, dtype=torch.float64)
        angles = angles - torch.linalg.solve(
            jacobian.T @ jacobian + ridge, jacobian.T @ (iris(angles) - seen) + ridge @ angles
        )
    return torch.cat([angles, torch.zeros(1, dtype=torch.float64)])
