import torch
from hypothesis import given
from hypothesis import strategies as st

from head3d.field.outer_map import axis_foot, map_place
from head3d.prior.unwrap import HEIGHT, WIDTH


class TestMapPlace:
    def test_front_is_in_the_middle_and_the_crown_on_top(self):
        place = map_place(torch.tensor([[0.0, 0.03, 0.12], [0.0, 0.13, 0.01]]))
        torch.testing.assert_close(place[0, 0], torch.tensor(0.5))
        torch.testing.assert_close(place[1, 1], torch.tensor(0.0), atol=1e-6, rtol=0)

    @given(st.floats(-3.1, 3.1), st.floats(-0.19, 0.12), st.floats(0.05, 0.2))
    def test_the_place_does_not_depend_on_the_distance_from_the_axis(self, azimuth: float, up: float, radius: float):
        turn = torch.tensor(azimuth)
        near = torch.stack([radius * turn.sin(), torch.tensor(up), 0.01 + radius * turn.cos()])
        inner = axis_foot(near)
        far = inner + 1.7 * (near - inner)
        torch.testing.assert_close(map_place(near), map_place(far), atol=2e-5, rtol=0)

    def test_left_and_right_are_mirrored(self):
        place = map_place(torch.tensor([[0.05, 0.0, 0.08], [-0.05, 0.0, 0.08]]))
        torch.testing.assert_close(place[0, 0] - 0.5, 0.5 - place[1, 0])


class TestUnwrap:
    def test_texels_know_their_own_place(self, casting):
        skin = casting.skin
        front = torch.zeros_like(skin.filled)
        front[HEIGHT // 5 : HEIGHT * 3 // 5, WIDTH // 3 : WIDTH * 2 // 3] = True
        rows, columns = torch.nonzero(skin.filled & front, as_tuple=True)
        place = map_place(skin.position[rows, columns]) * torch.tensor([WIDTH, HEIGHT])
        off = (place - torch.stack([columns + 0.5, rows + 0.5], dim=1)).abs().amax(1)
        # Triangles are straight and the map is not.
        assert float(off.quantile(0.95)) < 0.5 and float(off.median()) < 0.15

    def test_the_face_has_no_holes_but_eyes_mouth_and_nostrils(self, casting):
        mean = casting.model.mean[casting.model.groups["face"]]
        place = map_place(mean) * torch.tensor([WIDTH, HEIGHT])
        assert casting.skin.filled[place[:, 1].long(), place[:, 0].long()].float().mean() > 0.96
