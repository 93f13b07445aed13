import torch

from head3d.field.completion_net import (
    SURE,
    answer,
    carried_strands,
    completion_input,
    fill_map,
    make_completion_net,
    smooth_fill,
)


def half_known(height=32, width=64):
    known = torch.zeros(1, height, width)
    known[..., : width // 4] = 1
    known[..., -width // 4 :] = 1
    return known


class TestFills:
    def test_one_colour_goes_on_as_that_colour(self):
        have = half_known()[:, None]
        made = smooth_fill(torch.full((1, 3, 32, 64), 0.3), have)
        torch.testing.assert_close(made, torch.full((1, 3, 32, 64), 0.3), rtol=0, atol=1e-5)

    def test_known_colours_stay_and_gaps_lie_between_them(self):
        colors = torch.zeros(1, 3, 32, 64)
        colors[..., 32:] = 1.0
        have = half_known()[:, None]
        made = smooth_fill(colors, have)
        kept = have.expand_as(made) > 0
        assert float((made - colors)[kept].abs().max()) < 1e-5
        assert 0.2 < float(made[0, 0, 16, 32]) < 0.8

    def test_strands_are_mirrored_at_the_border(self):
        generator = torch.Generator().manual_seed(0)
        colors = torch.randn(1, 3, 32, 64, generator=generator)
        have = torch.zeros(1, 1, 32, 64)
        have[..., :40] = 1  # nothing on the right: all comes from the left
        strands = carried_strands(colors, have)
        fine = (colors - smooth_mean(colors, have))[..., :40]
        torch.testing.assert_close(strands[..., 40:56], fine[..., 24:40].flip(-1), rtol=0, atol=1e-4)

    def test_nothing_is_carried_where_all_is_known(self):
        assert not carried_strands(torch.rand(1, 3, 8, 64), torch.ones(1, 1, 8, 64)).any()


def smooth_mean(colors, have):
    mean = torch.nn.functional.avg_pool2d(colors * have, 9, 1, 4) / torch.nn.functional.avg_pool2d(
        have, 9, 1, 4
    ).clamp_min(1e-6)
    return smooth_fill(mean, (torch.nn.functional.avg_pool2d(have, 9, 1, 4) > 0.05).float())


class TestNet:
    def test_the_same_map_is_filled_the_same(self):
        torch.manual_seed(0)
        net = make_completion_net().eval()
        albedo, known = torch.rand(3, 64, 128), half_known(64, 128)[0]
        first, second = (fill_map(net, albedo, known, torch.full_like(known, 0.1)) for _ in range(2))
        assert torch.equal(first, second) and first.shape == (3, 64, 128)

    def test_what_is_not_known_is_not_looked_at(self):
        torch.manual_seed(0)
        net = make_completion_net().eval()
        known, radius = half_known(64, 128), torch.full((1, 64, 128), 0.1)
        albedo = torch.rand(1, 3, 64, 128)
        other = torch.where((known > SURE)[:, None], albedo, torch.rand(1, 3, 64, 128))
        one, two = (
            answer(net, *completion_input(colors, known, radius, generator=torch.Generator().manual_seed(1)))
            for colors in (albedo, other)
        )
        assert torch.equal(one, two)
