import torch

from head3d.field.completion_net import (
    SURE,
    answer,
    carried_strands,
    completion_input,
    fill_map,
    make_completion_net,
)


def half_known(height=32, width=64):
    known = torch.zeros(1, height, width)
    known[..., : width // 4] = 1
    known[..., -width // 4 :] = 1
    return known


class TestStrands:
    def test_are_mirrored_at_the_border(self):
        colors = 0.02 * torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
        have = torch.zeros(1, 1, 32, 64)
        have[..., :40] = 1  # nothing on the right: all comes from the left
        colors = colors * have
        strands = carried_strands(colors, have)
        expected = (colors - torch.nn.functional.avg_pool2d(colors, 9, 1, 4, count_include_pad=False))[..., 27:34]
        torch.testing.assert_close(strands[..., 46:53], expected.flip(-1), rtol=0.03, atol=1e-3)

    def test_nothing_is_carried_where_all_is_known(self):
        assert not carried_strands(torch.rand(1, 3, 8, 64), torch.ones(1, 1, 8, 64)).any()

    def test_hair_is_not_drawn_on_skin(self):
        colors = torch.full((1, 3, 16, 64), -0.8) + 0.2 * torch.rand(1, 3, 16, 64)
        have = torch.zeros(1, 1, 16, 64)
        have[..., :32] = 1
        on_hair, on_skin = colors.clone(), colors.clone()
        on_hair[..., 32:], on_skin[..., 32:] = -0.7, 0.4
        dark, light = (carried_strands(one, have)[..., 32:].abs().mean() for one in (on_hair, on_skin))
        assert float(light) < 0.01 * float(dark)


class TestNet:
    def test_the_same_map_is_filled_the_same(self):
        torch.manual_seed(0)
        net = make_completion_net().eval()
        albedo, known = torch.rand(3, 64, 128), half_known(64, 128)[0]
        first, second = (fill_map(net, albedo, known, torch.full_like(known, 0.1)) for _ in range(2))
        assert torch.equal(first, second) and first.shape == (3, 64, 128)

    def test_without_an_answer_what_is_known_stays(self):
        torch.manual_seed(0)
        net = make_completion_net().eval()
        known, radius = half_known(64, 128), torch.full((1, 64, 128), 0.1)
        albedo = torch.rand(1, 3, 64, 128)
        for parameter in net.head.parameters():
            torch.nn.init.zeros_(parameter)
        made = answer(net, *completion_input(albedo, known, radius, generator=torch.Generator().manual_seed(1)))
        have = (known > SURE)[:, None].expand_as(albedo)
        torch.testing.assert_close(made[have], 2 * albedo[have] - 1, rtol=0, atol=1e-5)
