"""What places of a head are, from what photos show of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import spatial

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.mesh import Mesh
from head3d.perception.types import Region
from head3d.train.prepare import vertex_regions
from head3d.train.rays import TrainPhoto

SIZE = 60


def ball() -> Mesh:
    points = torch.nn.functional.normalize(torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    return Mesh(0.1 * points, torch.from_numpy(spatial.ConvexHull(points.numpy()).simplices).long())


def photo(top: Region) -> TrainPhoto:
    """A ball from the front, its upper part of one region, the lower skin."""
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(c2w[None], intrinsics(4.0 * SIZE, (SIZE, SIZE))[None], (SIZE, SIZE))
    labels = np.full((SIZE, SIZE), int(Region.SKIN), np.uint8)
    labels[: SIZE // 2] = int(top)
    full = np.full((SIZE, SIZE), 255, np.uint8)
    return TrainPhoto("x", np.zeros((SIZE, SIZE, 3), np.uint8), full, labels, full, full, full, 0 * full, camera)


@pytest.mark.parametrize(("hairy", "kind"), [(3, 1), (1, 0)])
def test_a_scalp_is_what_most_photos_show_it_to_be(hairy: int, kind: int):
    mesh = ball()
    upper = torch.nonzero(mesh.vertices[:, 1] > 0.03)[:, 0]
    groups = {"scalp": upper, "face": torch.nonzero(mesh.vertices[:, 2] > 0.08)[:, 0]}
    fit: Any = SimpleNamespace(model=SimpleNamespace(groups=groups))
    photos = [photo(Region.HAIR)] * hairy + [photo(Region.SKIN)] * (4 - hairy)
    found = vertex_regions(fit, mesh, torch.zeros(len(mesh.vertices)), photos)
    assert (found[upper] == kind).all()
    assert (found[mesh.vertices[:, 1] < 0] == 0).all()
