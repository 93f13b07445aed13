"""Weights along rays and light on them."""

import torch

from head3d.geometry.sh import ambient, shade_lambert
from head3d.render.sections import section_weights
from head3d.render.volume import shade


def test_a_ray_into_the_head_is_opaque_and_one_past_it_is_clear():
    sdf = torch.tensor([[4.0, 2.0, 0.5, -0.5, -2.0], [4.0, 3.0, 2.5, 3.0, 4.0]]) * 1e-3
    valid = torch.ones(2, 5, dtype=torch.bool)
    weights = section_weights(sdf, valid, torch.full((2, 5), 3e-4))
    assert float(weights[0].sum()) > 0.999
    assert float(weights[1].sum()) < 0.01
    assert int(weights[0].argmax()) == 2  # the section in which the distance changes sign


def test_a_ray_that_runs_out_of_samples_inside_is_solid():
    sdf = torch.tensor([[2.0, 0.3, -0.1, 1.0]]) * 1e-3
    valid = torch.tensor([[True, True, True, False]])
    assert float(section_weights(sdf, valid, torch.full((1, 4), 4e-4)).sum()) > 0.999


def test_a_ray_that_touches_the_surface_is_half_covered():
    sdf = torch.tensor([[5.0, 1.0, 0.0, 1.0, 5.0]]) * 1e-3
    weights = section_weights(sdf, torch.ones(1, 5, dtype=torch.bool), torch.full((1, 5), 4e-4))
    assert abs(float(weights.sum()) - 0.5) < 0.01


def test_light_that_is_positive_is_lamberts_and_negative_light_is_lifted():
    albedo, normal = torch.full((1, 3), 0.5), torch.tensor([[0.0, 0.0, 1.0]])
    sky = ambient(torch.ones(3))
    torch.testing.assert_close(shade(albedo, normal, sky[None]), shade_lambert(albedo, normal, sky))
    dark = sky.clone()
    dark[2] = -10.0
    assert float(shade(albedo, normal, dark[None]).min()) > 0
