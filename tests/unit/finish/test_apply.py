import cv2
import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.finish.apply import (
    backdrop_map,
    backdrop_picture,
    exposure_gain,
    finish_headshot,
    finish_set,
    roll_off,
    with_backdrop,
)
from head3d.finish.background import BACKDROPS, paint_backdrop
from head3d.finish.config import FinishConfig
from head3d.finish.contact_sheet import contact_sheet, sheet_pages
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import levels_from_linear, luminance
from head3d.imaging.io import write_image
from head3d.render.environment import map_directions
from head3d.render.types import RenderOutput, View


def ball(light: float = 0.3, *, rim: tuple[float, float, float] | None = None, size: int = 96) -> RenderOutput:
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    radius = ((x - size / 2) ** 2 + (y - size / 2) ** 2).sqrt()
    alpha = ((size * 0.35 - radius) / 4 + 0.5).clamp(0, 1)
    skin = torch.tensor([0.45, 0.33, 0.26])
    color = (skin * light).expand(size, size, 3).clone()
    if rim is not None:
        thin = (alpha > 0) & (alpha < 0.9)
        color[thin] = torch.tensor(rim)
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(size, size, 3)
    return RenderOutput(color, skin.expand(size, size, 3).clone(), normal, alpha, torch.where(alpha > 0, 0.72, 0.0))


def view(name: str = "front", light: str = "soft-front") -> View:
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=0.8)
    camera = Cameras(c2w[None], intrinsics(200.0, (96, 96))[None], (96, 96))
    return View(name, camera, Lighting(ambient(torch.ones(3))), light)


class TestFinishHeadshot:
    def test_size_backdrop_and_facts(self):
        shot = finish_headshot(ball(), view(), config=FinishConfig(size=128, backdrop="plain-grey"))
        assert shot.rgb_srgb.shape == (128, 128, 3)
        assert shot.rgb_srgb[0, 0].tolist() == [0x9A, 0x9D, 0xA1]
        assert shot.provenance["view"] == "front" and shot.provenance["light"] == "soft-front"

    @pytest.mark.parametrize("rim", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0)])
    def test_no_dark_or_bright_fringe_between_person_and_backdrop(self, rim):
        config = FinishConfig(size=96, backdrop="plain-grey", exposure="as-lit")
        row = finish_headshot(ball(1.0, rim=rim), view(), config=config).rgb_srgb[48].astype(int)
        inside, outside = row[48], row[0]
        low, high = np.minimum(inside, outside) - 3, np.maximum(inside, outside) + 3
        assert ((row >= low) & (row <= high)).all()

    def test_sixteen_bits_agree_with_eight(self):
        shot = finish_headshot(ball(), view(), config=FinishConfig(size=96), deep=True)
        assert shot.deep_srgb is not None and len(np.unique(shot.deep_srgb)) > len(np.unique(shot.rgb_srgb))
        assert np.abs(shot.deep_srgb / 257.0 - shot.rgb_srgb).max() <= 0.51

    def test_as_lit_leaves_colours_below_the_shoulder_alone(self):
        output = ball(1.0)
        shot = finish_headshot(output, view(), config=FinishConfig(size=96, exposure="as-lit"))
        assert np.abs(shot.rgb_srgb[48, 48].astype(int) - levels_from_linear(output.rgb_linear[48, 48])).max() <= 1


class TestExposure:
    def test_dim_and_bright_sets_come_out_alike(self):
        config = FinishConfig(size=96)
        dim, bright = (finish_headshot(ball(x), view(), config=config).rgb_srgb[48, 48].astype(int) for x in (0.4, 1.6))
        assert np.abs(dim - bright).max() <= 1

    def test_a_set_under_one_light_shares_its_gain(self):
        outputs = [ball(0.5), ball(1.0)]
        shots = finish_set(outputs, [view("front"), view("profile-left")], config=FinishConfig(size=96))
        assert shots[0].provenance["exposure_gain"] == shots[1].provenance["exposure_gain"]
        assert shots[0].rgb_srgb[48, 48, 0] < shots[1].rgb_srgb[48, 48, 0]

    def test_nothing_to_measure_means_no_change(self):
        empty = ball()
        empty = RenderOutput(empty.rgb_linear, empty.albedo, empty.normal, torch.zeros(96, 96), empty.depth_m)
        assert exposure_gain([empty], [view()], config=FinishConfig()) == 1.0

    def test_a_white_shirt_does_not_darken_the_face(self):
        bare, dressed = ball(), ball()
        dressed.rgb_linear[70:] = 0.9
        dressed.albedo[70:] = 0.9
        gains = [exposure_gain([one], [view()], config=FinishConfig()) for one in (bare, dressed)]
        assert gains[0] == pytest.approx(gains[1], rel=0.01)


