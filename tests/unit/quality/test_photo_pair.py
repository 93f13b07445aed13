"""The head beside a photo lies where the photo has it."""

import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project
from head3d.quality.fit_overlay import draw_photo
from head3d.quality.photo_pair import head_in_photo, photo_window
from head3d.quality.sight_overlay import PAPER
from head3d.render.config import RenderConfig
from head3d.rendering import surface_cache
from tests.unit.render.neutral_head import neutral_fit
from tests.unit.render.synthetic_fields import RADIUS_M, ball_field

POINTS = torch.tensor([[-0.1, -0.12, 0.0], [0.1, 0.12, 0.0], [0.03, 0.05, 0.02]])
CAMERA = Cameras(
    look_at_head(yaw_deg=20.0, pitch_deg=5.0, distance_m=1.0)[None], intrinsics(500.0, (240, 200))[None], (240, 200)
)


def test_a_point_of_the_photo_is_where_the_windows_camera_sees_it():
    photo = np.zeros((240, 200, 3), np.uint8)
    column, row = project(POINTS[2:], CAMERA.c2w[0], CAMERA.K[0])[0][0].tolist()
    photo[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2] = 255
    window = draw_photo(photo, POINTS, CAMERA, size=128)[..., 0].astype(float)
    rows, columns = np.indices(window.shape) + 0.5
    middle = [(window * at).sum() / window.sum() for at in (columns, rows)]
    camera = photo_window(POINTS, CAMERA, size=128)
    seen = project(POINTS[2:], camera.c2w[0], camera.K[0])[0][0].tolist()
    assert middle == pytest.approx(seen, abs=1.0)


@pytest.mark.weights
def test_a_still_field_is_rendered_in_its_photos_light_before_paper():
    fit, field = neutral_fit(), ball_field()
    field.sh[0, 0] = torch.tensor([3.0, 0.0, 0.0])  # a red light from everywhere
    around, camera = fit.model.groups["face"], fit.cameras[0]
    options = RenderConfig(samples=24)
    drawn = head_in_photo(field, surface_cache(field), fit, 0, camera=camera, around=around, config=options, size=64)
    window = photo_window(fit.vertices()[around], camera, size=64)
    column, row = (int(at) for at in project(torch.zeros(1, 3), window.c2w[0], window.K[0])[0][0])
    assert drawn[row, column, 0] > 60 and drawn[row, column, 1] == 0
    assert abs(int(drawn[0, 0].min()) - round(255 * PAPER)) <= 1
    reach = RADIUS_M * float(window.K[0, 0, 0])
    assert (drawn[..., 1] < 128).sum() == pytest.approx(np.pi * reach**2, rel=0.1)
