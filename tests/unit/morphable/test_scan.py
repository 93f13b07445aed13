"""A scan made of the head model itself: read, cleaned, carried into the head frame, followed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from head3d.capture.scan import Scan, read_scan
from head3d.errors import ConfigError, FitFailed, InputError
from head3d.geometry.mesh import Mesh, vertex_normals, write_ply
from head3d.geometry.subdivide import subdivide
from head3d.morphable.head_model import load_head_model
from head3d.morphable.scan_fit import beyond_model, place_scan, shown_of
from head3d.morphable.types import HeadModel

weights = pytest.mark.weights


def someone(model: HeadModel, seed: int) -> torch.Tensor:
    """Vertices of a person (m)."""
    drawn = torch.randn(len(model.identity_basis), generator=torch.Generator().manual_seed(seed))
    return model.vertices(0.7 * drawn)


def face_of(model: HeadModel, vertices: torch.Tensor) -> Mesh:
    """Face, ears and neck of a head, finer: what a scanner sees of somebody with a cap."""
    shown = shown_of(model).worth > 0.2
    faces = model.faces[torch.from_numpy(shown)[model.faces].all(1)]
    used, flat = torch.unique(faces, return_inverse=True)
    return subdivide(Mesh(vertices[used], flat.reshape(-1, 3)))


def as_scan(mesh: Mesh, *, noise_m: float = 0.0) -> Scan:
    noise = noise_m * torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(1))
    normals = vertex_normals(mesh.vertices, mesh.faces)
    return Scan((mesh.vertices + noise).double().numpy(), normals.double().numpy())


@weights
@pytest.mark.parametrize("degrees", [0.0, 130.0])
def test_a_scan_in_any_frame_finds_its_place_on_another_head(degrees: float):
    model = load_head_model()
    truth = as_scan(face_of(model, someone(model, 3)), noise_m=3e-4)
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array([0.48, -0.6, 0.64])).as_matrix()
    moved = Scan(1.03 * truth.points @ turn.T + np.array([0.4, -2.0, 1.0]), truth.normals @ turn.T)
    placed = place_scan(moved, model, model.mean)
    # onto another's head a scan cannot be placed exactly: what counts is that it lies upright on the face
    away = placed.points - truth.points
    assert float(np.median(np.linalg.norm(away, axis=1))) < 8e-3
    assert float((placed.normals * truth.normals).sum(1).mean()) > 0.99


@weights
def test_shape_follows_the_scan_beyond_the_model_and_leaves_eyes_alone():
    model = load_head_model()
    person = someone(model, 4)
    scarred = person.clone()
    cheek = model.landmark_triangles[50][0]
    near = (-((person - person[cheek]).norm(dim=-1) / 0.02).square()).exp()
    scarred += 3e-3 * near[:, None] * vertex_normals(person, model.faces)[cheek]
    placed = as_scan(face_of(model, scarred))
    moved = person + beyond_model(placed, model, person)
    shown = torch.from_numpy(shown_of(model).worth > 0.9)
    # off the surface: vertices may slide along it
    normal = vertex_normals(scarred, model.faces)
    off = ((moved - scarred) * normal).sum(-1).abs()
    assert float(off[shown & (near > 0.3)].mean()) < 5e-4, "the swelling of 3 mm is there"
    assert float(off[shown].mean()) < 1e-4
    for name in ("eye_left", "eye_right", "teeth"):
        assert float((moved - person)[model.groups[name]].norm(dim=-1).max()) < 5e-4


@weights
def test_what_is_no_head_is_refused():
    model = load_head_model()
    drawn = torch.nn.functional.normalize(torch.randn(3000, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    plate = drawn.clone().double().numpy() * np.array([0.3, 0.3, 0.002])
    with pytest.raises(FitFailed, match="mm off"):
        place_scan(Scan(plate, np.tile([0.0, 0.0, 1.0], (3000, 1))), model, model.mean)


def test_without_open3d_the_way_to_get_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "open3d", None)
    (tmp_path / "head.ply").write_bytes(b"ply\n")
    with pytest.raises(ConfigError, match="one more package"):
        read_scan(tmp_path / "head.ply")


def test_paths_that_are_no_scans_are_told(tmp_path: Path):
    with pytest.raises(InputError, match="is no scan"):
        read_scan(tmp_path / "head.jpg")
    with pytest.raises(InputError, match="is not there"):
        read_scan(tmp_path / "head.ply")


class TestReading:
    """Where Open3D is."""

    @pytest.fixture(autouse=True)
    def _open3d(self) -> None:
        pytest.importorskip("open3d", reason="Open3D is not installed: pip install open3d-cpu")

    @weights
    def test_millimetres_dust_and_turned_normals_are_mended(self, tmp_path: Path):
        model = load_head_model()
        mesh = face_of(model, model.mean)
        speck = Mesh(torch.rand(3, 3) * 0.002 + 0.4, torch.tensor([[0, 1, 2]]))
        both = Mesh(
            1000 * torch.cat([mesh.vertices, speck.vertices]),
            torch.cat([mesh.faces, speck.faces + len(mesh.vertices)]).flip(1),
        )
        write_ply(tmp_path / "head.ply", both)
        scan = read_scan(tmp_path / "head.ply")
        assert float(np.linalg.norm(scan.points, axis=1).max()) < 0.4, "metres, and without the speck"
        outwards = (scan.points - scan.points.mean(0)) * scan.normals
        assert float(np.median(outwards.sum(1))) > 0

    @weights
    def test_a_cloud_of_points_gets_normals(self, tmp_path: Path):
        model = load_head_model()
        mesh = face_of(model, model.mean)
        write_ply(tmp_path / "cloud.ply", Mesh(mesh.vertices, torch.zeros(0, 3, dtype=torch.long)))
        scan = read_scan(tmp_path / "cloud.ply")
        placed = place_scan(scan, model, model.mean)
        assert float(np.abs(placed.points - scan.points).max()) < 2e-3, "it is there already"

    def test_damage_is_told(self, tmp_path: Path):
        (tmp_path / "head.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 9\nend_header\n")
        with pytest.raises(InputError):
            read_scan(tmp_path / "head.ply")
        write_ply(tmp_path / "big.ply", Mesh(torch.rand(600, 3) * 77.0, torch.zeros(0, 3, dtype=torch.long)))
        with pytest.raises(InputError, match="units across"):
            read_scan(tmp_path / "big.ply")
