import numpy as np
import pytest

from head3d.errors import ConfigError, CorruptPart, StorageError
from head3d.imaging import io

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def test_png_keeps_pixels_and_text(tmp_path):
    path = io.write_image(tmp_path / "ä b.png", PIXELS, text={"Software": "head3d", "View": "três"})
    assert np.array_equal(io.read_image(path), PIXELS)
    assert io.read_text(path) == {"Software": "head3d", "View": "três"}


def test_jpeg_keeps_its_comment(tmp_path):
    path = io.write_image(tmp_path / "a.jpg", PIXELS, text={"Comment": "AI-generated"})
    assert io.read_text(path)["Comment"] == "AI-generated"


def test_unknown_suffix_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="bmp"):
        io.write_image(tmp_path / "a.bmp", PIXELS)


def test_a_file_in_the_place_of_the_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        io.write_image(tmp_path / "file" / "a.png", PIXELS)


def test_16_bit_depth_keeps_its_levels(tmp_path):
    path = io.write_image(tmp_path / "depth.png", np.array([[0, 1000], [65535, 7]], dtype=np.uint16))
    assert io.read_image(path)[..., 0].tolist() == [[0, 1000], [65535, 7]]


def test_a_truncated_picture_is_named(tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(io.encode_png(PIXELS)[:60])
    with pytest.raises(CorruptPart, match=r"cut\.png"):
        io.read_image(path)
