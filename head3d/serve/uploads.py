"""Photos that come in: looked at before anything is decoded, stored under names the server makes.

The server reads headers only; pixels are decoded in a job's process, which may crash without anybody else noticing.
"""

import hashlib
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from head3d import store
from head3d.errors import PhotoUnusable
from head3d.imaging.io import DAMAGE
from head3d.serve.ledger import new_id
from head3d.serve.rows import PhotoRow
from head3d.serve.settings import Settings

FORMATS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "HEIF": ".heic"}
"""What phones and cameras write, and the suffix it gets. No TIFF: its directories are read all over the file."""
HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
CHUNK = 1 << 20
MIN_SIDE_PX = 64


class TooLarge(PhotoUnusable):
    """A file with more bytes or pixels than are taken."""


@dataclass(frozen=True)
class Header:
    """What the first bytes of a photo say."""

    kind: str
    width: int
    height: int


def check_header(stream: IO[bytes], *, size: int, settings: Settings) -> Header:
    """Format and size of a photo, without decoding it.

    Args:
        stream: The file; it is left at its beginning.
        size: Its bytes.
        settings: What is taken.

    Raises:
        TooLarge: More bytes or pixels than are taken.
        PhotoUnusable: Another format, or damaged.
    """
    if size > settings.photo_mb * 1e6:
        raise TooLarge(f"{size / 1e6:.1f} MB is too much.", hint=f"At most {settings.photo_mb:g} MB a photo.")
    stream.seek(0)
    try:
        with _decoders(), Image.open(stream, formats=_formats(stream.read(12))) as image:
            header = Header(image.format or "", *image.size)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge("It has far too many pixels.", hint=f"At most {settings.megapixels:g} megapixels.") from error
    except UnidentifiedImageError as error:
        raise PhotoUnusable("It is no JPEG, PNG, WebP, AVIF, HEIC.", hint="Send the photo as it was taken.") from error
    except DAMAGE as error:
        raise PhotoUnusable("It is damaged.", hint="Send the photo as it was taken.") from error
    finally:
        stream.seek(0)
    pixels = header.width * header.height
    if pixels > settings.megapixels * 1e6:
        raise TooLarge(
            f"{header.width} x {header.height} px is too much.", hint=f"At most {settings.megapixels:g} megapixels."
        )
    if min(header.width, header.height) < MIN_SIDE_PX:
        raise PhotoUnusable(f"{header.width} x {header.height} px is too small.", hint="The face needs 100 px.")
    return header


def store_photo(stream: IO[bytes], header: Header, folder: Path) -> PhotoRow:
    """Copy a checked photo into a folder, whole or not at all, under a name of the server's."""
    identity = new_id("pho")
    path = folder / f"{identity}{FORMATS[header.kind]}"
    store.make_folder(folder)
    digest, size = hashlib.sha256(), 0
    stream.seek(0)
    with store.atomic(path) as temporary, temporary.open("wb") as handle:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            handle.write(chunk)
    row = PhotoRow(identity, path.name, digest.hexdigest(), size, header.width, header.height, header.kind, time.time())
    return row


def _formats(start: bytes) -> tuple[str, ...]:
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
        try:
            from pillow_heif import HeifImagePlugin  # noqa: F401  (importing registers the format)
        except ImportError as error:
            raise PhotoUnusable("This server cannot read HEIC.", hint="Send JPEG.") from error
        return ("HEIF",)
    Image.init()
    return ("JPEG", "PNG", "WEBP", "AVIF")


@contextmanager
def _decoders() -> Iterator[None]:
    """Pillow's own limit warns from 89 megapixels on; ours is told from the size, its error stays an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
