"""Cameras and meshes for PyTorch3D, and back: for programs that render or optimise with it.

PyTorch3D's camera looks along +z with x to the left and y up, moves points as rows (``X R + T``), and measures pictures
in normalised device coordinates: 0 in the middle, +1 half of the shorter side to the left or upwards. Ours is OpenCV's,
in pixels (see ``head3d.geometry.conventions``).
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import optional_package
from head3d.geometry.cameras import Cameras
from head3d.geometry.mesh import Mesh
from head3d.kernels.raster import RasterOutput
from head3d.shapes import shaped

AXES = (-1.0, -1.0, 1.0)
"""Signs of a camera's axes between OpenCV and PyTorch3D."""
HINT = "Install it for your PyTorch and CUDA: see pytorch3d.org."


@shaped
@dataclass(frozen=True)
class CameraNumbers:
    """What PyTorch3D's ``PerspectiveCameras`` is made of, under its names; lengths in normalised device coordinates."""

    R: Float[Tensor, "N 3 3"]
    T: Float[Tensor, "N 3"]
    focal_length: Float[Tensor, "N 2"]
    principal_point: Float[Tensor, "N 2"]
    image_size: Float[Tensor, "N 2"]


def camera_numbers(cameras: Cameras) -> CameraNumbers:
    """Our cameras as PyTorch3D measures them.

    >>> eye = Cameras(torch.eye(4)[None], torch.tensor([[[100., 0, 32], [0, 100, 24], [0, 0, 1]]]), (48, 64))
    >>> camera_numbers(eye).R[0].diagonal(), camera_numbers(eye).principal_point
    (tensor([-1., -1.,  1.]), tensor([[-0., -0.]]))
    """
    signs = cameras.c2w.new_tensor(AXES)
    turned = cameras.c2w[:, :3, :3]
    middle, half = _frame(cameras)
    return CameraNumbers(
        R=turned * signs,
        T=-torch.einsum("ni,nij->nj", cameras.centre, turned) * signs,
        focal_length=cameras.K[:, (0, 1), (0, 1)] / half,
        principal_point=(middle - cameras.K[:, :2, 2]) / half,
        image_size=cameras.c2w.new_tensor(cameras.size).expand(len(cameras), 2),
    )


def cameras_from_numbers(given: CameraNumbers) -> Cameras:
    """PyTorch3D's cameras (of pictures of one size) as ours."""
    height, width = (int(one) for one in given.image_size[0])
    signs = given.R.new_tensor(AXES)
    c2w = torch.eye(4, dtype=given.R.dtype, device=given.R.device).repeat(len(given.R), 1, 1)
    c2w[:, :3, :3] = given.R * signs
    c2w[:, :3, 3] = -torch.einsum("nij,nj->ni", given.R, given.T)
    K = torch.eye(3, dtype=given.R.dtype, device=given.R.device).repeat(len(given.R), 1, 1)
    cameras = Cameras(c2w, K, (height, width))
    middle, half = _frame(cameras)
    K[:, (0, 1), (0, 1)] = given.focal_length * half
    K[:, :2, 2] = middle - given.principal_point * half
    return cameras


def to_cameras(cameras: Cameras) -> Any:
    """Our cameras as a ``PerspectiveCameras``."""
    given = camera_numbers(cameras)
    renderer = optional_package("pytorch3d.renderer", "PyTorch3D is not here.", hint=HINT)
    return renderer.PerspectiveCameras(**vars(given), device=cameras.c2w.device)


def from_cameras(theirs: Any) -> Cameras:
    """A ``PerspectiveCameras`` in normalised device coordinates, with its ``image_size``, as ours."""
    names = ("R", "T", "focal_length", "principal_point", "image_size")
    return cameras_from_numbers(CameraNumbers(**{name: getattr(theirs, name).float() for name in names}))


def to_meshes(mesh: Mesh, *, colors: Float[Tensor, "V 3"] | None = None) -> Any:
    """Our mesh as a ``Meshes`` of one, with colours of its vertices if there are any."""
    structures = optional_package("pytorch3d.structures", "PyTorch3D is not here.", hint=HINT)
    textures = None
    if colors is not None:
        renderer = optional_package("pytorch3d.renderer", "PyTorch3D is not here.", hint=HINT)
        textures = renderer.TexturesVertex(verts_features=[colors])
    return structures.Meshes(verts=[mesh.vertices], faces=[mesh.faces], textures=textures)


def from_meshes(theirs: Any, index: int = 0) -> Mesh:
    """One mesh of a ``Meshes``."""
    return Mesh(theirs.verts_list()[index], theirs.faces_list()[index])


def drawn_by_pytorch3d(mesh: Mesh, cameras: Cameras, *, compiled: bool = True) -> RasterOutput:
    """What each pixel of the first camera sees of a mesh, by PyTorch3D's rasteriser: ours can be held against it.

    Args:
        mesh: Head frame.
        cameras: The first is used.
        compiled: False for its loop in Python, which needs no compiled part: for pictures of a few pixels.
    """
    module = "pytorch3d.renderer.mesh.rasterize_meshes"
    theirs = optional_package(module, "PyTorch3D is not here.", hint=HINT)
    given = camera_numbers(cameras[0])
    local = mesh.vertices @ given.R[0] + given.T[0]
    flat = local[:, :2] / local[:, 2:] * given.focal_length + given.principal_point
    moved = to_meshes(Mesh(torch.cat([flat, local[:, 2:]], dim=-1), mesh.faces))
    draw = theirs.rasterize_meshes if compiled else theirs.rasterize_meshes_python
    triangle, depth, weights, _ = draw(
        moved, image_size=cameras.size, blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
    )
    seen = triangle[0, :, :, 0]
    hit = seen >= 0
    return RasterOutput(seen, weights[0, :, :, 0] * hit[..., None], depth[0, :, :, 0] * hit)


def _frame(cameras: Cameras) -> tuple[Float[Tensor, "2"], float]:
    """Middle of the picture (px), and half of its shorter side, to which normalised device coordinates are scaled."""
    height, width = cameras.size
    return cameras.c2w.new_tensor([width / 2, height / 2]), min(height, width) / 2
