"""Who is in an audit: synthetic twins that differ in skin tone only, artists' people, and people in photos."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.capture.types import Photo
from head3d.errors import CorruptPart
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.imaging.color import levels_from_linear
from head3d.imaging.io import read_image
from head3d.morphable.chromophores import typology_angle_deg
from head3d.perception.types import Region
from head3d.prior.artist_people import load_artist_person
from head3d.prior.light import StudioLight, draw_light
from head3d.prior.people import SyntheticPerson, Wish, cast_person
from head3d.prior.picture import Sitter, SyntheticPictures, pictures
from head3d.prior.skin import SkinTexture
from head3d.prior.synthetic import truth_studio
from head3d.quality.skin_groups import monk_albedo

TONES = (1, 4, 6, 8, 10)
"""Of the Monk scale: those of the twins, from one end to the other."""
PAINTED_DEG = (-60.0, 50.0)
"""Typology angles that the model of pigments can paint: about Monk 08 to 05. Beyond, its skin is scaled on."""
HAIR = (("crop", "bob", "long curls", "afro"), ("bald", "side part", "bun", "short curls"))
"""Styles of the first eight sets of twins, and of the next."""


def crossed(styles: Sequence[str]) -> list[tuple[bool, bool, str]]:
    """Sex, age and hair of eight sets of twins: masculine, aged, style.

    Half of the 4 x 2 x 2 design, an orthogonal array of strength 2: any two of the three are fully crossed, every pair
    of their levels equally often, so that none stands for another (Plackett & Burman 1946). Age is sex times the parity
    of the style's two bits. The first four have every style once, and sex crossed with age.
    """
    rows = []
    for half in (0, 1):
        for number, style in enumerate(styles):
            sex, parity = (number + half) % 2, number.bit_count() % 2
            rows.append((bool(sex), bool(sex ^ parity), style))
    return rows


LOOKS = tuple(look for styles in HAIR for look in crossed(styles))
"""Masculine, aged, hair: each set of twins has the next."""
PHOTOS_DEG = (0.0, 35.0, -35.0)
"""Yaw of the photos that are taken of a drawn person."""
SIZE_PX = (640, 512)
DISTANCE_M, FRAME_M = 1.1, 0.48
WALL = 0.32
"""Level of the plain wall behind drawn people, linear."""
SKIN_REGIONS = (Region.SKIN, Region.EARS, Region.NECK)
MOST_ALBEDO = 0.95
"""Nothing that reflects diffusely returns more."""
Source = Literal["synthetic", "artists", "photos"]


@dataclass(frozen=True)
class Panelist:
    """One person of the panel.

    Attributes:
        name: Of the person; people in photos have numbers and are never shown.
        source: What kind of person.
        twins: Set that it belongs to.
        groups: What is known beforehand, by axis.
        make: Everything needed to photograph it: a tone of the Monk scale and a seed, or a file.
    """

    name: str
    source: Source
    twins: str
    groups: dict[str, str]
    seed: int = 0
    tone: int = 0
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
    for tone in TONES:
        yield Panelist(
            name=f"twin {number} of Monk {tone:02d}",
            source="synthetic",
            twins=f"twins {number}",
            groups={
                "sex": "male" if masculine else "female",
                "age": "old skin and hair" if aged else "young skin and hair",
                "hair": hair,
            },
            seed=7000 + number,
            tone=tone,
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
        swatch = monk_albedo(one.tone)
        angle = min(max(float(typology_angle_deg(swatch)), PAINTED_DEG[0]), PAINTED_DEG[1])
        wish = Wish(tone_deg=angle, masculine=masculine, hair=hair, aged=aged, plain=True)
        drawn = cast_person(truth_studio(data), torch.Generator().manual_seed(one.seed), wish=wish)
        person = replace(drawn, skin=in_tone(drawn.skin, swatch))
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


def in_tone(skin: SkinTexture, albedo: Float[Tensor, "3"]) -> SkinTexture:
    """Skin whose mean is a given albedo, with the spots, lips and shades that it was painted with.

    The swatches of the scale are colours of a screen: the palest are paler, and the darkest darker, than pigments make
    skin. An audit asks what happens at the ends.
    """
    bare = torch.from_numpy(np.isin(skin.labels.numpy(), SKIN_REGIONS))
    shade = albedo / skin.albedo[:, bare].mean(1)
    scaled = (skin.albedo * shade[:, None, None]).clamp(max=MOST_ALBEDO)
    body = torch.from_numpy(np.isin(skin.labels.numpy(), (*SKIN_REGIONS, Region.LIPS)))
    return replace(skin, albedo=torch.where(body, scaled, skin.albedo))


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
