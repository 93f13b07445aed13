"""Who is in an audit: synthetic twins that differ in skin tone only, artists' people, and people in photos."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from head3d.capture.types import Photo
from head3d.errors import CorruptPart
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.imaging.color import levels_from_linear
from head3d.imaging.io import read_image
from head3d.prior.artist_people import load_artist_person
from head3d.prior.light import StudioLight, draw_light
from head3d.prior.people import SyntheticPerson, Wish, cast_person
from head3d.prior.picture import Sitter, SyntheticPictures, pictures
from head3d.prior.synthetic import truth_studio

TONES_DEG = (50.0, 30.0, 10.0, -20.0, -50.0)
"""Typology angles of the twins: light, intermediate, tan, brown, dark."""
LOOKS = (
    (False, False, "bob"),
    (True, False, "crop"),
    (False, True, "long curls"),
    (True, True, "side part"),
    (False, False, "afro"),
    (True, False, "bald"),
    (False, True, "bun"),
    (True, True, "short curls"),
)
"""Masculine, aged, hair: each set of twins has the next."""
PHOTOS_DEG = (0.0, 35.0, -35.0)
"""Yaw of the photos that are taken of a drawn person."""
SIZE_PX = (640, 512)
DISTANCE_M, FRAME_M = 1.1, 0.48
WALL = 0.32
"""Level of the plain wall behind drawn people, linear."""
Source = Literal["synthetic", "artists", "photos"]


@dataclass(frozen=True)
class Panelist:
    """One person of the panel.

    Attributes:
        name: Of the person; people in photos have numbers and are never shown.
        source: What kind of person.
        twins: Set that it belongs to.
        groups: What is known beforehand, by axis.
        make: Everything needed to photograph it: a tone and a seed, or a file.
    """

    name: str
    source: Source
    twins: str
    groups: dict[str, str]
    seed: int = 0
    tone_deg: float = 0.0
    file: Path | None = None


@dataclass(frozen=True)
class Shoot:
    """Photos of a panelist and what is true of them.

    Attributes:
        photos: As capture would hand them on.
        person: Whom the rasteriser drew, or None for real photos.
        cameras: Of the photos.
        truth: Buffers of the rasteriser.
    """

    photos: tuple[Photo, ...]
    person: Sitter | None = None
    cameras: Cameras | None = None
    truth: SyntheticPictures | None = None


def panel(*, twins: int, data: Path, sources: tuple[Source, ...]) -> Iterator[Panelist]:
    """People in an order that stays balanced wherever one stops: whole sets of twins, then the others in turn."""
    if "synthetic" in sources:
        for number in range(twins):
            yield from _twins(number)
    others = [_artists(data) if "artists" in sources else iter(()), _sitters(data) if "photos" in sources else iter(())]
    while others:
        for one in list(others):
            found = next(one, None)
            if found is None:
                others.remove(one)
            else:
                yield found


def _twins(number: int) -> Iterator[Panelist]:
    masculine, aged, hair = LOOKS[number % len(LOOKS)]
    for tone in TONES_DEG:
        yield Panelist(
            name=f"twin {number} at {tone:+.0f}°",
            source="synthetic",
            twins=f"twins {number}",
            groups={
                "sex": "male" if masculine else "female",
                "age": "old skin and hair" if aged else "young skin and hair",
                "hair": hair,
            },
            seed=7000 + number,
            tone_deg=tone,
        )


def _artists(data: Path) -> Iterator[Panelist]:
    """Alternating between the groups that their file names tell."""
    paths = sorted((data / "valid_heads").glob("*.glb"), key=lambda path: (path.stem.split("_")[-2], path.stem))
    for path in paths:
        parts = path.stem.removeprefix("X_").split("_")
        groups = {"label": parts[0], "sex": {"F": "female", "M": "male"}[parts[1]]}
        yield Panelist(path.stem, "artists", path.stem, groups, seed=sum(map(ord, path.stem)), file=path)


def _sitters(data: Path) -> Iterator[Panelist]:
    """Real people of the Face Research Lab London Set, neutral and smiling: measured, never shown."""
    listed = data / "london512" / "subjects.json"
    if not listed.is_file():
        return
    try:
        subjects = json.loads(listed.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptPart(f"{listed} is not JSON.", hint="Fetch the data again.") from error
    for name, facts in sorted(subjects.items()):
        file = data / "london512" / "neutral_front" / f"{name}.jpg"
        age = str(facts.get("face_age", ""))
        groups = {"label": str(facts.get("face_eth", "")), "sex": str(facts.get("face_gender", ""))}
        if age.replace(".", "").isdigit():
            groups["age"] = "under 30 years" if float(age) < 30 else "30 years and more"
        if file.is_file():
            yield Panelist(f"sitter {name}", "photos", name, {k: v for k, v in groups.items() if v}, file=file)


def photograph_panelist(one: Panelist, data: Path) -> Shoot:
    """Take the photos of a panelist; twins have the same light, cameras and faces."""
    if one.source == "photos":
        assert one.file is not None
        smiling = one.file.parents[1] / "smiling_front" / one.file.name
        return Shoot(tuple(_photo(path.stem + path.parent.name, read_image(path)) for path in (one.file, smiling)))
    person: Sitter
    if one.source == "artists":
        assert one.file is not None
        person = load_artist_person(one.file)
    else:
        masculine, aged, hair = LOOKS[(one.seed - 7000) % len(LOOKS)]
        wish = Wish(tone_deg=one.tone_deg, masculine=masculine, hair=hair, aged=aged, plain=True)
        person = cast_person(truth_studio(data), torch.Generator().manual_seed(one.seed), wish=wish)
    light = _studio(one.seed)
    cameras = _cameras()
    seen = pictures(person, cameras, [light])
    back = torch.full((1, 1, 3), WALL)
    shots = []
    for number in range(len(cameras)):
        cover = seen.alpha[number, ..., None]
        levels = np.asarray(levels_from_linear((seen.rgb_linear[number] * cover + back * (1 - cover)).clamp(0, 1)))
        shots.append(_photo(f"photo {number}", levels))
    return Shoot(tuple(shots), person, cameras, seen)


def is_synthetic(person: Sitter | None) -> bool:
    """Whether everything of a person is known: landmarks, shape, albedo."""
    return isinstance(person, SyntheticPerson)


def _studio(seed: int) -> StudioLight:
    """Light of one set of twins; the same for all of them, as bright as it is: a dark face stays dark in its photos."""
    return draw_light(torch.Generator().manual_seed(seed + 1), most_lamps=2)


def _cameras() -> Cameras:
    poses = [
        look_at_head(yaw_deg=yaw, pitch_deg=0.0, distance_m=DISTANCE_M, target_m=torch.tensor([0.0, -0.02, 0.0]))
        for yaw in PHOTOS_DEG
    ]
    K = intrinsics(SIZE_PX[0] * DISTANCE_M / FRAME_M, SIZE_PX)
    return Cameras(torch.stack(poses), K[None].repeat(len(poses), 1, 1), SIZE_PX)


def _photo(name: str, levels: np.ndarray) -> Photo:
    import hashlib

    pixels = np.ascontiguousarray(levels[..., :3])
    return Photo(f"{name}.png", pixels, None, hashlib.sha256(pixels.tobytes()).hexdigest(), camera="audit")
