"""Colours, rotations and similarity held against kornia's, where that is installed (it is no dependency of ours)."""

import pytest
import torch

from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.imaging.color import lab_from_linear, linear_from_lab, linear_from_srgb, srgb_from_linear
from head3d.imaging.similarity import psnr_db, ssim_map

kornia = pytest.importorskip("kornia", reason="kornia is not installed: pip install kornia")


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """A picture with structure and noise, and another like it; (H,W,3) in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 6, 40), torch.linspace(0, 9, 48), indexing="ij")
    first = (0.5 + 0.3 * torch.stack([x.sin(), y.cos(), (x + y).sin()], -1)) + 0.05 * torch.randn(
        40, 48, 3, generator=generator
    )
    second = 0.9 * first + 0.03 + 0.04 * torch.randn(40, 48, 3, generator=generator)
    return first.clamp(0, 1), second.clamp(0, 1)


def channels_first(picture: torch.Tensor) -> torch.Tensor:
    return picture.permute(2, 0, 1)[None]


def test_srgb_and_linear():
    srgb, _ = pictures()
    theirs = kornia.color.rgb_to_linear_rgb(channels_first(srgb))[0].permute(1, 2, 0)
    torch.testing.assert_close(linear_from_srgb(srgb), theirs, atol=2e-5, rtol=1e-4)
    back = kornia.color.linear_rgb_to_rgb(channels_first(theirs))[0].permute(1, 2, 0)
    torch.testing.assert_close(srgb_from_linear(theirs), back, atol=2e-5, rtol=1e-4)


def test_lab():
    srgb, _ = pictures()
    theirs = kornia.color.rgb_to_lab(channels_first(srgb))[0].permute(1, 2, 0)
    ours = lab_from_linear(linear_from_srgb(srgb))
    torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0)  # the white points differ in the fourth digit
    torch.testing.assert_close(linear_from_lab(ours), linear_from_srgb(srgb), atol=1e-4, rtol=0)


def test_rotations():
    turns = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) * 1.5
    theirs = kornia.geometry.conversions.axis_angle_to_rotation_matrix(turns)
    torch.testing.assert_close(matrix_from_axis_angle(turns), theirs, atol=2e-5, rtol=0)


def test_similarity():
    first, second = pictures()
    theirs = kornia.metrics.psnr(channels_first(first), channels_first(second), max_val=1.0)
    assert float(psnr_db(first, second)) == pytest.approx(float(theirs), abs=1e-3)
    inside = kornia.metrics.ssim(channels_first(first), channels_first(second), window_size=11, padding="valid")
    ours = ssim_map(first, second)
    assert float(ours[5:-5, 5:-5].mean()) == pytest.approx(float(inside.mean()), abs=2e-3)
