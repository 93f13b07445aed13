"""Smooth rises: level at their ends, alike for arrays and tensors, either way round."""

import numpy as np
import torch

from head3d.geometry.easing import smooth_rise, smoothstep


def test_ends_and_middle():
    assert [smoothstep(t) for t in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.15625, 0.5, 1.0]


def test_it_is_level_at_both_ends():
    t = torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    smoothstep(t).sum().backward()
    assert t.grad is not None and t.grad.tolist() == [0.0, 0.0, 1.5]


def test_beyond_its_ends_it_stays():
    values = np.array([-9.0, 2.0, 3.0, 4.0, 9.0])
    assert smooth_rise(values, 2.0, 4.0).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert smooth_rise(values, 4.0, 2.0).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_arrays_and_tensors_rise_alike(generator: torch.Generator):
    values = torch.randn(50, generator=generator, dtype=torch.float64)
    np.testing.assert_array_equal(smooth_rise(values.numpy(), -1.0, 0.5), smooth_rise(values, -1.0, 0.5).numpy())
