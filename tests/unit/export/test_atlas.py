"""Texture coordinates: every triangle once, none over another, none mirrored."""

import pytest
import torch

from head3d.export.atlas import Unwrapped, ball_chart, charts_of, packed
from head3d.geometry.mesh import Mesh, face_normals
from head3d.kernels.raster import rasterize
from tests.unit.export.balls import ball

SIDE = 1024


@pytest.fixture(scope="module")
def unwrapped() -> tuple[Mesh, Mesh, list[Unwrapped]]:
    """A ball with a smaller one that sticks out of it, as an ear does, and an eye."""
    large, bump = ball(rings=24), ball(0.02, rings=10)
    joined = Mesh(
        torch.cat([large.vertices, bump.vertices + torch.tensor([0.1, 0.0, 0.0])]),
        torch.cat([large.faces, bump.faces + len(large.vertices)]),
    )
    eye = ball(0.012, rings=10)
    charts = [*charts_of(joined), ball_chart(eye, torch.tensor([0.0, 0.0, 1.0]), index=1, density=1.5)]
    return joined, eye, packed([joined, eye], charts)


def test_every_triangle_of_the_surface_comes_once(unwrapped: tuple[Mesh, Mesh, list[Unwrapped]]):
    mesh, _, (flat, _) = unwrapped
    wanted = {tuple(sorted(face)) for face in mesh.faces.tolist()}
    found = [tuple(sorted(face)) for face in flat.source[flat.mesh.faces].tolist()]
    assert len(found) == len(mesh.faces) and set(found) == wanted
    assert torch.equal(flat.mesh.vertices, mesh.vertices[flat.source])


def test_no_texel_belongs_to_two_triangles_and_none_is_mirrored(unwrapped: tuple[Mesh, Mesh, list[Unwrapped]]):
    covered, area = 0, 0.0
    taken = torch.zeros(SIDE, SIDE, dtype=torch.int32)
    for flat in unwrapped[2]:
        assert flat.mesh.uv is not None
        u, v = (flat.mesh.uv * SIDE).unbind(1)
        corners = torch.stack([u, v], dim=-1)[flat.mesh.faces].double()
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        signed = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
        assert float(signed.min()) > 0, "right and up of a chart are seen from outside"
        area += float(signed.sum())
        drawn = rasterize(torch.stack([u, v, torch.ones_like(u)], dim=-1), flat.mesh.faces, size=(SIDE, SIDE))
        taken += (drawn.triangle >= 0).int()
        covered += int((drawn.triangle >= 0).sum())
    assert int(taken.max()) == 1, "charts of different meshes share no texel"
    # where triangles lie over each other, the sum of their areas is more than what they cover
    assert area == pytest.approx(covered, rel=0.01)
    assert covered > 0.35 * SIDE**2, "a third of the picture at least is used"


def test_a_chart_keeps_sizes(unwrapped: tuple[Mesh, Mesh, list[Unwrapped]]):
    mesh, _, (flat, _) = unwrapped
    assert flat.mesh.uv is not None
    uv = flat.mesh.uv[flat.mesh.faces]
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    flat_area = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).abs()
    density = flat_area / face_normals(flat.mesh.vertices, flat.mesh.faces).norm(dim=-1)
    # flattening foreshortens by the cosine against the chart's axis, and by nothing else
    assert float(density.quantile(0.95) / density.quantile(0.5)) < 1.6
    assert float(density.quantile(0.05) / density.quantile(0.5)) > 0.3
    assert len(mesh.faces) == len(flat.mesh.faces)
