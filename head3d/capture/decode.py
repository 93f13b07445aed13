"""Turns the bytes of any common picture format into upright sRGB pixels, or says in one sentence why not."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from head3d.capture.exif import Exposure, read_exposure
from head3d.errors import PhotoUnusable
from head3d.imaging.io import DAMAGE, first_line
from head3d.shapes import shaped

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
# Mid-grey: a border towards black or white would look like hair or light to the nets.
BACKDROP = 128


@shaped
@dataclass(frozen=True)
class Decoded:
    """Pixels and what the file said about the camera."""

    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    alpha: UInt8[np.ndarray, "H W"] | None
    exposure: Exposure
    warnings: tuple[str, ...]


def decode(data: bytes, *, max_side_px: int, max_pixels: int) -> Decoded:
    """Decode a file, turn it upright, convert it to sRGB, shrink it to ``max_side_px`` on the long side.

    Raises:
        PhotoUnusable: The message is the reason, without the file's name.
    """
    try:
        with warnings.catch_warnings():
            # Pillow only warns at 89 megapixels; our own limit below is an error and comes before any decoding. What it
            # says of odd metadata concerns nobody: it is thrown away.
            warnings.simplefilter("ignore")
            with _open(data) as image:
                return _decode(image, max_side_px=max_side_px, max_pixels=max_pixels)
    except Image.DecompressionBombError as error:
        raise PhotoUnusable("the picture is far too large (more than 170 megapixels)") from error
    except UnidentifiedImageError as error:
        raise PhotoUnusable(_not_a_picture(data)) from error
    except DAMAGE as error:
        if "truncated" in str(error) or isinstance(error, EOFError):
            raise PhotoUnusable("the file is cut off: part of the picture is missing") from error
        raise PhotoUnusable(f"the file is damaged ({first_line(error)})") from error


def _open(data: bytes) -> Image.Image:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        try:
            from pillow_heif import HeifImagePlugin  # noqa: F401  (optional; importing registers the format)
        except ImportError as error:
            raise PhotoUnusable(
                "HEIC photos need one more package: pip install pillow-heif (or set the phone to save JPEG)"
            ) from error
        return Image.open(io.BytesIO(data), formats=("HEIF",))
    Image.init()  # Pillow preloads only some formats; a name it has not loaded is a KeyError
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _not_a_picture(data: bytes) -> str:
    if not data:
        return "the file is empty"
    try:
        data[:512].decode("utf-8")
    except UnicodeDecodeError:
        return "not a picture in a format that can be read (JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP)"
    return "this is a text file, not a picture"


def _decode(image: Image.Image, *, max_side_px: int, max_pixels: int) -> Decoded:
    width, height = image.size
    if width * height > max_pixels:
        raise PhotoUnusable(
            f"{width} x {height} px is too large ({width * height / 1e6:.0f} megapixels; "
            f"the limit is {max_pixels / 1e6:.0f})"
        )
    notes: list[str] = []
    if getattr(image, "n_frames", 1) > 1 and image.format not in ("MPO", "TIFF", "HEIF"):
        raise PhotoUnusable(f"an animated {image.format}, not a photo: use a still picture or a video")
    if image.format == "JPEG":
        image.draft(None, (max_side_px, max_side_px))  # decodes huge JPEGs at 1/2, 1/4 or 1/8: a fraction of the memory
    exposure = read_exposure(image.getexif(), (width, height))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("L", "1", "LA", "I;16", "I;16B", "I;16L", "I", "F"):
        notes.append("black and white: the head will have no colour of its own")
    rgba = _to_srgb(upright, notes)
    if max(rgba.size) > max_side_px:
        rgba.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = np.array(rgba.convert("RGB"))
    alpha = np.array(rgba.getchannel("A")) if rgba.mode == "RGBA" else None
    if alpha is not None and alpha.min() == 255:
        alpha = None
    if alpha is not None:
        cover = alpha[..., None].astype(np.float32) / 255.0
        pixels = (pixels * cover + BACKDROP * (1.0 - cover) + 0.5).astype(np.uint8)
    return Decoded(pixels, alpha, exposure.scaled(max(rgba.size)), tuple(notes))


def _to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """RGB or RGBA, 8 bits, sRGB."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        scale = 65535.0 if values.max() > 255.0 else 255.0  # 16-bit grey, or 8-bit values in a wide mode
        return Image.fromarray((np.clip(values / scale, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)).convert("RGB")
    if image.mode == "P" or (image.mode in ("RGB", "L") and "transparency" in image.info):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "PA") else None
    profile = image.info.get("icc_profile")
    colour = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    if profile:
        try:
            colour = ImageCms.profileToProfile(
                colour,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except ImageCms.PyCMSError:  # a profile for another mode, or a broken one
            notes.append("its colour profile cannot be read: colours taken as sRGB")
    if colour is None or colour.mode != "RGB":
        colour = (colour or image).convert("RGB")
    if alpha is not None:
        colour = colour.copy()
        colour.putalpha(alpha)
    return colour
