"""Texels see what the field's surface shows next to them."""

import torch

from head3d.export.atlas import charts_of, packed
from head3d.export.texture import (
    in_frames,
    picture_of,
    seamless_normals,
    surface_look,
    tangent_frames,
    texels_of,
)
from tests.unit.export.balls import RADIUS_M, ball, ball_field


def test_places_beside_the_surface_are_moved_onto_it_and_take_its_look():
    field = ball_field()
    directions = torch.nn.functional.normalize(torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    look = surface_look(field, directions * (RADIUS_M + 0.002))
    assert float((look.place.norm(dim=-1) - RADIUS_M).abs().max()) < 2e-4  # cells of 5 mm, and the reach of 0.1 mm
    assert float((look.normal * directions).sum(-1).min()) > 0.995
    clear = directions[:, 0].abs() > 0.2
    red = look.albedo[:, 0] > look.albedo[:, 1]
    assert torch.equal(red[clear], directions[clear, 0] > 0)


def test_a_place_too_far_from_the_surface_stays_within_reach():
    look = surface_look(ball_field(), torch.tensor([[RADIUS_M + 0.02, 0.0, 0.0]]))
    assert abs(float(look.place[0, 0]) - (RADIUS_M + 0.016)) < 1e-4


def test_normals_of_the_mesh_itself_are_straight_up_in_its_own_frames():
    mesh = ball(rings=24)
    (flat,) = packed([mesh], charts_of(mesh))
    normals = seamless_normals(mesh, flat)
    frames = tangent_frames(flat, normals)
    texels = texels_of(flat, normals, side_px=256)
    assert float((frames.tangent[:, :3] * frames.normal).sum(-1).abs().max()) < 1e-4
    own = in_frames(texels.normal, texels, flat, frames)
    assert float(own[:, 2].min()) > 0.9999


def test_a_normal_turned_towards_growing_u_has_positive_x():
    mesh = ball(rings=24)
    (flat,) = packed([mesh], charts_of(mesh))
    normals = seamless_normals(mesh, flat)
    frames = tangent_frames(flat, normals)
    texels = texels_of(flat, normals, side_px=256)
    # along growing u, measured on the picture itself: the place of the next texel to the right
    rows, columns = texels.row_column
    index = torch.full((256, 256), -1)
    index[rows, columns] = torch.arange(len(rows))
    right = index[rows, (columns + 1).clamp(max=255)]
    inside = (right >= 0) & (right != torch.arange(len(rows)))
    step = texels.place[right[inside]] - texels.place[inside]
    near = step.norm(dim=-1) < 0.01  # not across a seam
    leaning = texels.normal.clone()
    leaning[inside] = torch.nn.functional.normalize(
        texels.normal[inside] + 0.3 * torch.nn.functional.normalize(step, dim=-1), dim=-1
    )
    own = in_frames(leaning, texels, flat, frames)[inside][near]
    assert float((own[:, 0] > 0.2).float().mean()) > 0.99
    assert float(own[:, 1].abs().mean()) < 0.05


def test_empty_places_continue_what_is_next_to_them():
    mesh = ball(rings=12)
    (flat,) = packed([mesh], charts_of(mesh))
    texels = texels_of(flat, seamless_normals(mesh, flat), side_px=128)
    values = torch.rand(len(texels.place), 3, generator=torch.Generator().manual_seed(0)) + 1.0
    picture = picture_of([(texels, values)], side_px=128)
    assert torch.equal(picture[texels.row_column], values)
    assert float(picture.min()) >= 1.0, "no texel is left black"
