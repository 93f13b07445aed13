"""PNG and JPEG in memory and on disk. Nothing is written but pixels and the text that is handed over."""

import base64
import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps, PngImagePlugin

from head3d import store
from head3d.errors import ConfigError, CorruptPart

DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
    NotImplementedError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow's readers raise on damaged files, found by fuzzing: a header's nonsense goes far before it is noticed."""


def first_line(error: BaseException) -> str:
    """What an error says, for one line of a message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def encode_png(pixels: UInt8[np.ndarray, "H W *C"], *, text: Mapping[str, str] | None = None) -> bytes:
    """PNG bytes of a grey, RGB or RGBA picture, with ``text`` as iTXt (UTF-8) chunks."""
    chunks = PngImagePlugin.PngInfo()
    add_text(chunks, text or {})
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", pnginfo=chunks, compress_level=6)
    return buffer.getvalue()


def add_text(chunks: PngImagePlugin.PngInfo, text: Mapping[str, str]) -> None:
    """Add text chunks of a PNG, UTF-8 where needed."""
    for key, value in text.items():
        if value.isascii():
            chunks.add_text(key, value)
        else:
            chunks.add_itxt(key, value)


def encode_jpeg(
    pixels: UInt8[np.ndarray, "H W *C"], *, quality: int = 92, comment: str = "", xmp: bytes = b""
) -> bytes:
    """JPEG bytes of a grey or RGB picture (no chroma subsampling above quality 90)."""
    buffer = io.BytesIO()
    options: dict[str, object] = {"quality": quality, "subsampling": 0 if quality > 90 else 2, "optimize": True}
    if comment:
        options["comment"] = comment.encode()
    if xmp:
        options["xmp"] = xmp
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def write_image(
    path: Path, pixels: UInt8[np.ndarray, "H W *C"], *, text: Mapping[str, str] | None = None, xmp: bytes = b""
) -> Path:
    """Write a PNG or JPEG, whole or not at all (see :func:`encode_image`)."""
    store.write_bytes(path, encode_image(path, pixels, text=text, xmp=xmp))
    return path


def encode_image(
    path: Path, pixels: UInt8[np.ndarray, "H W *C"], *, text: Mapping[str, str] | None = None, xmp: bytes = b""
) -> bytes:
    """PNG or JPEG bytes, by the suffix of a path.

    Args:
        text: For PNG one chunk per key; for JPEG the value of "Comment".
        xmp: XMP packet, JPEG only.
    """
    match path.suffix.lower():
        case ".png":
            return encode_png(pixels, text=text)
        case ".jpg" | ".jpeg":
            return encode_jpeg(pixels, comment=(text or {}).get("Comment", ""), xmp=xmp)
        case suffix:
            raise ConfigError(f"Cannot write a picture as {suffix or path.name}.", hint="Use .png or .jpg.")


def read_image(path: Path) -> Shaped[np.ndarray, "H W C"]:
    """Read a PNG or JPEG: RGB or RGBA as stored, grey as (H, W, 1), 16-bit grey as uint16."""
    try:
        with _opened(path) as image:
            kept = image if image.mode in ("RGB", "RGBA", "L") or image.mode[:1] == "I" else image.convert("RGB")
            pixels = np.array(kept)
    except DAMAGE as error:
        raise CorruptPart(f"{path}: not a readable picture.", hint="Run the stage that made it again.") from error
    pixels = pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels
    return pixels[..., None] if pixels.ndim == 2 else pixels


def read_photo(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """Any common picture of 8 bits as upright RGB, over white where it is transparent."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "AVIF")) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except DAMAGE as error:
        raise CorruptPart(f"{path}: not a readable picture.", hint="Leave it out, or make it again.") from error
    paper = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(paper, upright).convert("RGB"))


def read_text(path: Path) -> dict[str, str]:
    """The text chunks of a PNG, or {"Comment": ...} of a JPEG."""
    try:
        with _opened(path) as image:
            found = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            comment = image.info.get("comment")
    except DAMAGE as error:
        raise CorruptPart(f"{path}: not a readable picture.", hint="It is damaged, or of another kind.") from error
    if isinstance(comment, bytes):
        found["Comment"] = comment.decode("utf-8", "replace")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A PNG or JPEG, decoded; what Pillow would warn of is thrown away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            image.load()
            yield image


def data_uri(pixels: UInt8[np.ndarray, "H W *C"], *, quality: int = 82) -> str:
    """A JPEG as a ``data:`` address for a self-contained page."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels, quality=quality)).decode("ascii")
