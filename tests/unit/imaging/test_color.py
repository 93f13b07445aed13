import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from head3d.imaging import color


class TestSrgb:
    def test_middle_grey_of_the_standard(self):
        assert abs(color.linear_from_srgb(torch.tensor(0.5)).item() - 0.21404114048223255) < 1e-7

    @given(st.floats(-0.5, 4.0))
    def test_decoding_undoes_encoding(self, value):
        x = torch.tensor(value, dtype=torch.float64)
        assert torch.isclose(color.linear_from_srgb(color.srgb_from_linear(x)), x, atol=1e-6)

    def test_all_levels_survive_the_round_trip(self):
        levels = np.arange(256, dtype=np.uint8)
        assert (color.levels_from_linear(color.linear_from_levels(levels)) == levels).all()

    def test_gradient_is_finite_at_black(self):
        x = torch.zeros(3, requires_grad=True)
        color.srgb_from_linear(x).sum().backward()
        assert x.grad is not None and torch.isfinite(x.grad).all()


class TestLab:
    def test_white_is_100_without_colour(self):
        white = color.lab_from_linear(torch.ones(3, dtype=torch.float64))
        assert torch.allclose(white, torch.tensor([100.0, 0.0, 0.0], dtype=torch.float64), atol=1e-6)

    def test_red_primary_has_its_published_coordinates(self):
        red = color.lab_from_linear(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
        assert torch.allclose(red, torch.tensor([53.24, 80.09, 67.20], dtype=torch.float64), atol=0.02)

    def test_inverse(self):
        rgb = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) ** 3
        assert torch.allclose(color.linear_from_lab(color.lab_from_linear(rgb)), rgb, atol=1e-9)
