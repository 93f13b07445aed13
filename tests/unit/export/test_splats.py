"""Splats as a viewer reads them, written by head3d and read from the formats' descriptions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.export.mesh import HeadMesh, Part
from head3d.export.splat import Splats, head_splats
from head3d.export.splat_files import write_splat_ply, write_spz
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import srgb_from_linear
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.volume import render_view_torch
from head3d.rendering import surface_cache
from tests.reference.splats import Loaded, draw, read_ply, read_spz
from tests.unit.export.balls import RADIUS_M, ball, ball_field


def sample(count: int = 200) -> Splats:
    g = torch.Generator().manual_seed(0)
    return Splats(
        torch.rand(count, 3, generator=g) * 0.6 - 0.3,
        torch.exp(torch.rand(count, 3, generator=g) * 4 - 9),
        torch.nn.functional.normalize(torch.randn(count, 4, generator=g), dim=-1),
        torch.rand(count, generator=g) * 0.9 + 0.05,
        torch.rand(count, 3, generator=g),
    )


def covariance(rotations: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """What a rotation and scales mean, whatever the sign of the quaternion."""
    w, x, y, z = rotations.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    half = np.stack([np.stack(row, -1) for row in rows], 1) * scales[:, None]
    return half @ half.transpose(0, 2, 1)


def check(read: Loaded, wrote: Splats, *, place: float, rel: float, color: float) -> None:
    assert np.abs(read.centres - wrote.centres.numpy()).max() <= place
    assert np.abs(read.opacity - wrote.opacity.numpy()).max() <= color
    assert np.abs(read.color - wrote.color.numpy()).max() <= color
    true = covariance(wrote.rotations.double().numpy(), wrote.scales.double().numpy())
    off = np.abs(covariance(read.rotations, read.scales) - true).max((1, 2)) / np.abs(true).max((1, 2))
    assert off.max() <= rel


def test_ply_is_exact(tmp_path: Path):
    splats = sample()
    check(read_ply(write_splat_ply(tmp_path / "a.ply", splats)), splats, place=1e-7, rel=1e-4, color=1e-5)


@pytest.mark.parametrize("version", [2, 3])
def test_spz_is_as_exact_as_its_bytes(tmp_path: Path, version):
    splats = sample()
    read = read_spz(write_spz(tmp_path / "a.spz", splats, version=version))
    # scales in steps of 1/16 of a logarithm, colours of 0.0074; rotations of 1/127 or 1/722 on their components
    check(read, splats, place=2**-14 + 1e-9, rel=0.15 if version == 2 else 0.09, color=0.008)


def test_spz_is_the_same_each_time(tmp_path: Path):
    one, other = (write_spz(tmp_path / name, sample()).read_bytes() for name in ("a.spz", "b.spz"))
    assert one == other


def test_a_ball_of_splats_looks_like_the_field():
    field = ball_field()
    field.sd_m.fill_(4e-4)  # as after training
    nothing = ball(1e-4, rings=4)
    empty = torch.zeros(1, len(nothing.vertices), 3)
    parts = [Part("skin", ball(RADIUS_M + 0.001, rings=24), torch.zeros(1, 1, 3))]
    parts += [Part(name, nothing, empty) for name in ("eye_right", "eye_left")]
    light = Lighting(ambient(torch.full((3,), 0.9)))
    splats = head_splats(HeadMesh(tuple(parts), ("jawOpen",)), field, light=light, count=40_000)
    size = (192, 192)
    camera = Cameras(
        look_at_head(yaw_deg=30.0, pitch_deg=10.0, distance_m=0.8)[None], intrinsics(600.0, size)[None], size
    )
    seen = render_view_torch(field, View("v", camera, light), config=RenderConfig(), cache=surface_cache(field))
    wanted = torch.cat([srgb_from_linear(seen.rgb_linear) * seen.alpha[..., None], seen.alpha[..., None]], dim=-1)
    loaded = Loaded(*(value.double().numpy() for value in vars(splats).values()))
    found = draw(loaded, camera.c2w[0].double().numpy(), camera.K[0].double().numpy(), size)
    inside = seen.alpha.numpy() > 0.99
    assert found[inside][:, 3].min() > 0.9, "no hole"
    error = ((found - wanted.numpy())[inside] ** 2).mean()
    assert -10 * np.log10(error) > 28  # the border between the colours is all there is
    grown = np.sqrt((found[..., 3] > 0.5).sum() / np.pi) - np.sqrt((seen.alpha.numpy() > 0.5).sum() / np.pi)
    assert 0 < grown < 2, "viewers blur splats by half a pixel, and many of them meet at the outline"
