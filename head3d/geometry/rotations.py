"""Rotations: axis-angle, yaw and pitch, and the distance between two of them."""

import torch
from jaxtyping import Float
from torch import Tensor


def matrix_from_axis_angle(axis_angle: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Rodrigues' formula; smooth at zero, so that gradients and Jacobians exist there.

    R = I + sin(t)/t [w] + (1 - cos(t))/t^2 [w]^2 with t = |w|.
    """
    theta2 = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = theta2 < 1e-8  # below, the series to t^2 is exact in float32
    safe = torch.where(small, torch.ones_like(theta2), theta2)
    theta = safe.sqrt()
    a = torch.where(small, 1.0 - theta2 / 6.0, theta.sin() / theta)
    b = torch.where(small, 0.5 - theta2 / 24.0, (1.0 - theta.cos()) / safe)
    skew = skew_matrix(axis_angle)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + a * skew + b * (skew @ skew)


def skew_matrix(v: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Return [v] with [v] u = v x u."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*v.shape[:-1], 3, 3)


def matrix_from_yaw_pitch(yaw: float, pitch: float, roll: float = 0.0) -> Float[Tensor, "3 3"]:
    """Turn a head: yaw (rad) to its own left, then pitch (rad) up, then roll (rad) clockwise as the camera sees it.

    R = R_z(-roll) R_x(-pitch) R_y(yaw), about the axes of a camera in front: so constant pitch is a turntable.
    """
    turn = matrix_from_axis_angle(torch.tensor([0.0, yaw, 0.0]))
    nod = matrix_from_axis_angle(torch.tensor([-pitch, 0.0, 0.0]))
    tilt = matrix_from_axis_angle(torch.tensor([0.0, 0.0, -roll]))
    return tilt @ nod @ turn


def angle_between(a: Float[Tensor, "*B 3 3"], b: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B"]:
    """Angle (rad) of the rotation that takes a to b.

    From the Frobenius distance, |a - b|^2 = 8 sin^2(t/2): exact near zero, where acos of the trace is not.
    """
    chord = (a - b).pow(2).sum((-1, -2)).sqrt() / 8.0**0.5
    return 2.0 * torch.asin(chord.clamp(max=1.0))
