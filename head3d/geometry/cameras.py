"""Cameras of photos and views: intrinsics K, pose c2w, projection, rays (OpenCV; see conventions)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.rotations import matrix_from_yaw_pitch
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class Cameras:
    """N cameras over pictures of one size.

    Attributes:
        c2w: Camera to head frame, metres, OpenCV axes.
        K: Intrinsics, px; pixel centres at +0.5.
        size: (height, width) px.
    """

    c2w: Float[Tensor, "N 4 4"]
    K: Float[Tensor, "N 3 3"]
    size: tuple[int, int]

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: int) -> "Cameras":
        i = range(len(self))[index]
        return replace(self, c2w=self.c2w[i : i + 1], K=self.K[i : i + 1])

    @property
    def centre(self) -> Float[Tensor, "N 3"]:
        """Camera centres, head frame, metres."""
        return self.c2w[:, :3, 3]

    @property
    def yaw_pitch(self) -> Float[Tensor, "N 2"]:
        """Yaw and pitch (rad) of the head as each camera sees it: yaw > 0 if the face is turned to its own left."""
        to_camera = torch.nn.functional.normalize(self.centre, dim=-1)
        return torch.stack([-torch.atan2(to_camera[:, 0], to_camera[:, 2]), -torch.asin(to_camera[:, 1])], dim=-1)

    def resized(self, size: tuple[int, int]) -> "Cameras":
        """The same cameras over pictures scaled to ``size`` = (height, width) px."""
        scale = torch.tensor([size[1] / self.size[1], size[0] / self.size[0], 1.0], dtype=self.K.dtype)
        return replace(self, K=self.K * scale.to(self.K.device)[:, None], size=size)

    def cropped(self, left: float, top: float, size: tuple[int, int]) -> "Cameras":
        """The same cameras over a window of their pictures that starts at (left, top) px."""
        K = self.K.clone()
        K[:, 0, 2] -= left
        K[:, 1, 2] -= top
        return replace(self, K=K, size=size)


def project(
    points: Float[Tensor, "P 3"], c2w: Float[Tensor, "4 4"], K: Float[Tensor, "3 3"]
) -> tuple[Float[Tensor, "P 2"], Float[Tensor, "P"]]:
    """Project points of the head frame (m); returns px and z-depth (m). Points behind the camera get depth <= 0."""
    local = (points - c2w[:3, 3]) @ c2w[:3, :3]
    depth = local[:, 2]
    safe = torch.where(depth.abs() < 1e-9, torch.full_like(depth, 1e-9), depth)
    return local[:, :2] / safe[:, None] * K.diagonal()[:2] + K[:2, 2], depth


def pixel_rays(
    pixels: Float[Tensor, "R 2"], c2w: Float[Tensor, "4 4"], K: Float[Tensor, "3 3"]
) -> tuple[Float[Tensor, "R 3"], Float[Tensor, "R 3"]]:
    """Origins and unit directions (head frame) of the rays through pixel positions (px, centres at +0.5)."""
    local = torch.cat([(pixels - K[:2, 2]) / K.diagonal()[:2], torch.ones_like(pixels[:, :1])], dim=-1)
    directions = torch.nn.functional.normalize(local @ c2w[:3, :3].T, dim=-1)
    return c2w[:3, 3].expand_as(directions), directions


def pixel_grid(height: int, width: int, *, device: torch.device | str = "cpu") -> Float[Tensor, "P 2"]:
    """Centres of all pixels, row by row, px."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2).float() + 0.5


def look_at_head(
    *, yaw_deg: float, pitch_deg: float, distance_m: float, target_m: Float[Tensor, "3"] | None = None
) -> Float[Tensor, "4 4"]:
    """Pose c2w of a camera that sees the head turned by yaw (to its own left) and pitch (up), degrees.

    The camera stands ``distance_m`` from ``target_m`` (head frame; the origin by default), upright in the head frame.
    """
    turned = matrix_from_yaw_pitch(
        torch.deg2rad(torch.tensor(yaw_deg)).item(), torch.deg2rad(torch.tensor(pitch_deg)).item()
    )
    back = turned.T  # turning the head is turning the camera the other way
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # camera looks along -Z of the head frame, y down
    c2w = torch.eye(4)
    c2w[:3, :3] = back @ flip
    offset = back @ torch.tensor([0.0, 0.0, distance_m])
    c2w[:3, 3] = offset if target_m is None else offset + target_m
    return c2w


def intrinsics(focal_px: float, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
    """K (px) of a camera with square pixels and its principal point in the middle of (height, width)."""
    return torch.tensor([[focal_px, 0.0, size[1] / 2], [0.0, focal_px, size[0] / 2], [0.0, 0.0, 1.0]])
