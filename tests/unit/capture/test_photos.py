"""Every kind of file a user may hand over becomes a photo or one clear reason."""

import io
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from head3d.capture.config import CaptureConfig
from head3d.capture.photos import gather
from head3d.errors import InputError

RED = (200, 40, 30)


@pytest.fixture
def picture() -> np.ndarray:
    """A colourful 320 x 240 scene whose top left corner is red."""
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(0, 255, (12, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    scene[:100, :120] = RED
    return scene


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def reason(path: Path) -> str:
    photos, verdicts = gather([path])
    assert not photos
    assert len(verdicts) == 1 and not verdicts[0].accepted
    return verdicts[0].reasons[0]


def only(path: Path, config: CaptureConfig | None = None):
    photos, verdicts = gather([path], config=config or CaptureConfig())
    assert verdicts[0].accepted, verdicts
    return photos[0], verdicts[0]


class TestFormats:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tiff", "bmp"])
    def test_common_formats_keep_their_colours(self, tmp_path, picture, suffix):
        options = {"quality": 95} if suffix in ("jpg", "webp", "avif") else {}
        photo, _ = only(save(tmp_path / f"scene.{suffix}", picture, **options))
        assert photo.size == (240, 320)
        assert np.abs(photo.rgb_srgb[50, 60].astype(int) - RED).max() <= 6

    def test_heic_where_the_package_is_there(self, tmp_path, picture):
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        path = tmp_path / "phone.heic"
        heif.from_pillow(Image.fromarray(picture)).save(path, quality=95)
        photo, _ = only(path)
        assert np.abs(photo.rgb_srgb[50, 60].astype(int) - RED).max() <= 8

    def test_cmyk_jpeg(self, tmp_path, picture):
        path = tmp_path / "print.jpg"
        Image.fromarray(picture).convert("CMYK").save(path, quality=95)
        photo, _ = only(path)
        assert np.abs(photo.rgb_srgb[50, 60].astype(int) - RED).max() <= 8

    def test_palette_png(self, tmp_path, picture):
        path = tmp_path / "palette.png"
        Image.fromarray(picture).quantize(64).save(path)
        photo, _ = only(path)
        assert np.abs(photo.rgb_srgb[50, 60].astype(int) - RED).max() <= 12

    def test_16_bit_grey_png_is_scaled_not_clipped(self, tmp_path, picture):
        grey = picture.mean(-1).astype(np.uint16) * 257
        path = tmp_path / "deep.png"
        Image.fromarray(grey).save(path)
        photo, verdict = only(path)
        assert np.abs(photo.rgb_srgb[..., 0].astype(int) - (grey // 257)).max() <= 1
        assert "black and white" in verdict.warnings[0]

    def test_profile_is_converted_to_srgb(self, tmp_path, picture):
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        with_profile, _ = only(save(tmp_path / "tagged.png", picture, icc_profile=lab))
        assert np.abs(with_profile.rgb_srgb.astype(int) - picture).max() <= 2

    def test_transparency_becomes_alpha_over_grey(self, tmp_path, picture):
        alpha = np.zeros((240, 320, 1), np.uint8)
        alpha[:, :160] = 255
        photo, _ = only(save(tmp_path / "cut.png", np.concatenate([picture, alpha], axis=-1)))
        assert photo.alpha is not None and photo.alpha[0, 0] == 255 and photo.alpha[0, -1] == 0
        assert (photo.rgb_srgb[:, -1] == 128).all()

    def test_opaque_alpha_is_dropped(self, tmp_path, picture):
        opaque = np.full((240, 320, 1), 255, np.uint8)
        photo, _ = only(save(tmp_path / "opaque.png", np.concatenate([picture, opaque], axis=-1)))
        assert photo.alpha is None


class TestExif:
    def exif(self, **tags: object) -> Image.Exif:
        exif = Image.Exif()
        for name, value in tags.items():
            exif[ExifTags.Base[name]] = value
        return exif

    def test_orientation_turns_the_picture_upright(self, tmp_path, picture):
        turned = np.rot90(picture, 1).copy()  # how a sensor held sideways stores it: orientation 6 turns it back
        photo, _ = only(save(tmp_path / "side.png", turned, exif=self.exif(Orientation=6)))
        assert photo.size == (240, 320)
        assert (photo.rgb_srgb == picture).all()

    def test_35_mm_equivalent_goes_by_the_diagonal(self, tmp_path, picture):
        exif = self.exif(Make="Maker", Model="Phone", FocalLengthIn35mmFilm=26)
        photo, _ = only(save(tmp_path / "phone.jpg", picture, exif=exif))
        assert photo.focal_px == pytest.approx(26 / 43.267 * 400, rel=1e-3)
        assert photo.camera == "Maker Phone 26mm"

    def test_focal_plane_resolution_gives_the_focal_length(self, tmp_path, picture):
        exif = self.exif(FocalLength=50.0, FocalPlaneXResolution=320 / 3.6, FocalPlaneResolutionUnit=3)  # 36 mm wide
        photo, _ = only(save(tmp_path / "reflex.jpg", picture, exif=exif))
        assert photo.focal_px == pytest.approx(50 / 36 * 320, rel=1e-2)

    def test_shrinking_shrinks_the_focal_length(self, tmp_path, picture):
        exif = self.exif(FocalLengthIn35mmFilm=26)
        path = save(tmp_path / "phone.jpg", picture, exif=exif)
        photo, _ = only(path, CaptureConfig(max_side_px=280))
        assert photo.size == (210, 280)
        assert photo.focal_px == pytest.approx(26 / 43.267 * 350, rel=1e-3)

    def test_a_cropped_photo_has_no_focal_length(self, tmp_path, picture):
        exif = self.exif(FocalLengthIn35mmFilm=26, ExifImageWidth=4000, ExifImageHeight=2000)
        photo, _ = only(save(tmp_path / "crop.jpg", picture, exif=exif))
        assert photo.focal_px is None


class TestRefusals:
    def test_text_with_a_picture_name(self, tmp_path):
        path = tmp_path / "notes.jpg"
        path.write_text("buy milk")
        assert "text" in reason(path)

    def test_truncated_jpeg(self, tmp_path, picture):
        path = save(tmp_path / "half.jpg", picture, quality=95)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "cut off" in reason(path)

    def test_empty_file(self, tmp_path):
        path = tmp_path / "nothing.jpg"
        path.touch()
        assert "empty" in reason(path)

    def test_animated_gif(self, tmp_path, picture):
        frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
        path = tmp_path / "dance.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert "animated GIF" in reason(path)

    def test_decompression_bomb_is_refused_before_it_is_decoded(self, tmp_path):
        path = tmp_path / "bomb.png"
        path.write_bytes(flat_png(13_000, 13_000))
        assert path.stat().st_size < 200_000
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "13000 x 13000" in reason(path)
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown_mb < 50

    def test_even_larger_bomb_is_refused(self, tmp_path):
        path = tmp_path / "bomb.png"
        path.write_bytes(flat_png(40_000, 40_000, rows=1))
        assert "too large" in reason(path)

    def test_thumbnail(self, tmp_path, picture):
        assert "too small" in reason(save(tmp_path / "tiny.png", picture[:64, :64]))

    @pytest.mark.parametrize(("level", "word"), [(2, "black"), (255, "white"), (120, "empty")])
    def test_nothing_to_see(self, tmp_path, level, word):
        assert word in reason(save(tmp_path / "flat.png", np.full((240, 320, 3), level, np.uint8)))

    def test_same_file_twice(self, tmp_path, picture):
        one, two = save(tmp_path / "one.png", picture), save(tmp_path / "two.png", picture)
        photos, verdicts = gather([one, two])
        assert [photo.name for photo in photos] == ["one.png"]
        assert "same file as one.png" in verdicts[1].reasons[0]

    def test_near_duplicate_is_named(self, tmp_path, picture):
        one = save(tmp_path / "one.png", picture)
        two = tmp_path / "two.jpg"
        Image.fromarray(picture).resize((640, 480)).save(two, quality=80)
        _, verdicts = gather([one, two])
        assert "almost the same picture as one.png" in verdicts[1].reasons[0]


class TestPaths:
    def test_folder_gives_its_pictures_in_order_and_nothing_else(self, tmp_path, picture):
        save(tmp_path / "b.png", picture)
        save(tmp_path / "a ünï 写真.png", 255 - picture)
        (tmp_path / "notes.txt").write_text("x")
        photos, _ = gather([tmp_path])
        assert [photo.name for photo in photos] == ["a ünï 写真.png", "b.png"]

    def test_equal_names_get_their_folder(self, tmp_path, picture):
        for folder, pixels in (("one", picture), ("two", 255 - picture)):
            (tmp_path / folder).mkdir()
            save(tmp_path / folder / "me.png", pixels)
        photos, _ = gather([tmp_path / "one", tmp_path / "two"])
        assert [photo.name for photo in photos] == ["one/me.png", "two/me.png"]

    def test_empty_folder(self, tmp_path):
        with pytest.raises(InputError, match="No photo found"):
            gather([tmp_path])

    def test_missing_path(self, tmp_path):
        with pytest.raises(InputError, match="no such file"):
            gather([tmp_path / "typo.jpg"])


def flat_png(width: int, height: int, rows: int | None = None) -> bytes:
    """A one-bit black PNG, compressed to almost nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer, body = zlib.compressobj(9), io.BytesIO()
    line = b"\0" * (1 + (width + 7) // 8)
    for _ in range(rows or height):
        body.write(packer.compress(line))
    body.write(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body.getvalue()) + chunk(b"IEND", b"")
