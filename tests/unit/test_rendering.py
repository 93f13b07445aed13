"""Views by name, by angle and by light."""

import math
from pathlib import Path

import pytest
import torch

from head3d.errors import ConfigError
from head3d.export.exr import write_exr
from head3d.export.provenance import write_with_provenance
from head3d.finish.apply import finish_headshot
from head3d.finish.config import FinishConfig
from head3d.geometry.sh import Lighting
from head3d.parts_views import read_view, write_view
from head3d.render.config import LightOptions
from head3d.render.lights import choose_light
from head3d.render.types import RenderOutput
from head3d.rendering import finish_under, make_views

LIGHTS = [Lighting(torch.full((9, 3), float(i))) for i in range(2)]
PHOTOS = ["a.jpg", "b c.png"]


def make(*names: str, light: str = "soft-front", size_px: int = 64, **how):
    chosen = choose_light(light, LightOptions(**how), photos=dict(zip(PHOTOS, LIGHTS, strict=True)))
    return make_views(names, light=chosen, size_px=size_px)


def test_an_angle_of_ones_own_turns_the_head_by_it():
    view = make("-25/10")[0]
    assert view.name == "yaw-25_pitch+10"
    away = view.camera.c2w[0, :3, 3] - torch.tensor([0.0, 0.012, 0.015])
    assert math.degrees(math.atan2(-away[0], away[2])) == pytest.approx(-25, abs=0.1)


def test_names_keep_their_order_and_come_once():
    assert [view.name for view in make("profile-left", "front", "profile-left")] == ["profile-left", "front"]


def test_light_of_a_photo_is_its_own():
    assert torch.equal(make("front", light="photo")[0].lighting.sh, LIGHTS[0].sh)
    assert torch.equal(make("front", light="photo:b c.png")[0].lighting.sh, LIGHTS[1].sh)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".exr"])
def test_what_a_photo_is_called_is_in_no_picture_under_its_light(suffix: str, tmp_path: Path):
    light = choose_light("photo:Lovelace 1843.jpg", photos={"x.jpg": LIGHTS[0], "Lovelace 1843.jpg": LIGHTS[1]})
    view = make_views(["front"], light=light, size_px=32)[0]
    flat = torch.full((32, 32, 3), 0.4)
    output = RenderOutput(flat, flat, flat, flat[..., 0], flat[..., 0])
    path = tmp_path / f"picture{suffix}"
    if suffix == ".exr":
        pytest.importorskip("OpenEXR")
        write_exr(path, output, view)
    else:
        shot = finish_headshot(output, view, config=FinishConfig(size=32), gain=1.0)
        write_with_provenance(path, shot.rgb_srgb, facts=shot.provenance)
    assert b"photo-2" in path.read_bytes() and b"Lovelace" not in path.read_bytes()


def test_lamps_are_kept_in_the_folder_of_a_view(tmp_path: Path):
    view = make("profile-left", light="rim", size_px=16, yaw_deg=10.0)[0]
    flat = torch.zeros(16, 16, 3)
    write_view(tmp_path, RenderOutput(flat, flat, flat, flat[..., 0], flat[..., 0]), view)
    read = read_view(tmp_path)[1]
    assert read.lighting_name == "rim_yaw+10"
    assert read.lighting.lamps is not None and view.lighting.lamps is not None
    for name, value in vars(view.lighting.lamps).items():
        assert torch.equal(getattr(read.lighting.lamps, name), value)


def test_an_exposure_set_by_hand_is_not_measured_away():
    assert finish_under(FinishConfig(), LightOptions(exposure="-1")).exposure == "as-lit"
    assert finish_under(FinishConfig(), LightOptions()).exposure == "match"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"light": "rembrant"}, "no light 'rembrant'"),
        ({"light": "photo:x"}, "no photo 'x'"),
        ({"size_px": 3}, "too small"),
    ],
)
def test_what_does_not_exist_is_named(change: dict, told: str):
    with pytest.raises(ConfigError, match=told):
        make("front", **change)


def test_unknown_view_and_no_view_are_named():
    with pytest.raises(ConfigError, match="frnot"):
        make("frnot")
    with pytest.raises(ConfigError, match="No view"):
        make()
