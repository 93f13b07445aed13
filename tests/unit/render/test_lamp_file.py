"""Lamps of one's own: where they stand, how bright they are; every mistake is named with its lamp and key."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.geometry.lamps import arrival
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.io import write_image
from head3d.render.lamp_file import read_lamps


def read(folder: Path, content: object) -> Lighting:
    path = folder / "light.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_lamps(path, most_lamps=4)


def lamp(folder: Path, **content: object):
    found = read(folder, {"lamps": [content]}).lamps
    assert found is not None
    return found


class TestLamps:
    def test_intensity_one_makes_a_white_card_at_one_metre_white(self, tmp_path):
        point = lamp(tmp_path, kind="point", position_m=[0, 0, 1.5], intensity=1)
        coming = arrival(point, 0, torch.tensor([[0.0, 0.0, 0.5]]))
        assert float(coming.strength * point.color[0, 0] / math.pi) == pytest.approx(1.0, rel=1e-3)

    def test_angles_place_a_lamp_on_the_subjects_left(self, tmp_path):
        found = lamp(tmp_path, kind="point", azimuth_deg=90, elevation_deg=0, distance_m=2)
        assert found.position[0].tolist() == pytest.approx([2, 0, 0], abs=1e-6)

    def test_a_large_panel_becomes_parts_of_the_same_light_that_look_at_the_head(self, tmp_path):
        small = lamp(tmp_path, kind="area", position_m=[0, 0, 3], size_m=[0.2, 0.2])
        large = lamp(tmp_path, kind="area", position_m=[0, 0, 3], size_m=[0.8, 1.2])
        assert len(small) == 1 and len(large) == 6
        assert float(large.color.sum()) == pytest.approx(float(small.color.sum()))
        assert torch.allclose(large.facing, torch.tensor([[0.0, 0.0, -1.0]]).expand(6, 3), atol=1e-6)
        assert large.position[:, 0].max() < 0.4 and large.position[:, 1].abs().max() == pytest.approx(0.4)
        assert float((large.radius**2 * math.pi).sum()) == pytest.approx(0.96, rel=1e-5)

    def test_a_directional_lamp_fills_its_angle(self, tmp_path):
        found = lamp(tmp_path, kind="directional", direction=[0, 2, 0], angle_deg=60)
        assert bool(found.distant[0]) and float(found.radius[0]) == pytest.approx(0.5)

    def test_colours_are_linear_numbers_or_srgb(self, tmp_path):
        numbers = lamp(tmp_path, kind="point", azimuth_deg=0, color=[1, 0.2140, 0])
        text = lamp(tmp_path, kind="point", azimuth_deg=0, color="#ff7f00")
        assert torch.allclose(numbers.color, text.color, rtol=0.01)

    def test_ambient_alone_is_an_even_sky(self, tmp_path):
        light = read(tmp_path, "ambient: [0.2, 0.3, 0.4]")
        assert torch.allclose(light.sh, ambient(torch.tensor([0.2, 0.3, 0.4])))
        assert light.lamps is not None and len(light.lamps) == 0

    def test_a_map_beside_the_file_can_be_turned(self, tmp_path):
        pixels = np.full((32, 64, 3), 20, np.uint8)
        pixels[15:17, 31:33] = 255
        write_image(tmp_path / "map.png", pixels)
        found = read(tmp_path, {"environment": "map.png", "environment_yaw_deg": 90}).lamps
        assert found is not None and float(found.position[0, 0]) > 0.99


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("lamps: [", "is not yaml"),
        ("[1, 2]", "must hold keys and values"),
        ({"lamps": {}}, "nothing in it shines"),
        ({"lamps": 3}, "lamps must be a list"),
        ({"lamp": []}, "Perhaps you meant lamps"),
        ({"lamps": [{"kind": "pont"}]}, "lamp 1 has no kind"),
        ({"lamps": [{"kind": "point", "azimut_deg": 3}]}, "Perhaps you meant azimuth_deg"),
        ({"lamps": [{"kind": "point"}]}, "stands nowhere"),
        ({"lamps": [{"kind": "point", "position_m": [1, 2]}]}, "position_m must be 3 numbers"),
        ({"lamps": [{"kind": "point", "azimuth_deg": 0, "intensity": -1}]}, "intensity must be a number of at least 0"),
        ({"lamps": [{"kind": "point", "azimuth_deg": 0, "color": "#12"}]}, "color must be three numbers"),
        ({"lamps": [{"kind": "area", "azimuth_deg": 0, "size_m": [0, 1]}]}, "size_m must be positive"),
        ({"lamps": [{"kind": "directional", "direction": [0, 0, 0]}]}, "direction of no length"),
        ({"environment": "none.hdr"}, "none.hdr: No such file"),
    ],
)
def test_mistakes_are_named(tmp_path, content, told):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    assert told in str(caught.value)
