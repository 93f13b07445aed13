import torch

from head3d.imaging.compose import over, resize_straight, spread_colors
from head3d.imaging.warp import crop_padded, resize, sample_at


def disc(size: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return ((size * 0.3 - ((x - size / 2) ** 2 + (y - size / 2) ** 2).sqrt()) / 3 + 0.5).clamp(0, 1)


class TestOver:
    def test_full_coverage_hides_the_backdrop(self):
        color = torch.rand(4, 4, 3)
        assert torch.equal(over(color, torch.ones(4, 4), torch.zeros(3)), color)

    def test_half_a_coverage_of_white_over_black_is_half_the_light(self):
        got = over(torch.ones(1, 1, 3), torch.full((1, 1), 0.5), torch.zeros(3))
        assert torch.allclose(got, torch.full((1, 1, 3), 0.5))

    def test_in_srgb_it_is_half_the_level(self):
        got = over(torch.ones(1, 1, 3), torch.full((1, 1), 0.5), torch.zeros(3), space="srgb")
        assert torch.allclose(got, torch.full((1, 1, 3), 0.21404), atol=1e-4)


class TestFringe:
    def test_rim_colours_of_the_old_background_are_replaced(self):
        alpha = disc()
        skin = torch.tensor([0.5, 0.3, 0.2])
        polluted = skin * alpha[..., None] + torch.tensor([0.0, 1.0, 0.0]) * (1 - alpha[..., None])
        clean = spread_colors(polluted, alpha, trust=0.99)
        rim = (alpha > 0.05) & (alpha < 0.95)
        assert (clean[rim] - skin).abs().max() < 0.04 < (polluted[rim] - skin).abs().max()

    def test_solid_pixels_keep_their_colour_exactly(self):
        alpha, color = disc(), torch.rand(64, 64, 3)
        assert torch.equal(spread_colors(color, alpha)[alpha >= 0.9], color[alpha >= 0.9])

    def test_shrinking_does_not_leak_empty_pixels(self):
        alpha = disc()
        color = torch.where(alpha[..., None] > 0, torch.tensor([0.5, 0.3, 0.2]), torch.zeros(3))
        small, coverage = resize_straight(color, alpha, size=(16, 16))
        assert torch.allclose(small[coverage > 0.01], torch.tensor([0.5, 0.3, 0.2]), atol=1e-3)


class TestWarp:
    def test_sampling_at_pixel_centres_returns_the_pixels(self):
        image = torch.rand(5, 7, 2)
        y, x = torch.meshgrid(torch.arange(5), torch.arange(7), indexing="ij")
        points = torch.stack([x, y], -1).reshape(-1, 2) + 0.5
        assert torch.allclose(sample_at(image, points).reshape(5, 7, 2), image, atol=1e-6)

    def test_resize_keeps_the_mean(self):
        image = torch.rand(60, 40, 3)
        assert torch.allclose(resize(image, (30, 20)).mean(), image.mean(), atol=1e-6)

    def test_a_window_beyond_the_border_is_padded(self):
        got = crop_padded(torch.ones(4, 4), -2, -1, size=(3, 4), fill=0.5)
        assert got.tolist() == [[0.5] * 4, [0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0]]
