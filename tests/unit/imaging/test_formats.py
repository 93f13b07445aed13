"""Files that other programs open: the pixels, the colour space, what was chosen to be said, and nothing else."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms

from head3d.errors import ConfigError
from head3d.imaging.formats import FORMATS, encode_pdf, encode_picture, format_of, srgb_profile


def gradient(dtype: type = np.uint8) -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    full = np.iinfo(dtype).max
    return np.stack([x * full // 63, y * full // 47, np.full_like(x, full // 3)], -1).astype(dtype)


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_come_back_as_well_as_the_format_can(kind):
    back = np.asarray(Image.open(io.BytesIO(encode_picture(gradient(), kind, quality=95))).convert("RGB")).astype(int)
    error = np.abs(back - gradient())
    assert error.max() == 0 if kind in ("png", "tiff") else error.mean() < 2


@pytest.mark.parametrize("kind", FORMATS)
def test_the_colour_space_is_said(kind):
    data = encode_picture(gradient(), kind)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if kind == "png":
            assert b"sRGB" in data[:64] and image.info["srgb"] == 0
        else:
            assert image.info["icc_profile"] == srgb_profile()


def test_the_profile_is_srgb_and_the_same_each_time():
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert encode_picture(gradient(), "tiff") == encode_picture(gradient(), "tiff")


def test_tiff_keeps_sixteen_bits(tmp_path: Path):
    path = tmp_path / "a.tiff"
    path.write_bytes(encode_picture(gradient(np.uint16), "tiff", dpi=600, exif={"Copyright": "Acme"}, xmp=b"<x/>"))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags  # pyright: ignore[reportAttributeAccessIssue]
        assert file.asarray().dtype == np.uint16 and np.array_equal(file.asarray(), gradient(np.uint16))
        assert tags["XResolution"].value[0] / tags["XResolution"].value[1] == 600
        assert tags["Copyright"].value == "Acme" and bytes(tags[700].value) == b"<x/>"


@pytest.mark.parametrize("kind", ["jpg", "webp", "avif", "png"])
def test_chosen_exif_and_resolution_are_written_and_nothing_by_itself(kind):
    chosen = encode_picture(gradient(), kind, exif={"Copyright": "Acme 2026"}, dpi=300)
    with Image.open(io.BytesIO(chosen)) as image:
        exif = image.getexif()
        assert exif[ExifTags.Base.Copyright] == "Acme 2026" and float(exif[ExifTags.Base.XResolution]) == 300
    with Image.open(io.BytesIO(encode_picture(gradient(), kind))) as image:
        assert dict(image.getexif()) == {}


def test_what_may_not_be_written_is_told():
    with pytest.raises(ConfigError, match="GPSInfo"):
        encode_picture(gradient(), "jpg", exif={"GPSInfo": "here"})
    with pytest.raises(ConfigError, match="bmp"):
        format_of(Path("a.bmp"))


def test_a_pdf_has_a_page_for_each_picture_in_its_size():
    data = encode_pdf([np.full((1169, 827, 3), 255, np.uint8)] * 3, dpi=100, title="Contact sheet", note="made")
    assert data.startswith(b"%PDF") and data.count(b"/Type /Page\n") == 3
    assert b"595.44" in data  # 8.27 inches of 72 points
