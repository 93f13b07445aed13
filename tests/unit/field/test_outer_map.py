import torch

from head3d.field.outer_map import CENTRE, FAR_M, axis_foot, map_place, map_rays


class TestMap:
    def test_a_ray_of_a_texel_meets_places_of_that_texel(self):
        width, height = 64, 32
        origins, directions = map_rays(width, height)
        for way in (0.3, 0.42):
            place = map_place(origins + way * directions, front=0.0)
            column, row = torch.arange(width).repeat(height), torch.arange(height).repeat_interleave(width)
            torch.testing.assert_close(place[:, 0] * width, column + 0.5, rtol=0, atol=2e-3)
            torch.testing.assert_close(place[:, 1] * height, row + 0.5, rtol=0, atol=2e-3)

    def test_the_seam_is_in_front_and_the_back_in_the_middle(self):
        ahead, behind = torch.tensor([[0.001, 0.0, 0.1]]), torch.tensor([[0.0, 0.0, -0.1]])
        assert float(map_place(ahead, front=0.0)[0, 0]) < 0.01
        assert float(map_place(behind, front=0.0)[0, 0]) == 0.5

    def test_rays_end_at_the_axis(self):
        origins, directions = map_rays(16, 16)
        ends = origins + FAR_M * directions
        torch.testing.assert_close(ends, axis_foot(ends), rtol=0, atol=1e-6)
        assert float(ends[:, 1].max()) <= CENTRE[1] + 1e-6
