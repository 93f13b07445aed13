import torch

from head3d.finish.windows import CROPS, aim, head_box_from_alpha
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project

HEAD = torch.tensor([[0.0, 0.13, 0.0], [0.0, -0.11, 0.05], [0.08, 0.0, 0.0], [-0.08, 0.0, 0.0]])


def test_the_head_has_the_size_and_place_of_the_preset():
    camera = Cameras(
        look_at_head(yaw_deg=25.0, pitch_deg=0.0, distance_m=1.0)[None], intrinsics(900.0, (640, 480))[None], (640, 480)
    )
    for crop in CROPS.values():
        aimed = aim(camera, crop, head_points_m=HEAD, height_px=1000)
        points, _ = project(HEAD, aimed.c2w[0], aimed.K[0])
        top, bottom = points[:, 1].min(), points[:, 1].max()
        assert abs(float(bottom - top) / 1000 - crop.head_height) < 0.01
        assert abs(float(top) / 1000 - crop.crown) < 0.01
        assert abs(aimed.size[1] / aimed.size[0] - crop.aspect) < 0.01


def test_a_silhouette_tells_head_from_shoulders():
    alpha = torch.zeros(200, 200)
    y, x = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    alpha[((x - 100) / 40) ** 2 + ((y - 70) / 50) ** 2 < 1] = 1
    alpha[100:150, 82:118] = 1
    alpha[150:, 30:170] = 1
    crown, chin, centre = head_box_from_alpha(alpha)
    assert abs(crown - 20) < 3 and 110 < chin < 150 and abs(centre - 100) < 2
