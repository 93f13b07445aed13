"""Environment maps from files: what is read, and what is told when it is not one."""

import importlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from head3d.errors import ConfigError
from head3d.imaging.io import write_image
from head3d.imaging.panorama import read_linear, read_panorama


def radiance(folder: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).random((16, 32, 3), dtype=np.float32) * 50
    path = folder / "map.hdr"
    cv2.imwrite(str(path), values[..., ::-1])
    return path, values


def test_radiance_keeps_its_range_and_order_of_colours(tmp_path):
    path, values = radiance(tmp_path)
    read = read_panorama(path).numpy()
    # RGBE has 8 bits under an exponent that all channels share: that of the brightest
    assert (np.abs(read - values) <= values.max(-1, keepdims=True) / 128).all()


def test_openexr_is_read_if_its_package_is_there(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    values = np.random.default_rng(1).random((8, 16, 3), dtype=np.float32) * 9
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with openexr.File(header, {"RGB": values}) as file:
        file.write(str(tmp_path / "map.exr"))
    assert np.allclose(read_panorama(tmp_path / "map.exr").numpy(), values, atol=1e-6)


def test_openexr_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "map.exr").write_bytes(b"v/1\x01")

    def absent(name: str):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match="pip install OpenEXR"):
        read_panorama(tmp_path / "map.exr")


def test_pictures_are_decoded_to_linear(tmp_path):
    path = write_image(tmp_path / "map.png", np.full((8, 16, 3), 188, np.uint8))
    assert float(read_linear(path).mean()) == pytest.approx(0.503, abs=1e-3)


def test_what_is_no_map_is_told_in_one_line(tmp_path, capfd):
    path, _ = radiance(tmp_path)
    (tmp_path / "cut.hdr").write_bytes(path.read_bytes()[:400])
    (tmp_path / "text.hdr").write_text("hello")
    (tmp_path / "empty.jpg").write_bytes(b"")
    write_image(tmp_path / "photo.png", np.full((9, 9, 3), 90, np.uint8))
    write_image(tmp_path / "black.png", np.zeros((8, 16, 3), np.uint8))
    cases = {
        "cut.hdr": "not a readable hdr file",
        "text.hdr": "not a readable hdr file",
        "empty.jpg": "not a readable jpg file",
        "none.hdr": "No such file",
        "photo.png": "9 x 9 px is no environment map",
        "black.png": "is black",
        "map.tga": "cannot read .tga",
    }
    for name, told in cases.items():
        with pytest.raises(ConfigError) as caught:
            read_panorama(tmp_path / name)
        assert told in caught.value.message and name in caught.value.message and "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
