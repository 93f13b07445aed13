"""What refining may and may not do to a render, with a net that has learned nothing sensible."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.sh import Lighting
from head3d.refine import apply
from head3d.refine.apply import PIXELS_PER_M, field_factor, refine_output, refined_by
from head3d.refine.config import RefineConfig
from head3d.refine.generator import Refiner
from head3d.refine.realesrgan import RealEsrgan
from head3d.render.types import RenderOutput, View

SIZE = 96


@pytest.fixture
def net(monkeypatch):
    torch.manual_seed(0)
    made = Refiner("enlarger").eval()
    torch.nn.init.normal_(made.net.head.weight, std=0.02)
    monkeypatch.setattr(apply, "trained", {"enlarger": made}.get)
    rival = RealEsrgan().eval()
    torch.nn.init.normal_(rival.last.weight, std=0.01)
    rival.last.bias = torch.nn.Parameter(torch.full((3,), 0.5))
    monkeypatch.setattr(apply, "load_realesrgan", lambda: rival)


def view(*, finer: float = 2.0) -> View:
    pose = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.5, target_m=torch.zeros(3))
    K = intrinsics(finer * PIXELS_PER_M * 1.5, (SIZE, SIZE))
    return View("front", Cameras(pose[None], K[None], (SIZE, SIZE)), Lighting(torch.ones(9, 3)))


def render() -> RenderOutput:
    torch.manual_seed(3)
    rgb = 0.2 + 0.3 * torch.rand(SIZE, SIZE, 3)
    alpha = torch.zeros(SIZE, SIZE)
    alpha[8:80, 16:72] = 1.0
    return RenderOutput(rgb, rgb, torch.zeros_like(rgb), alpha, alpha)


@pytest.mark.parametrize(("finer", "factor"), [(0.3, 1), (1.0, 1), (2.2, 2), (4.0, 4), (20.0, 4)])
def test_pictures_are_refined_at_the_scale_at_which_a_fields_detail_ends(finer, factor):
    assert field_factor(view(finer=finer)) == factor


@pytest.mark.usefixtures("net")
class TestRefineOutput:
    @pytest.mark.parametrize("finer", [2.0, 4.0])
    @pytest.mark.parametrize("name", ["own", "realesrgan"])
    def test_light_over_squares_stays_and_so_does_all_but_colour(self, name, finer):
        given, seen = render(), view(finer=finer)
        made = refine_output(given, seen, config=RefineConfig(net=name))
        cell = field_factor(seen)
        inside = (slice(8, 72), slice(16, 64))  # cells begin where the person does
        before, after = (
            functional.avg_pool2d(one.rgb_linear[inside].permute(2, 0, 1)[None], cell) for one in (given, made)
        )
        torch.testing.assert_close(after, before, rtol=0, atol=2e-4)
        assert float((made.rgb_linear - given.rgb_linear)[inside].abs().mean()) > 0.01
        for name in ("albedo", "normal", "alpha", "depth_m"):
            assert getattr(made, name) is getattr(given, name)

    def test_what_is_sharp_already_stays_until_the_photo_ends(self):
        given = replace(render(), sharp=torch.zeros(SIZE, SIZE).index_fill(1, torch.arange(48), 1.0))
        made = refine_output(given, view(finer=2.0), config=RefineConfig())
        moved = (made.rgb_linear - given.rgb_linear).abs()[8:80]
        assert float(moved[:, 16:48].max()) < 1e-5, "a photo shows this"
        assert float(moved[:, 48:72].mean()) > 0.01, "a net draws this"
        larger = refine_output(given, view(finer=4.0), config=RefineConfig())
        assert float((larger.rgb_linear - given.rgb_linear).abs()[8:80, 16:48].mean()) > 0.005

    def test_highlights_beyond_white_stay(self):
        given = render()
        rgb = given.rgb_linear.clone()
        rgb[40:48, 40:48] = 9.0
        made = refine_output(replace(given, rgb_linear=rgb), view(), config=RefineConfig())
        torch.testing.assert_close(made.rgb_linear[40:48, 40:48], rgb[40:48, 40:48], rtol=0, atol=1e-3)

    def test_small_heads_and_empty_pictures_are_left_alone(self):
        given = render()
        assert refine_output(given, view(), config=RefineConfig(enlarge=False)) is given
        assert refine_output(given, view(finer=1.0), config=RefineConfig()) is given
        empty = replace(given, alpha=torch.zeros(SIZE, SIZE))
        assert refine_output(empty, view(), config=RefineConfig()) is empty

    def test_without_weights_nothing_is_done(self, monkeypatch):
        monkeypatch.setattr(apply, "trained", lambda name: None)
        given = render()
        assert refine_output(given, view(), config=RefineConfig()) is given


def test_headshots_know_by_what_they_were_refined():
    assert refined_by(RefineConfig(enlarge=False)) == "none"
    assert refined_by(RefineConfig()) not in ("", "none")
    assert refined_by(RefineConfig(net="realesrgan")) == "realesrgan-x4plus"
