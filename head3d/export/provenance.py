"""What a picture says about itself: made by head3d, synthetic, from which view and under which light. Nothing personal.

The facts are written where common programs look: an XMP packet in every format, PNG text chunks, the JPEG comment.
The IPTC digital source type marks the picture as machine-made (EU AI Act, Article 50).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Shaped

from head3d import __version__, store
from head3d.errors import ConfigError, CorruptPart
from head3d.export.certificate import Identity
from head3d.export.signing import MIME, signed
from head3d.imaging.formats import encode_picture, format_of, read_xmp
from head3d.imaging.io import read_text

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC: media created by an algorithm trained on samples."""
COMPOSITE_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC: such media put together with a photo or a film."""

NOTE = "AI-generated: rendered from a 3D head that was learned from photos."
COMPOSITE_NOTE = "Changed with AI: a photo, cut out and put together anew by a program."

NAMESPACE = "urn:head3d:1"
"""Of our own word in the XMP packet, which holds all facts."""

ALLOWED_FACTS = frozenset(
    {
        "generator",
        "view",
        "light",
        "backdrop",
        "garment",
        "crop",
        "exposure_gain",
        "refined",
        "confidence",
        "gate",
        "eye_contact",
    }
)
"""Keys that may be written; anything else could carry personal data and is refused."""


def provenance_text(facts: Mapping[str, str], source_type: str = DIGITAL_SOURCE_TYPE) -> dict[str, str]:
    """Text chunks for a picture made with these facts (a headshot's ``provenance``)."""
    if unknown := sorted(set(facts) - ALLOWED_FACTS):
        raise ConfigError(f"{unknown[0]!r} must not be written into a picture.", hint="See ALLOWED_FACTS.")
    record = {"generator": f"head3d {__version__}", **facts, "digital_source_type": source_type}
    return {
        "Software": f"head3d {__version__}",
        "Comment": _note(source_type),
        "Source": source_type,
        "head3d": json.dumps(record, sort_keys=True),
        "XML:com.adobe.xmp": xmp_packet(record),
    }


def xmp_packet(record: Mapping[str, str]) -> str:
    """XMP with the creator tool, a description and the IPTC digital source type."""
    source_type = record["digital_source_type"]
    description = (
        f"{_note(source_type)} View: {record.get('view', 'unknown')}; light: {record.get('light', 'unknown')}."
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        f"xmp:CreatorTool={quoteattr(record['generator'])} photoshop:Instructions={quoteattr(description)} "
        f"Iptc4xmpExt:DigitalSourceType={quoteattr(source_type)} "
        f'xmlns:head3d="{NAMESPACE}" head3d:Record={quoteattr(json.dumps(record, sort_keys=True))}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def write_with_provenance(
    path: Path,
    pixels: Shaped[np.ndarray, "H W 3"],
    *,
    facts: Mapping[str, str],
    exif: Mapping[str, str] = MappingProxyType({}),
    dpi: int = 0,
    signer: Identity | None = None,
    source_type: str = DIGITAL_SOURCE_TYPE,
    title: str = "",
) -> Path:
    """Write a picture that says how it was made, whole or not at all; the suffix chooses the format.

    Args:
        path: .png, .jpg, .webp, .avif or .tiff.
        pixels: sRGB, uint8; for TIFF also uint16.
        facts: About the picture; keys of ``ALLOWED_FACTS``.
        exif: What the user chose to have written (see ``head3d.imaging.formats.EXIF_KEYS``).
        dpi: Dots per inch; 0 says nothing.
        signer: Signs it (see signing.py) if this kind of file can be signed; None: text alone.
        source_type: What it is marked as.
        title: Of the manifest; the file's name if empty.
    """
    text = provenance_text(facts, source_type)
    xmp = text["XML:com.adobe.xmp"].encode()
    kind = format_of(path)
    data = encode_picture(pixels, kind, xmp=xmp, text=text, exif=exif, dpi=dpi)
    data = signed_content(data, path, facts=facts, signer=signer, source_type=source_type, title=title)
    store.write_bytes(path, data)
    return path


def signed_content(
    content: bytes,
    path: Path,
    *,
    facts: Mapping[str, str],
    signer: Identity | None,
    source_type: str = DIGITAL_SOURCE_TYPE,
    title: str = "",
) -> bytes:
    """A picture or video with a signed manifest; as it is without a signer, or where its kind holds no manifest.

    Args:
        content: The whole file.
        path: Where it will lie; its suffix says which kind it is.
        facts: See :func:`write_with_provenance`.
        signer: Signs it, or None.
        source_type: What it is marked as.
        title: Of the manifest; the file's name if empty.
    """
    provenance_text(facts)  # refuses what could be personal
    if signer is None or path.suffix.lower() not in MIME:
        return content
    return signed(content, path.suffix, signer, source_type=source_type, facts=facts, title=title or path.name)


def read_provenance(path: Path) -> dict[str, str]:
    """The facts in a picture that head3d wrote; empty if there are none."""
    if path.suffix.lower() == ".png":
        text = read_text(path)
        return _record(text["head3d"], path) if "head3d" in text else {}
    packet = read_xmp(path)
    try:
        tree = ElementTree.fromstring(packet.decode("utf-8", "replace").strip("\ufeff\0 ")) if packet else None
    except ElementTree.ParseError:
        return {}
    if tree is None:
        return {}
    for node in tree.iter():
        record = node.attrib.get(f"{{{NAMESPACE}}}Record")
        if record is not None:
            return _record(record, path)
    return {}


def _note(source_type: str) -> str:
    return COMPOSITE_NOTE if source_type == COMPOSITE_SOURCE_TYPE else NOTE


def _record(text: str, path: Path) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptPart(f"{path}: its notes were edited.", hint="Make the picture again.") from error
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
