"""Pictures as files for other programs: PNG, JPEG, WebP, AVIF, TIFF with 16 bits, PDF; with their colour space.

PNG says sRGB in a chunk of its own, the others carry an ICC profile. What else is written
(XMP, EXIF) the caller hands over.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from head3d import store
from head3d.errors import ConfigError, CorruptPart, optional_package
from head3d.imaging.io import DAMAGE, add_text, read_photo

PictureFormat = Literal["png", "jpg", "webp", "avif", "tiff"]
"""By suffix."""
FORMATS: tuple[str, ...] = get_args(PictureFormat)

EXIF_KEYS = {
    "Artist": ExifTags.Base.Artist,
    "Copyright": ExifTags.Base.Copyright,
    "ImageDescription": ExifTags.Base.ImageDescription,
    "Software": ExifTags.Base.Software,
}
"""What may be written as EXIF, if somebody chooses to."""

_DATE = slice(24, 36)  # of an ICC header: when the profile was made, which would make every file another one
_WITH_XMP = ("PNG", "JPEG", "WEBP", "AVIF")
_XMP_TAG, _TIFF_BYTE = 700, 1  # Adobe's "TIFF Technical Note": XMP is tag 700 of type BYTE


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, the same bytes each time."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[_DATE] = bytes((7, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 1 January 2000
    return bytes(made)


def encode_picture(
    pixels: Shaped[np.ndarray, "H W 3"],
    kind: PictureFormat,
    *,
    xmp: bytes = b"",
    text: Mapping[str, str] | None = None,
    exif: Mapping[str, str] | None = None,
    dpi: int = 0,
    quality: int = 92,
) -> bytes:
    """An RGB picture as the bytes of a file.

    Args:
        pixels: sRGB, uint8; for ``tiff`` also uint16.
        kind: The format.
        xmp: XMP packet.
        text: Text chunks of a PNG; of a JPEG "Comment" is written.
        exif: Keys of ``EXIF_KEYS``.
        dpi: Dots per inch; 0 says nothing. WebP and AVIF keep it as EXIF.
        quality: Of JPEG, WebP and AVIF, 0 to 100.

    Raises:
        ConfigError: A key that may not be written, or tifffile is not installed.
    """
    tags = exif_bytes(exif or {}, dpi=dpi)
    if kind == "tiff":
        return _tiff(pixels, xmp=xmp, exif=exif or {}, dpi=dpi)
    options: dict[str, Any] = {}
    if tags:
        options["exif"] = tags
    if dpi and kind in ("png", "jpg"):
        options["dpi"] = (dpi, dpi)
    if kind == "png":
        options["pnginfo"] = png_chunks(text or {})
        options["compress_level"] = 4  # 6 takes 2.5 times as long for 3 % less
    else:
        options["icc_profile"] = srgb_profile()
        options["quality"] = quality
        if xmp:
            options["xmp"] = xmp
    match kind:
        case "jpg":
            options |= {"subsampling": 0 if quality > 90 else 2, "optimize": True}
            if text and "Comment" in text:
                options["comment"] = text["Comment"].encode()
        case "webp":
            options |= {"method": 4}
        case "avif":
            options |= {"subsampling": "4:4:4", "speed": 6}
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG" if kind == "jpg" else kind.upper(), **options)
    return buffer.getvalue()


def format_of(path: Path) -> PictureFormat:
    """The format of a path's suffix; ConfigError if it is none of ours."""
    suffix = path.suffix.lower().removeprefix(".")
    found = {"jpeg": "jpg", "tif": "tiff"}.get(suffix, suffix)
    if found not in FORMATS:
        raise ConfigError(
            f"Cannot write a picture as {path.suffix or path.name}.", hint=f"There are {', '.join(FORMATS)}."
        )
    return found  # type: ignore[return-value]


