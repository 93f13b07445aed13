"""The head model with a wig: its meshes lie on the field's surface, and its .glb shows what the field shows."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from head3d.bench_export import draw, read_glb
from head3d.export.atlas import charts_of, packed
from head3d.export.glb import ARKIT, GlbOptions, arkit_morphs, head_glb
from head3d.export.mesh import HeadMesh, head_mesh
from head3d.field.config import FieldConfig, GridConfig
from head3d.field.from_mesh import base_volume, cloak_volume
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, box_grid
from head3d.geometry.mesh import face_normals
from head3d.geometry.sh import Lighting, ambient
from head3d.geometry.subdivide import subdivide
from head3d.kernels.raster import rasterize
from head3d.morphable.head_model import load_head_model
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadFit
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.rendering import surface_cache
from tests.unit.export.validator import report_on

pytestmark = pytest.mark.weights
WIG_M = 0.02


@pytest.fixture(scope="module")
def fit() -> HeadFit:
    model = load_head_model()
    return HeadFit(
        model, torch.zeros(len(model.identity_basis)), torch.zeros_like(model.mean),
        torch.zeros(1, len(model.expression_names)), torch.zeros(1, 3, 3), torch.zeros(1, 9, 3), (),
        torch.full_like(model.mean, 0.5), torch.zeros(1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def field(fit: HeadFit) -> RadianceField:
    """The mean head with 2 cm of hair, painted by height and by side."""
    shell = outer_shell(fit.model, fit.vertices())
    thick = torch.zeros(len(shell.vertices)).index_fill(0, fit.model.groups["scalp"], WIG_M)
    shape = base_volume(subdivide(shell, rounds=1), cloak=cloak_volume(shell, thick))
    top = shape.origin + torch.tensor([n - 1 for n in reversed(shape.shape)]) * shape.cell_m
    grid, low = box_grid(shape.origin, top, 0.008)
    nodes = Volume(torch.zeros(1, *grid), low, 0.008).nodes()
    colors = torch.stack([20 * nodes[:, 1], 15 * nodes[:, 0], 15 * nodes[:, 2], torch.zeros(len(nodes))])
    small = GridConfig(levels=2, coarsest_cells=4, finest_cells=8, table_log2=8)
    made = RadianceField(
        FieldConfig(geometry=small, color=small, hidden=16),
        shape=shape,
        traits=Volume(torch.stack([torch.full(grid, 1e-4), torch.ones(grid)]), low, 0.008),
        paint=Volume(colors.reshape(4, *grid), low, 0.008),
        sh=torch.zeros(1, 9, 3),
        generator=torch.Generator().manual_seed(0),
    )
    return made.requires_grad_(False)


@pytest.fixture(scope="module")
def cache(field: RadianceField) -> ShellCache:
    return surface_cache(field)


@pytest.fixture(scope="module")
def head(fit: HeadFit, field: RadianceField, cache: ShellCache) -> HeadMesh:
    return head_mesh(fit, field, cache, rounds=0)


@pytest.fixture(scope="module")
def glb(head: HeadMesh, field: RadianceField, fit: HeadFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glb") / "head.glb"
    path.write_bytes(head_glb(head, field, fit, options=GlbOptions(texture_px=512)))
    return path


def test_the_skin_lies_on_the_fields_surface_hair_included(head: HeadMesh, field: RadianceField):
    skin = head.part("skin").mesh
    away = field.sdf(skin.vertices).abs()
    assert float(away.quantile(0.9)) < 5e-4  # creases of lips, lids and ears follow what is around them
    crown = skin.vertices[skin.vertices[:, 1].argmax()]
    assert abs(float(field.sdf(crown[None]))) < 5e-4


def test_few_triangles_are_turned_over(head: HeadMesh, field: RadianceField):
    skin = head.part("skin").mesh
    slope = field.surface(skin.vertices[skin.faces].mean(1), step_m=2e-3).gradient
    against = (face_normals(skin.vertices, skin.faces) * slope).sum(-1) < 0
    assert float(against.float().mean()) < 0.04


def test_skin_and_its_inside_are_one_closed_surface_but_for_the_cut_below(head: HeadMesh):
    parts = [head.part(name).mesh for name in ("skin", "inner")]
    vertices = torch.cat([one.vertices for one in parts])
    faces = torch.cat([parts[0].faces, parts[1].faces + len(parts[0].vertices)])
    _, where = np.unique(vertices.numpy().round(7), axis=0, return_inverse=True)
    edges = np.sort(where[faces.numpy()][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    ends, times = np.unique(edges, axis=0, return_counts=True)
    assert set(times) <= {1, 2}
    height = np.zeros(where.max() + 1)
    height[where] = vertices[:, 1].numpy()
    assert height[ends[times == 1]].max() < -0.2, "open at the chest only"


def test_every_shape_of_arkit_is_there_and_moves_what_it_names(head: HeadMesh):
    assert len(ARKIT) == 52 and sorted(ARKIT) == list(ARKIT)
    skin = head.part("skin")
    morphs = dict(zip(ARKIT, arkit_morphs(skin.morphs, head.expression_names), strict=True))
    still = [name for name, moved in morphs.items() if float(moved.norm(dim=-1).max()) < 1e-3]
    assert still == ["tongueOut"]
    jaw = morphs["jawOpen"]
    chin = skin.mesh.vertices[jaw.norm(dim=-1).argmax()]
    assert float(chin[1]) < -0.03 and float(jaw[:, 1].min()) < -0.01
    smile = morphs["mouthSmileLeft"].norm(dim=-1)
    assert float(skin.mesh.vertices[smile.argmax(), 0]) > 0, "+X is the subject's left"


def test_eyes_turn_with_their_units(head: HeadMesh):
    left, right = head.part("eye_left"), head.part("eye_right")
    front = left.mesh.vertices[:, 2].argmax()
    names = head.expression_names
    assert float(left.morphs[names.index("eyeLookOutLeft"), front, 0]) > 2e-3
    assert float(left.morphs[names.index("eyeLookDownLeft"), front, 1]) < -2e-3
    front = right.mesh.vertices[:, 2].argmax()
    assert float(right.morphs[names.index("eyeLookOutRight"), front, 0]) < -2e-3


def test_glb_shows_what_the_field_shows(glb: Path, field: RadianceField, cache: ShellCache):
    view = named_view("three-quarter-left", size=(160, 160), light=Lighting(ambient(torch.ones(3))))
    seen = render_view(field, view, cache=cache)
    color, cover, depth = draw(read_glb(glb), view.camera)
    union = (seen.alpha > 0.5) | (cover > 0.5)
    both = (seen.alpha > 0.98) & (cover > 0.98)
    assert float(both.sum() / union.sum()) > 0.9
    assert float((depth - seen.depth_m)[both].abs().median()) < 1e-3
    error = (color - seen.albedo)[both].square().mean()
    assert float(-10 * error.log10()) > 28


def test_trimesh_finds_the_meshes_in_metres(glb: Path):
    scene = trimesh.load_scene(glb)
    assert {"eye_left", "eye_right", "teeth"} <= set(scene.graph.nodes_geometry)
    low, high = scene.bounds
    assert 0.4 < high[1] - low[1] < 0.6 and abs(low[0] + high[0]) < 0.05
    left = scene.graph["eye_left"][0][:3, 3]
    assert left[0] > 0.02 and left[2] > 0.03, "+X the subject's left, +Z forward"
    data = glb.read_bytes()
    content = json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])
    assert all(len(one["extras"]["targetNames"]) == 52 for one in content["meshes"])


def test_khronos_validator_finds_nothing_in_a_head(glb: Path):
    report = report_on(glb)
    assert (report["issues"]["numErrors"], report["issues"]["numWarnings"]) == (0, 0), report["issues"]["messages"][:9]
    assert report["info"]["hasMorphTargets"] and report["info"]["hasTextures"]


def test_charts_of_a_head_share_no_texel(head: HeadMesh):
    mesh = head.part("skin").mesh
    (flat,) = packed([mesh], charts_of(mesh))
    assert len(flat.mesh.faces) == len(mesh.faces)
    assert flat.mesh.uv is not None
    uv = flat.mesh.uv[flat.mesh.faces].double() * 1024
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    assert float(area.min()) >= 0
    u, v = (flat.mesh.uv * 1024).unbind(1)
    drawn = rasterize(torch.stack([u, v, torch.ones_like(u)], dim=-1), flat.mesh.faces, size=(1024, 1024))
    assert float(area.sum()) == pytest.approx(int((drawn.triangle >= 0).sum()), rel=0.01)
