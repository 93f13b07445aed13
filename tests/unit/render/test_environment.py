"""Environment maps: where they are, their harmonics, and lamps that are cut out of them without a loss."""

import math

import pytest
import torch

from head3d.geometry.lamps import Lamps
from head3d.geometry.sh import ambient, harmonics_of, project_directional
from head3d.imaging.color import luminance
from head3d.render.environment import (
    environment_light,
    map_directions,
    project_map,
    shrunk,
    solid_angles,
    wrapped_backdrop,
)


def direction(azimuth_deg: float, elevation_deg: float) -> torch.Tensor:
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    return torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def disc(toward: torch.Tensor, half_deg: float, *, rows: int = 128) -> torch.Tensor:
    """1 within an angle of a direction, (H W 1)."""
    inside = map_directions(rows, 2 * rows) @ toward.double() > math.cos(math.radians(half_deg))
    return inside.float()[..., None]


def lamps_of(radiance: torch.Tensor, most: int = 4) -> Lamps:
    found = environment_light(radiance, most_lamps=most).lamps
    assert found is not None
    return found


class TestMap:
    def test_the_face_looks_at_its_middle_and_its_right_half_is_on_the_subjects_right(self):
        d = map_directions(100, 200)
        assert torch.allclose(d[50, 100], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), atol=0.03)
        assert d[50, 150, 0] < -0.99 and d[50, 50, 0] > 0.99 and d[0, :, 1].min() > 0.99

    def test_solid_angles_are_the_whole_sphere(self):
        assert float(solid_angles(37, 80).sum() * 80) == pytest.approx(4 * math.pi)

    def test_shrinking_keeps_the_light(self):
        radiance = torch.rand(200, 400, 3, generator=torch.Generator().manual_seed(0))
        radiance[13, 57] = 5e4
        small = shrunk(radiance)
        assert small.shape == (128, 256, 3)
        assert torch.allclose(project_map(radiance), project_map(small), rtol=2e-3, atol=0.5)  # of 230: half a pixel


class TestProjection:
    def test_of_a_constant_is_the_uniform_sky(self):
        color = torch.tensor([0.2, 0.5, 1.0])
        assert torch.allclose(project_map(color.expand(64, 128, 3)), ambient(color), atol=1e-3)

    def test_of_the_cosine_lobe_is_its_closed_form(self):
        # max(cos, 0) about a direction has bands pi, 2 pi / 3, pi / 4 (Ramamoorthi & Hanrahan 2001)
        toward = direction(30, 20)
        lobe = (map_directions(128, 256) @ toward.double()).clamp(min=0).float()[..., None].expand(-1, -1, 3)
        bands = torch.tensor([math.pi] + [2 * math.pi / 3] * 3 + [math.pi / 4] * 5)
        exact = project_directional(toward, torch.ones(3)) * bands[:, None]
        assert torch.allclose(project_map(lobe), exact, atol=2e-3)


class TestEnvironmentLight:
    def test_an_even_sky_has_no_lamps(self):
        light = environment_light(torch.full((32, 64, 3), 0.7), most_lamps=4)
        assert light.lamps is not None and len(light.lamps) == 0

    def test_a_sun_is_one_lamp_at_its_place_and_of_its_size(self):
        lamps = lamps_of(0.1 + 500 * disc(direction(50, 35), 4.0).expand(-1, -1, 3))
        assert len(lamps) == 1
        assert float(lamps.position[0] @ direction(50, 35)) > math.cos(math.radians(1.0))
        assert float(lamps.radius[0]) == pytest.approx(math.sin(math.radians(4.0)), rel=0.2)

    def test_two_windows_are_two_lamps_with_their_colours(self):
        left, right = disc(direction(70, 10), 8.0), disc(direction(-100, 20), 8.0)
        lamps = lamps_of(0.1 + left * torch.tensor([20.0, 10.0, 5.0]) + right * torch.tensor([5.0, 10.0, 20.0]), 2)
        warm = lamps.color[:, 0] > lamps.color[:, 2]
        assert warm.sum() == 1 and (lamps.position[warm, 0] > 0).all() and (lamps.position[~warm, 0] < 0).all()

    def test_a_window_across_the_seam_behind_the_head_stays_whole(self):
        lamps = lamps_of(0.1 + 50 * disc(direction(180, 10), 6.0).expand(-1, -1, 3), 1)
        assert float(lamps.position[0] @ direction(180, 10)) > math.cos(math.radians(1.0))

    @pytest.mark.parametrize("most", [0, 1, 4, 16])
    def test_light_is_kept(self, most):
        g = torch.Generator().manual_seed(4)
        radiance = torch.rand(128, 256, 3, generator=g) + 80 * disc(direction(20, 60), 12.0)
        radiance = radiance + 3000 * disc(direction(-60, 5), 1.5) * torch.tensor([1.0, 0.8, 0.5])
        light = environment_light(radiance, most_lamps=most)
        assert torch.allclose(harmonics_of(light), project_map(radiance), atol=2e-3)
        assert light.lamps is not None and len(light.lamps) <= most
        # what is left is light, not a lack of it
        assert float((light.sh[0]).min()) > 0


class TestWrappedBackdrop:
    def test_the_bright_side_of_a_picture_lights_the_same_side_of_the_person(self):
        picture = torch.zeros(60, 60, 3)
        picture[:, 40:] = 1.0  # the right of the picture: the subject's left, +X, seen from the front
        around = wrapped_backdrop(picture)
        level = luminance(around)
        x = map_directions(*level.shape)[..., 0]
        assert level[x > 0.8].min() > 0.9 and level[x < 0].max() < 0.1

    def test_front_and_back_mirror_each_other(self):
        around = wrapped_backdrop(torch.rand(40, 40, 3, generator=torch.Generator().manual_seed(0)))
        quarter = around.shape[1] // 4
        left = around[:, :quarter].flip(1), around[:, quarter : 2 * quarter]
        assert torch.allclose(*left, atol=1e-5)
