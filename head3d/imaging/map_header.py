"""What the file of an environment map says of itself before anything of it is decoded: its kind and how large it is."""

import re
import struct
from dataclasses import dataclass

HDR_MAGIC, EXR_MAGIC = b"#?", b"\x76\x2f\x31\x01"
HEAD_BYTES = 2**20
"""A header is within so much of a file; real ones take a few hundred bytes, or some more for a preview."""
MANY_PARTS = 0x800 | 0x1000
"""Flags of an OpenEXR file that holds samples in depth, or several pictures: neither is a map."""


@dataclass(frozen=True)
class MapHeader:
    """Of a Radiance RGBE or an OpenEXR file.

    Attributes:
        suffix: ``.hdr`` or ``.exr``, whatever the file is called.
        height: Rows, px.
        width: Columns, px.
        channels: Numbers of a pixel.
    """

    suffix: str
    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """How many."""
        return self.height * self.width


def read_header(data: bytes) -> MapHeader | None:
    """The header of a file; None if it is no map of a kind that can be read."""
    head = data[:HEAD_BYTES]
    try:
        if head.startswith(HDR_MAGIC):
            return _radiance(head)
        return _openexr(head) if head.startswith(EXR_MAGIC) else None
    except (struct.error, ValueError):  # ends within what it began to say
        return None


def _radiance(head: bytes) -> MapHeader | None:
    # lines of text, then the first empty one, then the size; a map that is stored turned or mirrored is not read
    found = re.match(rb"-Y (\d{1,6}) \+X (\d{1,6})\n", head.partition(b"\n\n")[2])
    return None if found is None else _sized(".hdr", int(found[1]), int(found[2]), 3)


def _openexr(head: bytes) -> MapHeader | None:
    """Attributes: name, type (both end with a zero byte), length (int32), value; an empty name ends them."""
    if struct.unpack_from("<I", head, 4)[0] & MANY_PARTS:
        return None
    size, channels, at = None, 0, 8
    while head[at] if at < len(head) else 0:
        name, at = _word(head, at)
        _, at = _word(head, at)
        (length,) = struct.unpack_from("<i", head, at)
        value, at = head[at + 4 : at + 4 + length], at + 4 + length
        if length < 0 or len(value) < length:
            return None
        if name == b"dataWindow":
            left, top, right, low = struct.unpack("<4i", value)
            size = low - top + 1, right - left + 1
        elif name == b"channels":
            channels = _listed(value)
    return None if size is None else _sized(".exr", *size, channels)


def _listed(value: bytes) -> int:
    """Number of channels in their list: each a name and 16 bytes; a zero byte ends it."""
    count, at = 0, 0
    while value[at : at + 1] not in (b"", b"\0"):
        _, at = _word(value, at)
        at, count = at + 16, count + 1
    return count


def _word(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.index(b"\0", at)
    return data[at:end], end + 1


def _sized(suffix: str, height: int, width: int, channels: int) -> MapHeader | None:
    return MapHeader(suffix, height, width, channels) if min(height, width, channels) > 0 else None
