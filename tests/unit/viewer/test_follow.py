"""A face is followed: landmarks of a head that turns and speaks, and back to what it did."""

from typing import Any, cast

import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.rotations import matrix_from_yaw_pitch
from head3d.morphable.expressions import moving_share
from head3d.morphable.head_model import load_head_model
from head3d.morphable.types import HeadFit
from head3d.viewer import follow  # pyright: ignore[reportMissingImports]
from head3d.viewer.follow import FOCAL_SHARE, REST_FRAMES, Follower  # pyright: ignore[reportMissingImports]

SIZE = (480, 640)
AWAY_M = 0.6


@pytest.fixture(scope="module")
def fit() -> HeadFit:
    model = load_head_model()
    camera = Cameras(
        look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)[None], intrinsics(500.0, SIZE)[None], SIZE
    )
    return HeadFit(
        model, torch.zeros(len(model.identity_ridge)), torch.zeros_like(model.mean),
        torch.zeros(1, len(model.expression_names)), torch.zeros(1, 3, 3), torch.zeros(1, 9, 3), (camera,),
        torch.full_like(model.mean, 0.5), torch.zeros(1),
    )  # fmt: skip


def seen(fit: HeadFit, turn: torch.Tensor, units: dict[str, float], *, other: float = 0.0) -> np.ndarray:
    """Landmarks (px) of a face before the webcam; ``other`` makes its shape another person's, metres."""
    model = fit.model
    weights = torch.tensor([units.get(name, 0.0) for name in model.expression_names])
    vertices = (
        fit.vertices() + torch.einsum("e,evc->vc", weights, model.expression_basis) * moving_share(model)[:, None]
    )
    points = (vertices[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)[:468]
    points = points + other * torch.randn(468, 3, generator=torch.Generator().manual_seed(3))
    placed = points @ turn.T * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.02, 0.01, AWAY_M])
    focal = FOCAL_SHARE * SIZE[1]
    pixels = placed[:, :2] / placed[:, 2:] * focal + torch.tensor([SIZE[1] / 2, SIZE[0] / 2])
    return torch.cat([pixels, torch.zeros(468, 1)], dim=1).double().numpy()


@pytest.fixture
def watched(fit: HeadFit, monkeypatch: pytest.MonkeyPatch) -> tuple[Follower, list[np.ndarray | None]]:
    """A follower whose net finds what the list says next."""
    coming: list[np.ndarray | None] = []

    def track(*args: Any, **how: Any) -> tuple[np.ndarray, float]:
        points = coming.pop(0)
        return (np.zeros((468, 3)), 0.0) if points is None else (points, 1.0)

    monkeypatch.setattr(follow, "track_points", track)
    monkeypatch.setattr(follow, "detect_faces", lambda *args: [None])
    monkeypatch.setattr(follow, "face_crop", lambda *args: None)
    return Follower(fit, cast(Any, None)), coming


def settled(watched: tuple[Follower, list], points: np.ndarray, times: int = 12) -> Any:
    follower, coming = watched
    pose = None
    for _ in range(times):
        coming.append(points)
        pose = follower.read(np.zeros((*SIZE, 3), np.uint8))
    return pose


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(0, 0), (30, 0), (-35, 10), (10, -20)])
def test_the_heads_turn_is_found(fit: HeadFit, watched: Any, yaw_deg: float, pitch_deg: float):
    turn = matrix_from_yaw_pitch(float(np.radians(yaw_deg)), float(np.radians(pitch_deg))).float()
    pose = settled(watched, seen(fit, turn, {}), 20)
    off = torch.rad2deg(torch.acos(((pose.rotation @ turn.T).trace() - 1).div(2).clamp(-1, 1)))
    assert float(off) < 1.0


def test_another_persons_face_at_rest_is_no_expression_and_what_they_do_is(fit: HeadFit, watched: Any):
    follower, _ = watched
    still = torch.eye(3)
    pose = settled(watched, seen(fit, still, {}, other=0.003), REST_FRAMES + 12)
    assert not follower.at_rest and float(pose.units.max()) < 0.1
    pose = settled(watched, seen(fit, still, {"jawOpen": 0.7}, other=0.003))
    found = dict(zip(fit.model.expression_names, pose.units.tolist(), strict=True))
    assert found["jawOpen"] == pytest.approx(0.7, abs=0.25) and max(found, key=lambda name: found[name]) == "jawOpen"
    pose = settled(watched, seen(fit, still, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, other=0.003))
    found = dict(zip(fit.model.expression_names, pose.units.tolist(), strict=True))
    assert min(found["mouthSmileLeft"], found["mouthSmileRight"]) > 0.3 and found["jawOpen"] < 0.25


def test_a_lost_face_is_told_and_found_again(fit: HeadFit, watched: Any):
    follower, coming = watched
    points = seen(fit, torch.eye(3), {})
    assert settled(watched, points) is not None
    coming += [None, None]  # where it was, and where the detector says
    assert follower.read(np.zeros((*SIZE, 3), np.uint8)) is None
    assert settled(watched, points, 1) is not None