class TestRollOff:
    def test_identity_below_the_shoulder_and_below_one_above(self):
        x = torch.linspace(0, 10, 200)[:, None].expand(-1, 3)
        bent = roll_off(x, shoulder=0.75)
        below = x[:, 0] <= 0.75
        assert torch.equal(bent[below], x[below]) and bent.max() <= 1
        assert (bent[1:, 0] >= bent[:-1, 0] - 1e-6).all()  # rounding at the flat end

    def test_hue_is_kept(self):
        bent = roll_off(torch.tensor([[2.0, 1.0, 0.5]]), shoulder=0.75)[0]
        assert torch.allclose(bent / bent[0], torch.tensor([1.0, 0.5, 0.25]))


class TestBackdrop:
    def test_lighter_behind_the_head_than_in_the_corners(self):
        for name, backdrop in BACKDROPS.items():
            level = luminance(paint_backdrop(backdrop, (100, 80)))
            assert level[42, 40] > level[99, 79] or name.startswith("plain")

    def test_a_wrong_colour_is_named(self):
        with pytest.raises(ConfigError, match="mauve"):
            finish_headshot(ball(), view(), config=FinishConfig(backdrop_color="mauve"))

    def test_a_picture_stands_behind_the_person_cut_to_the_frame(self, tmp_path):
        pixels = np.zeros((40, 90, 3), np.uint8)
        pixels[:, 25:65] = 200  # the middle square is what a square headshot shows
        path = write_image(tmp_path / "wall.png", pixels)
        config = with_backdrop(FinishConfig(size=64), str(path))
        shot = finish_headshot(ball(), view(), config=config)
        assert shot.preset == "picture" and shot.rgb_srgb[2, 2].tolist() == [200, 200, 200]

    def test_a_panorama_shows_its_middle_and_lights_from_behind(self, tmp_path):
        values = np.full((32, 64, 3), 0.01, np.float32)
        values[12:20, 28:36] = 9.0
        cv2.imwrite(str(tmp_path / "around.hdr"), values)
        config = with_backdrop(FinishConfig(), str(tmp_path / "around.hdr"))
        assert luminance(backdrop_picture(config, (20, 20))).min() > 0.2
        level, behind = luminance(backdrop_map(config)), map_directions(32, 64)[..., 2] < -0.8
        assert level[behind].max() > 5 and level[~behind].max() < 0.1

    @pytest.mark.parametrize("choice", ["grey-wall", "#12345", "none.jpg"])
    def test_a_backdrop_that_is_none_is_told(self, choice):
        with pytest.raises(ConfigError, match=choice):
            with_backdrop(FinishConfig(), choice)

    def test_a_named_backdrop_takes_the_place_of_a_picture(self):
        config = with_backdrop(FinishConfig(backdrop_image="a.jpg", backdrop_color="#ffffff"), "charcoal")
        assert (config.backdrop, config.backdrop_color, config.backdrop_image) == ("charcoal", "", "")


class TestContactSheet:
    def test_every_tile_is_there(self):
        shots = [finish_headshot(ball(), view(f"v{i}"), config=FinishConfig(size=64)) for i in range(8)]
        sheet = contact_sheet(shots, tile=100, title="P001")
        assert sheet.shape[1] == 4 * 100 + 5 * 4
        centres = [
            sheet[20 + 4 + 50 + row * (100 + 18 + 4), 4 + 50 + column * 104] for row in (0, 1) for column in range(4)
        ]
        assert all(centre.max() > 100 for centre in centres)

    def test_pages_for_print_hold_every_tile_on_a4(self):
        shots = [finish_headshot(ball(), view(f"v{i}"), config=FinishConfig(size=64)) for i in range(14)]
        pages = sheet_pages(shots)
        assert len(pages) == 2 and pages[0].shape == pages[1].shape == (2338, 1654, 3)
        filled = [int((page.min(-1) < 200).any(1).sum()) for page in pages]
        assert filled[0] / 3 == pytest.approx(filled[1] / 2, rel=0.02)  # three rows of three, then two rows

    def test_an_empty_set_is_refused(self):
        for sheet in (contact_sheet, sheet_pages):
            with pytest.raises(ConfigError):
                sheet([])
