import numpy as np
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.mesh import Mesh
from head3d.quality.fit_overlay import draw_fit, draw_photo

TETRAHEDRON = Mesh(
    torch.tensor([[0.0, 0.1, 0.0], [-0.1, -0.1, 0.05], [0.1, -0.1, 0.05], [0.0, -0.1, -0.1]]),
    torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]),
)
CAMERA = Cameras(
    look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)[None], intrinsics(300.0, (100, 120))[None], (100, 120)
)


def test_the_mesh_covers_the_middle_and_leaves_the_corners():
    photo = np.full((100, 120, 3), 200, np.uint8)
    drawn = draw_fit(photo, TETRAHEDRON, CAMERA, around=torch.arange(4), size=64)
    plain = draw_photo(photo, TETRAHEDRON.vertices, CAMERA, size=64)
    assert np.abs(drawn[40, 32].astype(int) - 200).max() > 10
    assert np.array_equal(drawn[2, 2], plain[2, 2]) and plain[32, 32].tolist() == [200, 200, 200]
