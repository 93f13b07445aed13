import torch

from head3d.imaging.color import lab_from_linear
from head3d.morphable.chromophores import (
    BLOOD,
    MELANIN,
    color_table,
    look_up_color,
    melanin_of_angle,
    skin_color,
    typology_angle_deg,
)


class TestSkinColor:
    def test_more_melanin_is_darker_in_every_channel(self):
        colors = skin_color(torch.linspace(*MELANIN, 20), torch.full((20,), 0.01))
        assert (colors.diff(dim=0) < 0).all()

    def test_more_blood_is_redder(self):
        a = lab_from_linear(skin_color(torch.full((10,), 0.02), torch.linspace(0.002, 0.1, 10)))[:, 1]
        assert (a.diff() > 0).all()

    def test_red_is_reflected_more_than_green_and_green_more_than_blue(self):
        melanin, blood = torch.meshgrid(torch.linspace(*MELANIN, 8), torch.linspace(*BLOOD, 8), indexing="ij")
        colors = skin_color(melanin, blood)
        assert (colors[..., 0] > colors[..., 1]).all() and (colors[..., 1] > colors[..., 2]).all()

    def test_ordinary_skins_lie_where_they_are_measured(self):
        # Means of facial skin, CIE Lab (Xiao et al. 2017): L* 50 to 67, a* 8 to 14, b* 13 to 20 outside Africa.
        lab = lab_from_linear(skin_color(torch.tensor([0.012, 0.04]), torch.tensor([0.007, 0.008])))
        assert ((lab[:, 0] > 50) & (lab[:, 0] < 75)).all()
        assert ((lab[:, 1] > 4) & (lab[:, 1] < 16)).all()
        assert ((lab[:, 2] > 12) & (lab[:, 2] < 26)).all()


class TestLookUpColor:
    def test_agrees_with_the_spectrum(self):
        generator = torch.Generator().manual_seed(0)
        melanin = 0.008 + 0.5 * torch.rand(6, 5, generator=generator)
        blood = 0.002 + 0.1 * torch.rand(6, 5, generator=generator)
        found = look_up_color(color_table(), melanin.log(), blood.log()).permute(1, 2, 0)
        # 33 steps a side: measured 0.3 %
        torch.testing.assert_close(found, skin_color(melanin, blood), rtol=0.01, atol=1e-4)


class TestMelaninOfAngle:
    def test_gives_the_angle_asked_for_over_the_whole_range(self):
        for angle in (-60.0, -30.0, 0.0, 30.0, 50.0):
            melanin = melanin_of_angle(angle, 0.005)
            reached = float(typology_angle_deg(skin_color(torch.tensor(melanin), torch.tensor(0.005))))
            assert abs(reached - angle) < 1.5


class TestTypologyAngle:
    def test_grey_of_medium_lightness_is_zero(self):
        grey = torch.full((3,), 0.18418651851244416)  # L* = 50
        assert abs(float(lab_from_linear(grey)[0]) - 50) < 1e-3
        yellow = torch.tensor([0.25, 0.18, 0.08])
        assert abs(float(typology_angle_deg(yellow))) < 20
