"""Headers of photos: what is told without decoding, and that nothing hostile gets further than a refusal."""

import io
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from head3d.errors import PhotoUnusable
from head3d.serve.settings import Settings
from head3d.serve.uploads import FORMATS, TooLarge, check_header, store_photo

LIMITS = Settings(Path("unused"), megapixels=1.0, photo_mb=1.0)


def encoded(kind: str, size: tuple[int, int] = (96, 80)) -> bytes:
    """A small picture in a format; with EXIF where it has a place."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a person"
    exif[0x0112] = 6
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", size, (90, 80, 70)).save(out, kind, exif=exif)
    return out.getvalue()


SAMPLES = {kind: encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")}


@pytest.mark.parametrize("kind", list(SAMPLES))
def test_every_format_of_a_phone_is_known_and_stored_as_it_came(kind: str, tmp_path: Path):
    stream = io.BytesIO(SAMPLES[kind])
    header = check_header(stream, size=len(SAMPLES[kind]), settings=LIMITS)
    assert (header.kind, header.width, header.height) == (kind, 96, 80)
    row = store_photo(stream, header, tmp_path)
    assert (tmp_path / row.file).read_bytes() == SAMPLES[kind]
    assert row.file == f"{row.id}{FORMATS[kind]}" and row.bytes == len(SAMPLES[kind])


@pytest.mark.parametrize("kind", list(SAMPLES))
def test_pixels_are_counted_before_they_are_decoded(kind: str):
    content = encoded(kind, (1100, 1000))
    with pytest.raises(TooLarge, match="1100 x 1000"):
        check_header(io.BytesIO(content), size=len(content), settings=LIMITS)


def test_bytes_are_counted_first_of_all():
    with pytest.raises(TooLarge, match="MB is too much"):
        check_header(io.BytesIO(b""), size=2_000_000, settings=LIMITS)


def tiff_with_endless_directories() -> bytes:
    """A TIFF directory that points to itself, in a JPEG's EXIF."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    segment = b"Exif\0\0" + tiff
    return SAMPLES["JPEG"][:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + SAMPLES["JPEG"][2:]


def test_hostile_exif_changes_nothing():
    content = tiff_with_endless_directories()
    assert check_header(io.BytesIO(content), size=len(content), settings=LIMITS).width == 96


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(SAMPLES)),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)), max_size=6),
    cut=st.none() | st.integers(0, 600),
)
def test_a_damaged_photo_is_a_header_or_a_refusal(kind: str, edits: list[tuple[int, bytes]], cut: int | None):
    content = bytearray(SAMPLES[kind])
    for at, replacement in edits:
        content[at : at + len(replacement)] = replacement
    data = bytes(content[:cut])
    try:
        header = check_header(io.BytesIO(data), size=len(data), settings=LIMITS)
    except PhotoUnusable as refusal:
        assert refusal.message
    else:
        assert header.kind in FORMATS and header.width * header.height <= 1_000_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_refusal(data: bytes):
    with pytest.raises(PhotoUnusable):
        check_header(io.BytesIO(data), size=len(data), settings=LIMITS)