def png_chunks(text: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    """Text chunks (UTF-8 where needed) and the chunk that says sRGB, perceptual."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", b"\x00")
    add_text(chunks, text)
    return chunks


def exif_bytes(chosen: Mapping[str, str], *, dpi: int = 0) -> bytes:
    """EXIF with what was chosen; empty if that is nothing."""
    if unknown := sorted(set(chosen) - set(EXIF_KEYS)):
        raise ConfigError(f"{unknown[0]!r} is not written as EXIF.", hint=f"There are {', '.join(EXIF_KEYS)}.")
    if not chosen and not dpi:
        return b""
    exif = Image.Exif()
    for key, value in chosen.items():
        exif[EXIF_KEYS[key]] = value
    if dpi:
        exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = float(dpi)
        exif[ExifTags.Base.ResolutionUnit] = 2  # inches
    return exif.tobytes()


def read_levels(path: Path) -> Shaped[np.ndarray, "H W 3"]:
    """The pixels of a picture in any of the formats, sRGB: uint8, or uint16 where a PNG or TIFF has 16 bits."""
    kind = format_of(path)
    if kind == "png":
        return store.read_png(path)
    if kind != "tiff":
        return read_photo(path)
    reader = _tifffile()
    try:
        return reader.imread(path)
    except (*DAMAGE, reader.TiffFileError) as error:
        raise CorruptPart(f"{path}: not a readable picture.", hint="Make the picture again.") from error


def read_xmp(path: Path) -> bytes:
    """The XMP packet of a picture in any of the formats; empty if it has none."""
    if format_of(path) == "tiff":
        reader = _tifffile()
        try:
            with reader.TiffFile(path) as file:
                tag = file.pages[0].tags.get(_XMP_TAG)
                return bytes(tag.value) if tag is not None else b""
        except (*DAMAGE, reader.TiffFileError) as error:
            raise CorruptPart(f"{path}: not a readable picture.", hint="Make the picture again.") from error
    try:
        # what Pillow would warn of in damaged metadata is no matter of the packet
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_WITH_XMP) as image:
            image.load()
            found = image.info.get("xmp", image.info.get("XML:com.adobe.xmp", b""))
    except DAMAGE as error:
        raise CorruptPart(f"{path}: not a readable picture.", hint="Make the picture again.") from error
    return found.encode() if isinstance(found, str) else bytes(found)


def encode_pdf(pages: Sequence[UInt8[np.ndarray, "H W 3"]], *, dpi: int, title: str = "", note: str = "") -> bytes:
    """Pages as a PDF, each picture one page, as JPEG inside."""
    images = [Image.fromarray(np.ascontiguousarray(page)) for page in pages]
    buffer = io.BytesIO()
    words = {key: value for key, value in (("title", title), ("subject", note), ("creator", "head3d")) if value}
    images[0].save(buffer, "PDF", save_all=True, append_images=images[1:], resolution=float(dpi), quality=92, **words)
    return buffer.getvalue()


def _tiff(pixels: np.ndarray, *, xmp: bytes, exif: Mapping[str, str], dpi: int) -> bytes:
    """TIFF of 8 or 16 bits with its profile, deflated."""
    extra: list[tuple[int, int, int, bytes | str, bool]] = []
    if xmp:
        extra.append((_XMP_TAG, _TIFF_BYTE, len(xmp), xmp, True))
    for key, tag in EXIF_KEYS.items():
        if key in exif and key not in ("Software", "ImageDescription"):
            extra.append((int(tag), 2, 0, exif[key], True))
    buffer = io.BytesIO()
    _tifffile().imwrite(
        buffer,
        np.ascontiguousarray(pixels),
        photometric="rgb",
        compression="zlib",
        iccprofile=srgb_profile(),
        resolution=(dpi, dpi) if dpi else None,
        resolutionunit="INCH" if dpi else None,
        software=exif.get("Software", "head3d"),
        description=exif.get("ImageDescription"),
        metadata=None,
        extratags=extra,
    )
    return buffer.getvalue()


def _tifffile() -> Any:
    return optional_package("tifffile", "TIFF with 16 bits needs tifffile.", hint="pip install 'head3d[tiff]'")
    return tifffile
