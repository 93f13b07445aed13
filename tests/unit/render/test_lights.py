"""What users call a light becomes that light: turned, exposed, kept to the head or the camera; or one clear line."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.geometry.cameras import look_at_head
from head3d.geometry.sh import Lighting, ambient, harmonics_of
from head3d.imaging.io import write_image
from head3d.render.config import LightOptions
from head3d.render.environment import map_directions
from head3d.render.lights import FACE_LEVEL, choose_light, face_level, light_file
from head3d.render.rigs import LIGHTS, studio_light

PHOTOS = {"a.jpg": Lighting(ambient(torch.ones(3))), "b.jpg": Lighting(ambient(torch.full((3,), 0.3)))}
FRONT = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)


@pytest.fixture
def sunny(tmp_path: Path) -> str:
    """A map with a bright spot straight in front of the face."""
    spot = map_directions(64, 128)[..., 2] > 0.995
    pixels = np.where(spot.numpy()[..., None], 255, 40).astype(np.uint8).repeat(3, -1)
    return str(write_image(tmp_path / "sunny.png", pixels))


def lamp_azimuth_deg(light: Lighting) -> float:
    assert light.lamps is not None and len(light.lamps) == 1
    x, _, z = light.lamps.position[0].tolist()
    return math.degrees(math.atan2(x, z))


class TestChooseLight:
    @pytest.mark.parametrize("name", LIGHTS)
    def test_rigs_by_name(self, name):
        chosen = choose_light(name, photos={})
        assert chosen.name == name and torch.allclose(chosen.on(FRONT).sh, studio_light(name).sh)

    def test_photos_first_and_by_name_stay_as_they_are(self):
        assert choose_light("photo", photos=PHOTOS).on(FRONT) is PHOTOS["a.jpg"]
        named = choose_light("photo:b.jpg", photos=PHOTOS)
        assert named.on(FRONT) is PHOTOS["b.jpg"] and named.name == "photo-2"

    @pytest.mark.parametrize("yaw", [0.0, 30.0, -100.0])
    def test_yaw_carries_a_map_towards_the_subjects_left(self, sunny, yaw):
        light = choose_light(sunny, LightOptions(yaw_deg=yaw), photos={}).on(FRONT)
        assert lamp_azimuth_deg(light) == pytest.approx(yaw, abs=1.0)

    def test_yaw_carries_a_rig(self):
        straight, turned = (
            choose_light("split", LightOptions(yaw), photos={}).on(FRONT).lamps for yaw in (0.0, -160.0)
        )
        assert straight is not None and turned is not None
        assert straight.position[0, 0] > 0.9 and turned.position[0, 0] < 0

    def test_a_map_keeps_to_the_head_or_to_the_camera(self, sunny):
        side = look_at_head(yaw_deg=-50.0, pitch_deg=0.0, distance_m=1.0)  # the camera stands at +50 degrees azimuth
        still = choose_light(sunny, photos={})
        following = choose_light(sunny, LightOptions(frame="camera"), photos={})
        assert lamp_azimuth_deg(still.on(side)) == pytest.approx(0.0, abs=1.0)
        assert lamp_azimuth_deg(following.on(side)) == pytest.approx(50.0, abs=1.0)

    def test_exposure_makes_faces_alike_or_is_that_of_the_map_in_stops(self, sunny):
        for yaw in (0.0, 90.0):
            light = choose_light(sunny, LightOptions(yaw), photos={}).on(FRONT)
            assert face_level(light) == pytest.approx(FACE_LEVEL, rel=1e-3)
        plain, up = (choose_light(sunny, LightOptions(exposure=e), photos={}).on(FRONT) for e in ("0", "+1.5"))
        assert torch.allclose(harmonics_of(up), harmonics_of(plain) * 2**1.5, rtol=1e-4)

    @pytest.mark.parametrize("name", ["rim", "photo"])
    def test_stops_count_for_every_light(self, name):
        plain, down = (choose_light(name, LightOptions(exposure=e), photos=PHOTOS).on(FRONT) for e in ("auto", "-1"))
        assert torch.allclose(harmonics_of(down), harmonics_of(plain) / 2)

    def test_names_of_files_tell_what_sets_a_light_apart(self, sunny):
        options = LightOptions(yaw_deg=30, exposure="-1")
        assert choose_light(sunny, options, photos={}).name == "sunny_yaw+30_ev-1"

    def test_a_backdrop_lights_from_the_camera(self):
        around = torch.full((32, 64, 3), 0.4)
        chosen = choose_light("backdrop", photos={}, backdrop=around)
        assert chosen.frame == "camera" and face_level(chosen.on(FRONT)) == pytest.approx(FACE_LEVEL, rel=1e-3)

    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            ("rembrant", "no light 'rembrant'"),
            ("photo:c.jpg", "no photo 'c.jpg'"),
            ("none.hdr", "none.hdr: No such file"),
            ("none.yaml", "none.yaml cannot be read"),
        ],
    )
    def test_what_does_not_exist_is_named(self, spec, told):
        with pytest.raises(ConfigError, match=told):
            choose_light(spec, photos=PHOTOS)

    @pytest.mark.parametrize("exposure", ["bright", "nan", "99"])
    def test_an_exposure_that_is_none_is_told(self, exposure):
        with pytest.raises(ConfigError, match="exposure"):
            choose_light("rim", LightOptions(exposure=exposure), photos={})


def test_the_meter_reads_an_even_sky_exactly_and_a_lamp_behind_the_head_not_at_all():
    assert face_level(Lighting(ambient(torch.full((3,), 0.6)))) == pytest.approx(0.6, rel=1e-4)
    rim = studio_light("rim").lamps
    assert rim is not None
    behind = Lighting(torch.zeros(9, 3), rim.turned(torch.diag(torch.tensor([-1.0, 1.0, -1.0]))))
    front = Lighting(torch.zeros(9, 3), rim)
    assert face_level(behind) > 3 * face_level(front)


def test_automatic_exposure_is_that_of_the_default_rig():
    assert face_level(studio_light("soft-front")) == pytest.approx(FACE_LEVEL, rel=0.02)


def test_only_maps_and_lamps_are_files():
    assert light_file("photo:me.jpg") is None and light_file("rim") is None
    assert light_file("a/studio.hdr") == Path("a/studio.hdr")
