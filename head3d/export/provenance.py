"""What a picture says about itself: made by head3d, synthetic, from which view and under which light. Nothing personal.

The facts are written where common programs look: PNG text chunks and an XMP packet (iTXt "XML:com.adobe.xmp"), JPEG
comment and XMP. The IPTC digital source type marks the picture as machine-made (EU AI Act, Article 50).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import UInt8

from head3d import __version__, store
from head3d.errors import ConfigError, CorruptPart
from head3d.export.certificate import Identity
from head3d.export.signing import MIME, signed
from head3d.imaging.io import encode_image, read_text

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC: media created by an algorithm trained on samples."""

NOTE = "AI-generated: rendered from a 3D head that was learned from photos."

ALLOWED_FACTS = frozenset({"generator", "view", "light", "backdrop", "crop", "exposure_gain", "refined", "confidence"})
"""Keys that may be written; anything else could carry personal data and is refused."""


def provenance_text(facts: Mapping[str, str]) -> dict[str, str]:
    """Text chunks for a picture made with these facts (a headshot's ``provenance``)."""
    if unknown := sorted(set(facts) - ALLOWED_FACTS):
        raise ConfigError(f"{unknown[0]!r} must not be written into a picture.", hint="See ALLOWED_FACTS.")
    record = {"generator": f"head3d {__version__}", **facts, "digital_source_type": DIGITAL_SOURCE_TYPE}
    return {
        "Software": f"head3d {__version__}",
        "Comment": NOTE,
        "Source": DIGITAL_SOURCE_TYPE,
        "head3d": json.dumps(record, sort_keys=True),
        "XML:com.adobe.xmp": xmp_packet(record),
    }


def xmp_packet(record: Mapping[str, str]) -> str:
    """XMP with the creator tool, a description and the IPTC digital source type."""
    description = f"{NOTE} View: {record.get('view', 'unknown')}; light: {record.get('light', 'unknown')}."
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        f"xmp:CreatorTool={quoteattr(record['generator'])} photoshop:Instructions={quoteattr(description)} "
        f"Iptc4xmpExt:DigitalSourceType={quoteattr(DIGITAL_SOURCE_TYPE)}/>"
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def write_with_provenance(
    path: Path, pixels: UInt8[np.ndarray, "H W *C"], *, facts: Mapping[str, str], signer: Identity | None = None
) -> Path:
    """Write a PNG or JPEG that says how it was made.

    Args:
        path: Its suffix says which.
        pixels: sRGB.
        facts: About the picture; keys of ``ALLOWED_FACTS``.
        signer: Signs it (see signing.py); None: text alone.
    """
    text = provenance_text(facts)
    xmp = b"" if path.suffix.lower() == ".png" else text["XML:com.adobe.xmp"].encode()
    data = encode_image(path, pixels, text=text, xmp=xmp)
    store.write_bytes(path, data if signer is None else _signed(data, path, facts, signer))
    return path


def sign_file(path: Path, signer: Identity | None, *, facts: Mapping[str, str]) -> Path:
    """Sign a file that is complete (a video), if there is a signer and the kind of file can hold a signature."""
    if signer is not None and path.suffix.lower() in MIME:
        store.write_bytes(path, _signed(path.read_bytes(), path, facts, signer))
    return path


def _signed(data: bytes, path: Path, facts: Mapping[str, str], signer: Identity) -> bytes:
    provenance_text(facts)  # refuses what could be personal
    return signed(data, path.suffix, signer, source_type=DIGITAL_SOURCE_TYPE, facts=facts, title=path.name)


def read_provenance(path: Path) -> dict[str, str]:
    """The facts in a picture that head3d wrote; empty if there are none."""
    text = read_text(path)
    if "head3d" in text:
        try:
            found = json.loads(text["head3d"])
        except (ValueError, RecursionError) as error:
            raise CorruptPart(f"{path}: its notes were edited.", hint="Make the picture again.") from error
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    if text.get("Comment") == NOTE:
        return {"digital_source_type": DIGITAL_SOURCE_TYPE}
    return {}
