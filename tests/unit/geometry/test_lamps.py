"""Lamps: what arrives, and their harmonics."""

import math

import pytest
import torch

from head3d.geometry.lamps import Lamps, arrival, distant_lamps, joined, lamp_irradiance
from head3d.geometry.sh import Lighting, harmonics_of, irradiance_basis, project_disc, scale_light, turn_light
from tests.reference.shading import harmonics, sphere

UP = torch.tensor([[0.0, 1.0, 0.0]])


def near(*, facing: torch.Tensor = 0 * UP, radius: float = 0.0) -> Lamps:
    place = torch.tensor([[0.0, 2.0, 0.0]])
    return Lamps(place, torch.tensor([False]), torch.ones(1, 3), facing, torch.tensor([radius]))


class TestArrival:
    def test_light_of_a_point_falls_with_the_square_of_the_distance(self):
        seen = arrival(near(), 0, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        assert seen.strength.tolist() == pytest.approx([0.25, 1.0])
        assert seen.far_m.tolist() == [2.0, 1.0]

    def test_a_panel_shines_to_its_front_only(self):
        front = arrival(near(facing=-UP), 0, torch.zeros(1, 3)).strength
        assert float(front) == pytest.approx(0.25)
        assert float(arrival(near(facing=UP), 0, torch.zeros(1, 3)).strength) == 0.0

    def test_a_disc_is_exact_on_its_axis(self):
        # irradiance pi L a^2 / (r^2 + a^2) of a disc of radiance L; its colour is what arrives at 1 m as a point
        seen = arrival(near(facing=-UP, radius=0.5), 0, torch.zeros(1, 3))
        assert float(seen.strength) == pytest.approx(1 / (4 + 0.25))
        assert float(seen.sine) == pytest.approx(0.5 / math.sqrt(4.25))

    def test_a_distant_lamp_is_alike_everywhere(self):
        lamp = distant_lamps(2 * UP, torch.ones(1, 3), sine=torch.tensor([0.1]))
        seen = arrival(lamp, 0, torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
        assert torch.equal(seen.direction, UP.expand(5, 3)) and torch.equal(seen.strength, torch.ones(5))


class TestLampIrradiance:
    @pytest.mark.parametrize("sine", [0.05, 0.3, 0.6])
    def test_is_that_of_the_disc_above_the_horizon(self, sine):
        # the directions of a cap about +Y, each with the cosine to a normal that tilts away
        d, angle = sphere(900)
        cap = d[:, 1] > math.sqrt(1 - sine * sine)
        for tilt in torch.linspace(0.0, math.pi / 2 + math.asin(sine) + 0.05, 20).tolist():
            normal = torch.tensor([[math.sin(tilt), math.cos(tilt), 0.0]])
            cosine = (d[cap] @ normal[0].double().numpy()).clip(min=0.0)
            exact = (cosine * angle[cap]).sum() / (d[cap][:, 1] * angle[cap]).sum()
            assert float(lamp_irradiance(normal, UP, torch.tensor([sine]))) == pytest.approx(exact, abs=0.03)


class TestHarmonics:
    @pytest.mark.parametrize("sine", [0.02, 0.4])
    def test_of_a_disc_are_the_integral_over_its_cap(self, sine):
        d, angle = sphere(1500)
        cap = d[:, 1] > math.sqrt(1 - sine * sine)
        weight = angle[cap] / (d[cap][:, 1] * angle[cap]).sum()
        exact = torch.from_numpy((harmonics(d[cap]) * weight[:, None]).sum(0))
        made = project_disc(UP[0].double(), torch.ones(3, dtype=torch.float64), sine=sine)
        assert torch.allclose(made[:, 0], exact, atol=5e-3)

    def test_turning_light_turns_what_a_surface_receives(self):
        lamps = distant_lamps(torch.tensor([[1.0, 2.0, 0.5]]), torch.ones(1, 3), sine=torch.tensor([0.2]))
        light = Lighting(torch.randn(9, 3, generator=torch.Generator().manual_seed(1)), lamps)
        turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0]
        turn = turn * torch.linalg.det(turn)
        normal = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(3)), dim=-1)
        before = irradiance_basis(normal) @ harmonics_of(light)
        after = irradiance_basis(normal @ turn.T) @ harmonics_of(turn_light(light, turn))
        assert torch.allclose(before, after, atol=1e-5)

    def test_of_joined_and_scaled_lamps_add_up(self):
        one, two = near(), distant_lamps(UP, torch.ones(1, 3), sine=torch.tensor([0.1]))
        nothing = torch.zeros(9, 3)
        both = scale_light(Lighting(nothing, joined([one, two])), 3.0)
        apart = harmonics_of(Lighting(nothing, one)) + harmonics_of(Lighting(nothing, two))
        assert torch.allclose(harmonics_of(both), 3 * apart)
