"""One look for a set: the transport does what its paper says, and skin stays where naive transfer moves it."""

import pytest
import torch
from torch import Tensor

from head3d.finish.harmonize import (
    GAIN_LIMITS,
    LabMap,
    apply_look,
    find_look,
    skin_delta_e,
    skin_weight,
    transport,
)
from head3d.imaging.color import lab_from_linear, linear_from_lab
from head3d.imaging.compose import over
from head3d.imaging.similarity import ssim

SIZE = 96
SKINS = ((0.62, 0.42, 0.33), (0.45, 0.28, 0.20), (0.30, 0.17, 0.11), (0.14, 0.075, 0.05), (0.06, 0.032, 0.022))


def portrait(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A person drawn at random: lit colours, albedo, coverage, the bare face, a backdrop; linear RGB."""
    draw = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid((torch.arange(SIZE) + 0.5) / SIZE, (torch.arange(SIZE) + 0.5) / SIZE, indexing="ij")
    skin = torch.tensor(SKINS[seed % len(SKINS)])
    noise = 1 + 0.12 * torch.randn(SIZE, SIZE, 1, generator=draw)
    cloth, hair, wall = torch.rand(3, 3, generator=draw) * torch.tensor([[0.5], [0.06], [0.6]]) + 0.02
    head = ((x - 0.5) / 0.22) ** 2 + ((y - 0.42) / 0.30) ** 2 < 1
    face = head & (y > 0.33)
    body = (y > 0.75) & ((x - 0.5).abs() < 0.4)
    albedo = torch.where(body[..., None], cloth, hair).expand(SIZE, SIZE, 3)
    albedo = torch.where(face[..., None], skin, albedo) * noise.clamp(0.5, 1.5)
    light = (0.65 + 0.5 * x + 0.1 * (1 - y))[..., None]
    backdrop = wall * (1.1 - 0.4 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)[..., None] * 2)
    return albedo * light, albedo, (head | body).float(), face & (y > 0.4) & (y < 0.6), backdrop.clamp(0, 1)


def graded(picture: Tensor, seed: int) -> Tensor:
    """Another camera's colours: exposure, white balance and contrast, drawn at random."""
    draw = torch.Generator().manual_seed(1000 + seed)
    exposure, *balance = (torch.rand(4, generator=draw) - 0.5).tolist()
    gains = torch.tensor([1 + 0.25 * one for one in balance]) * (1 + 0.5 * exposure)
    contrast = 0.85 + 0.3 * float(torch.rand(1, generator=draw))
    lab = lab_from_linear((picture * gains).clamp(0, 1))
    middle = torch.tensor([45.0, 0.0, 0.0])
    return linear_from_lab((lab - middle) * torch.tensor([contrast, 1.0, 1.0]) + middle).clamp(0, 1)


class TestTransport:
    def test_clouds_of_one_shape_are_only_shifted(self):
        cloud = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([20.0, 8.0, 8.0])
        found = transport(cloud, cloud + torch.tensor([3.0, -2.0, 5.0]))
        assert torch.allclose(found.matrix, torch.eye(3), atol=1e-4)
        assert torch.allclose(found(cloud) - cloud, torch.tensor([3.0, -2.0, 5.0]).expand_as(cloud), atol=1e-3)

    def test_mean_and_covariance_become_those_of_the_target(self):
        draw = torch.Generator().manual_seed(1)
        shape = torch.tensor([[22.0, 0, 0], [3.0, 9.0, 0], [-2.0, 4.0, 10.0]])
        source = torch.randn(20000, 3, generator=draw) @ shape.T
        turned = torch.tensor([[20.0, 2, 0], [2.0, 8.0, 1.0], [0.0, 3.0, 11.0]])
        target = torch.randn(20000, 3, generator=draw) @ turned.T + 5
        moved = transport(source, target)(source)
        assert torch.allclose(moved.mean(0), target.mean(0), atol=1e-2)
        assert torch.allclose(torch.cov(moved.T), torch.cov(target.T), rtol=0.02, atol=1.0)

    def test_gains_stay_in_bounds(self):
        draw = torch.Generator().manual_seed(2)
        flat, wide = torch.randn(500, 3, generator=draw), torch.randn(500, 3, generator=draw) * 40
        gains = torch.linalg.eigvalsh(transport(flat, wide).matrix)
        assert GAIN_LIMITS[0] - 1e-4 <= gains.min() and gains.max() <= GAIN_LIMITS[1] + 1e-4

    def test_no_part_of_a_map_changes_nothing(self):
        lab = torch.tensor([[50.0, 10.0, -4.0]])
        whole = LabMap(torch.eye(3) * 1.3, torch.zeros(3), torch.ones(3))
        assert torch.allclose(whole.part(0.0)(lab), lab) and torch.allclose(whole.part(1.0)(lab), whole(lab))


class TestSkin:
    @pytest.mark.parametrize("seed", range(10))
    def test_the_face_is_skin_in_every_tone_and_a_blue_wall_is_not(self, seed: int):
        _, albedo, _, face, _ = portrait(seed)
        weight = skin_weight(albedo, face)
        assert weight[face].mean() > 0.95
        assert skin_weight(torch.tensor([0.1, 0.2, 0.6]).expand(SIZE, SIZE, 3), face & ~face).max() == 0
        mixed = torch.where(face[..., None], albedo, torch.tensor([0.1, 0.2, 0.6]))
        assert skin_weight(mixed, face)[~face].max() == 0

    def test_shade_is_no_other_skin(self):
        _, albedo, _, face, _ = portrait(0)
        assert torch.equal(skin_weight(albedo, face), skin_weight(albedo.clone(), face))


def composite(seed: int) -> dict[str, Tensor]:
    """One case: a person, a reference that shows somebody else in the same room by another camera, and its truth."""
    lit, albedo, alpha, face, wall = portrait(seed)
    other_lit, _, other_alpha, _, _ = portrait(seed + 50 + seed // 5)
    reference = graded(over(other_lit.clamp(0, 1), other_alpha, wall), seed)
    skin = skin_weight(albedo, face)
    plain = over(lit.clamp(0, 1), alpha, wall)
    wanted = torch.where((skin * alpha > 0.5)[..., None], plain, graded(plain, seed))
    whole = find_look([lit], [alpha], [skin], target=reference, backdrop=wall)
    ours = over(apply_look(lit, whole, skin=skin).clamp(0, 1), alpha, apply_look(wall, whole).clamp(0, 1))
    naive_map = transport(lab_from_linear(plain.reshape(-1, 3)), lab_from_linear(reference.reshape(-1, 3)))
    naive = linear_from_lab(naive_map(lab_from_linear(plain))).clamp(0, 1)
    return {"plain": plain, "wanted": wanted, "ours": ours, "naive": naive, "skin": skin * alpha}


class TestTwentyComposites:
    def test_skin_stays_within_one_delta_e_where_naive_transfer_moves_it(self):
        for seed in range(20):
            case = composite(seed)
            ours = skin_delta_e(case["ours"], case["plain"], case["skin"])
            naive = skin_delta_e(case["naive"], case["plain"], case["skin"])
            assert ours < 1.0 < naive

    def test_the_rest_takes_the_look_and_the_whole_is_nearer_to_what_was_wanted(self):
        gained = []
        for seed in range(20):
            case = composite(seed)
            assert float((case["ours"] - case["plain"])[case["skin"] < 0.1].abs().mean()) > 0.002
            gained.append(float(ssim(case["ours"], case["wanted"])) - float(ssim(case["naive"], case["wanted"])))
        assert sum(gained) / 20 > 0.02 and sum(gain > 0 for gain in gained) >= 12

    @pytest.mark.weights
    def test_lpips_to_what_was_wanted_is_lower_on_the_mean(self):
        from head3d.imaging.similarity import lpips

        loss = {name: [] for name in ("ours", "naive")}
        for seed in range(20):
            case = composite(seed)
            for name, values in loss.items():
                values.append(float(lpips(case[name], case["wanted"])))
        ours, naive = (torch.tensor(values).mean() for values in loss.values())
        assert ours < naive

    def test_a_set_shares_one_look(self):
        people = [portrait(seed) for seed in (3, 3)]
        people[1][0].mul_(0.8)
        skins = [skin_weight(one[1], one[3]) for one in people]
        look = find_look(
            [one[0] for one in people],
            [one[2] for one in people],
            skins,
            target=graded(people[0][4], 1),
            backdrop=None,
            strength=0.5,
        )
        assert not look.on_backdrop
        first = apply_look(torch.full((1, 1, 3), 0.2), look)
        assert torch.equal(first, apply_look(torch.full((1, 1, 3), 0.2), look))
        for one, skin in zip(people, skins, strict=True):
            assert skin_delta_e(apply_look(one[0], look, skin=skin), one[0], skin * one[2]) < 1.1

    def test_a_person_of_nothing_but_skin_is_left_alone(self):
        lit, _, alpha, _, wall = portrait(1)
        look = find_look([lit], [alpha], [torch.ones(SIZE, SIZE)], target=wall, backdrop=None)
        assert torch.allclose(apply_look(lit, look), lit.clamp_min(0), atol=1e-4)
