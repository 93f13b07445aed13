"""Signs of a picture that need no nets: holes where the fitted head is, depth that others of the set compare."""

import numpy as np
import pytest
import torch

from head3d.quality.picture_signs import WINDOW_PX, own_window, uncovered
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view


@pytest.fixture
def view() -> View:
    return named_view("front", size=(400, 400))


def render(view: View, alpha: torch.Tensor) -> RenderOutput:
    """A wall where there is coverage."""
    flat = torch.full((*view.camera.size, 3), 0.5)
    return RenderOutput(flat, flat, flat, alpha, torch.full(view.camera.size, 1.5) * (alpha > 0))


def solid(side: int) -> RenderOutput:
    white, one = torch.ones(side, side, 3), torch.ones(side, side)
    return RenderOutput(white, white, white, one, one)


COVER = np.zeros((WINDOW_PX, WINDOW_PX), bool)
COVER[60:160, 60:160] = True


class TestUncovered:
    def test_a_solid_head_is_covered(self, view):
        assert uncovered(render(view, torch.ones(400, 400)), view.camera, COVER) == 0

    def test_a_hole_in_it_counts_and_one_beside_it_does_not(self, view):
        hole, beside = torch.ones(400, 400), torch.ones(400, 400)
        hole[180:220, 180:220] = 0
        beside[:40] = 0
        assert uncovered(render(view, hole), view.camera, COVER) > 0.02
        assert uncovered(render(view, beside), view.camera, COVER) == 0

    def test_what_a_tight_frame_cuts_off_is_no_hole(self, view):
        tight = view.camera.cropped(120, 190, (160, 160))
        output = solid(160)
        assert uncovered(output, tight, np.ones_like(COVER)) == 0

    def test_without_a_fitted_head_nothing_is_missing(self, view):
        assert uncovered(render(view, torch.zeros(400, 400)), view.camera, None) == 0


class TestOwnWindow:
    def test_tells_surface_backdrop_and_what_is_beyond_the_frame(self, view):
        alpha = torch.ones(400, 400)
        alpha[:, :200] = 0
        seen = own_window(np.zeros((400, 400, 3), np.uint8), render(view, alpha), view)
        assert bool((seen.depth_m[60:100, :70] == torch.inf).all()) and bool((seen.depth_m[60:100, 90:] == 1.5).all())
        tight = View("front", view.camera.cropped(120, 120, (160, 160)), view.lighting)
        output = solid(160)
        seen = own_window(np.zeros((160, 160, 3), np.uint8), output, tight)
        assert bool((seen.depth_m[0] == 0).all()) and bool((seen.depth_m[80] > 0).any())
