"""The bench of rendering compares pictures as they are delivered, every way by its name."""

import os

import pytest
import torch

from head3d.bench_render import Way, measure_frames, ways
from head3d.render.config import RenderConfig
from head3d.render.types import RenderOutput


class TestRender:
    def test_pictures_are_compared_as_they_are_delivered(self):
        def render_view(field, view, *, config, cache):
            height, width = view.camera.size
            bright = 0.5 if os.environ.get("HEAD3D_KERNELS") == "torch" else 0.516
            rgb, alpha = torch.full((height, width, 3), bright), torch.zeros(height, width)
            alpha[0, 0] = 1.0  # elsewhere nothing is seen: differences there do not count
            return RenderOutput(rgb, rgb, rgb, alpha, alpha)

        both, config = [Way("torch", "torch", render_view), Way("kernels", "auto", render_view)], RenderConfig()
        first, second = measure_frames(
            None, None, both, config=config, size_px=16, view="front", rounds=2, budget_s=0.1  # type: ignore[arg-type]
        )  # fmt: skip
        assert (first.most_levels, first.over_two) == (0, 0)
        assert (second.most_levels, second.over_two) == (2, 0)  # 188 and 190 of 255
        assert first.rays_per_s == pytest.approx(256 / first.timing.median_s)

    def test_torch_comes_first_and_every_way_has_its_name(self):
        names = [way.name for way in ways()]
        assert names[:2] == ["torch", "kernels"] and len(set(names)) == len(names)
