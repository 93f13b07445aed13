"""The one place that says how head3d measures the world, and the only one that knows how others do.

Head frame (canonical = world)
    Right-handed, metres. Origin midway between the ear roots of the neutral mean mesh. +Y up, +Z out of the face, +X to
    the subject's left. The field lives in the box [-0.32, 0.32]^3 m. A photo's head pose is folded into its camera, so
    light is in the head frame too.
Camera
    OpenCV: x right, y down, z forward. ``c2w`` (4,4) is stored and passed everywhere; ``K`` (3,3) in px; pixel centres
    at +0.5, (0,0) is the top-left corner of the picture.
Rotations
    Matrices inside, axis-angle for joints, quaternions wxyz at the edges. Radians in code, degrees (``_deg``) in
    configs and user interfaces. Yaw > 0 turns the face to its own left, pitch > 0 up.
Spherical harmonics
    Real, orthonormal, order 2, no Condon-Shortley sign, index l*l + l + m = [1, y, z, x, xy, yz, 3z2-1, xz, x2-y2];
    (9,3) linear RGB radiance. gsplat, drjit and Deep3DFaceRecon carry minus signs on odd m.
Images
    HWC. uint8 sRGB only in Photo, Headshot and files; float32 linear RGB between.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FIELD_HALF_SIZE_M = 0.32
"""Half the edge of the field's box, metres."""

INTERPUPILLARY_M = 0.063
"""Adult mean distance between the pupils: sets the scale where no photo tells it."""

OPENCV_OPENGL = (1.0, -1.0, -1.0)
"""Signs of a camera's axes between OpenCV (x right, y down, z forward) and OpenGL (x right, y up, z back)."""


def flip_camera_axes(c2w: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Turn OpenCV camera poses into OpenGL ones (nerfstudio, Blender, glTF) and back.

    >>> flip_camera_axes(torch.eye(4)).diagonal()
    tensor([ 1., -1., -1.,  1.])
    """
    signs = torch.tensor([*OPENCV_OPENGL, 1.0], dtype=c2w.dtype, device=c2w.device)
    return c2w * signs


def other_side(points_m: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Points of the head frame mirrored to the other half of the head.

    >>> other_side(torch.tensor([0.1, 0.2, 0.3]))
    tensor([-0.1000,  0.2000,  0.3000])
    """
    return points_m * points_m.new_tensor([-1.0, 1.0, 1.0])
