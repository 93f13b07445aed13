"""EXR layers and HDR lights, read back by other programs."""

from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import torch

from head3d.export.exr import write_exr
from head3d.export.light import light_map, write_light
from head3d.geometry.cameras import Cameras, intrinsics
from head3d.geometry.lamps import distant_lamps
from head3d.geometry.sh import Lighting, ambient, harmonics_of, irradiance_basis
from head3d.render.config import LightOptions
from head3d.render.environment import project_map
from head3d.render.lights import choose_light
from head3d.render.types import RenderOutput, View


def sun(x: float, y: float, z: float) -> Lighting:
    """A grey sky and a warm lamp."""
    to = torch.nn.functional.normalize(torch.tensor([[float(x), y, z]]), dim=-1)
    lamp = distant_lamps(to, torch.tensor([[2.0, 1.5, 1.0]]), sine=torch.tensor([0.1]))
    return Lighting(ambient(torch.tensor([0.2, 0.2, 0.3])), lamp)


def test_layers_are_named_and_exact(tmp_path: Path):
    g = torch.Generator().manual_seed(0)
    rgb, albedo, normal = (torch.rand(5, 7, 3, generator=g) * 3 - 1 for _ in range(3))
    alpha, depth = torch.rand(5, 7, generator=g), torch.rand(5, 7, generator=g) + 1
    camera = Cameras(torch.eye(4)[None], intrinsics(9.0, (5, 7))[None], (5, 7))
    path = write_exr(
        tmp_path / "a.exr", RenderOutput(rgb, albedo, normal, alpha, depth), View("front", camera, sun(1, 1, 1))
    )
    with OpenEXR.File(str(path), separate_channels=True) as file:
        read = {name: channel.pixels for name, channel in file.channels().items()}
        assert file.header()["head3d.view"] == "front"
    assert np.array_equal(read["depth.Z"], depth.numpy())
    assert np.array_equal(read["normal.Y"], normal[..., 1].numpy())
    assert np.allclose(read["G"], (rgb[..., 1] * alpha).numpy(), rtol=1e-3, atol=1e-4)
    assert np.allclose(read["albedo.B"], (albedo[..., 2] * alpha).numpy(), rtol=1e-3, atol=1e-4)


def test_a_map_lights_as_its_light_does():
    light = sun(0.5, 0.4, 0.7)
    normals = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    wanted = irradiance_basis(normals) @ harmonics_of(light)
    found = irradiance_basis(normals) @ project_map(light_map(light))
    assert float((found - wanted).abs().max() / wanted.max()) < 0.03  # the disc's edge on texels of 0.7 degrees


def test_a_written_light_can_be_put_up_again(tmp_path: Path):
    light = sun(0.5, 0.4, 0.7)
    picture, numbers = write_light(tmp_path, "sun", light)
    again = choose_light(str(picture), LightOptions(exposure="0"), photos={})
    assert again.lighting is not None and again.lighting.lamps is not None and len(again.lighting.lamps) == 1
    assert light.lamps is not None
    assert float((again.lighting.lamps.position @ light.lamps.position.T).min()) > 0.999
    assert torch.allclose(again.lighting.lamps.color, light.lamps.color, rtol=0.1)
    assert '"head3d.light"' in numbers.read_text()


def test_the_subjects_left_is_left_in_a_map(tmp_path: Path):
    picture, _ = write_light(tmp_path, "left", sun(1.0, 0.0, 0.05))
    pixels = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    row, column = np.unravel_index(pixels.sum(-1).argmax(), pixels.shape[:2])
    assert pixels.shape == (256, 512, 3)
    assert abs(row - 128) < 10 and abs(column - 128) < 10
