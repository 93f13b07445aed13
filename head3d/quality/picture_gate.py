"""Finished pictures before they are delivered: is it this person, and is the picture whole?

Three outcomes: delivered, delivered with a warning, refused with the reason and the photo that would help. What photos
saw of a view is judged beside this (see ``gate.py``); the worse of both counts.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from head3d.geometry.draw import draw_mesh
from head3d.morphable.types import HeadFit, HeadModel
from head3d.perception.nets import FaceNets, load_face_nets
from head3d.perception.types import Observation
from head3d.quality.config import GateConfig
from head3d.quality.gate import LEVELS, Level, missing_side
from head3d.quality.gate_net import Fault, Finding, Thresholds, find_faults, load_gate, load_thresholds
from head3d.quality.identity import describe_photos
from head3d.quality.photo_match import SeenPhoto, see_photo
from head3d.quality.picture_numbers import PictureNumbers, face_exposure, nearest_lpips, picture_numbers
from head3d.quality.picture_signs import (
    FACE_WINDOW,
    Expected,
    Signs,
    beside,
    face_window,
    head_cover,
    landmarks_in,
    own_window,
    read_signs,
)
from head3d.quality.set_match import SeenPicture
from head3d.render.types import RenderOutput, View

LEAST_HEAD_PX = 110
"""Chin to crown. Smaller heads are not judged: their pixels tell a blurred face from a sharp one no more."""
HEAD_M = 0.235
ADVICE: Mapping[str, tuple[str, str]] = {
    "blur": ("it is blurred", "Add a sharper or larger photo {side}."),
    "floaters": (
        "something hangs in the air, or a piece of the head is missing",
        "Add a photo {side} before a plain wall, with all of the hair in it.",
    ),
    "light": ("the light on the face is not that of the set", "Add a photo {side} in even light, without a flash."),
    "misfit": (
        "eyes, nose and mouth are not where this head has them",
        "Add a photo {side} with a calm face, and leave out photos that look unlike the others.",
    ),
    "identity": (
        "the face is not surely that of the photos",
        "Make sure that all photos show one person, and add a sharp one {side}.",
    ),
}
"""What is said of a fault, and what would help."""


@dataclass(frozen=True)
class PictureVerdict:
    """On one finished picture.

    Attributes:
        view: Its name.
        level: What becomes of it.
        fault: The worst: "identity", or one of ``gate_net.FAULTS``; "" for a good picture.
        broken: Log odds of its likeliest fault.
        identity: Mean descriptor distance to the photos, or None.
        sentence: For the user; empty for a good picture.
        nearest: Descriptor distance to the nearest photo, or None.
        advice: The photo that would help, in words; a part of the sentence.
        numbers: What was measured; None in files of an older head3d.
    """

    view: str
    level: Level
    fault: str
    broken: float
    identity: float | None
    sentence: str = ""
    nearest: float | None = None
    advice: str = ""
    numbers: PictureNumbers | None = None


@dataclass(frozen=True)
class Reference:
    """Whom pictures are compared with.

    Attributes:
        vertices: Of the fitted head as it is shown, head frame, metres; neutral unless a picture says otherwise.
        model: Its head model.
        descriptors: dlib's, of the photos.
        photos: Their faces over the fitted head.
    """

    vertices: Float[Tensor, "V 3"]
    model: HeadModel
    descriptors: Sequence[Float32[np.ndarray, "128"]]
    photos: Sequence[SeenPhoto] = ()


def make_reference(fitted: HeadFit, names: Sequence[str], observations: Sequence[Observation]) -> Reference:
    """What a subject's pictures are compared with.

    Args:
        fitted: The head.
        names: Of the photos it was fitted to, in order.
        observations: Of the photos.
    """
    by_name = {one.photo.name: one.photo.rgb_srgb for one in observations}
    skin = fitted.model.faces
    photos = [
        see_photo(by_name[name], fitted.cameras[i], fitted.vertices(i), skin, window=FACE_WINDOW)
        for i, name in enumerate(names)
        if name in by_name
    ]
    faces = describe_photos(observations)
    return Reference(fitted.vertices(), fitted.model, list(faces.values()), photos)


def expected_in(view: View, reference: Reference) -> Expected:
    """What a view should show."""
    return Expected(
        landmarks_in(view.camera, reference.vertices, reference.model),
        draw_mesh(reference.vertices, reference.model.faces, face_window(view)).depth,
        reference.photos,
        head_cover(reference.vertices, reference.model.faces, view),
    )


class PictureGate:
    """Looks at finished pictures as they are made, keeps little of each, and judges them when all are there.

    Args:
        reference: Whom the pictures should show; asked for with the first of them.
        config: Whether anything is looked at.
    """

    def __init__(self, reference: Callable[[], Reference], *, config: GateConfig) -> None:
        self._net = load_gate() if config.pictures else None
        self._find = reference
        self._seen: list[_Seen | None] = []

    @cached_property
    def _reference(self) -> Reference:
        return self._find()

    @cached_property
    def _nets(self) -> FaceNets:
        return load_face_nets()

    def see(
        self,
        pixels: UInt8[np.ndarray, "H W 3"],
        output: RenderOutput,
        view: View,
        *,
        vertices: Float[Tensor, "V 3"] | None = None,
        among: Hashable = None,
    ) -> None:
        """Look at a picture.

        Args:
            pixels: As it would be delivered, the whole frame of its render.
            output: The render.
            view: Its camera, and the light of the set.
            vertices: Of the head with the expression that it shows; those of the reference if None.
            among: Names its set: pictures under one light with one expression, which are compared with each other.
        """
        if self._net is None:
            self._seen.append(None)
            return
        reference = self._reference if vertices is None else replace(self._reference, vertices=vertices)
        expected = expected_in(view, reference)
        signs = None
        if _head_px(view, pixels.shape[0]) >= LEAST_HEAD_PX:
            signs = read_signs(pixels, output, view, expected=expected, nets=self._nets)
        window = own_window(pixels, output, view)
        exposure = face_exposure(window.face)
        photo = None if signs is None else nearest_lpips(window.face, reference.photos)
        self._seen.append(_Seen(view, window, signs, among, exposure, photo))

    def verdicts(self) -> list[PictureVerdict | None]:
        """On all pictures, in the order they were seen; None where nothing is looked at, or the head is too small."""
        sets: dict[Hashable, dict[int, _Seen]] = {}
        for place, one in enumerate(self._seen):
            if one is not None:
                sets.setdefault(one.among, {})[place] = one
        found: dict[int, PictureVerdict] = {}
        for pictures in sets.values():
            found |= self._judged(pictures)
        return [found.get(place) for place in range(len(self._seen))]

    def _judged(self, pictures: Mapping[int, "_Seen"]) -> dict[int, PictureVerdict]:
        """Verdicts on one set, by place among all pictures."""
        assert self._net is not None, "without it nothing is seen"
        signs = {}
        for place, one in pictures.items():
            if one.signs is not None:
                signs[place] = beside(one.signs, one.window, _elsewhere(one, pictures.values()))
        limits, known = load_thresholds(), self._reference.descriptors
        return {
            place: replace(
                judge_picture(pictures[place].view, finding, own.identity(known), limits=limits),
                nearest=own.nearest(known),
                numbers=picture_numbers(
                    own.values, exposure=pictures[place].exposure, lpips_photo=pictures[place].lpips_photo
                ),
            )
            for (place, own), finding in zip(signs.items(), find_faults(self._net, list(signs.values())), strict=True)
        }


@dataclass(frozen=True)
class _Seen:
    """What is kept of a picture; ``signs`` is None if its head is too small to judge."""

    view: View
    window: SeenPicture
    signs: Signs | None
    among: Hashable
    exposure: float | None = None
    lpips_photo: float | None = None


def _elsewhere(one: _Seen, pictures: Iterable[_Seen]) -> list[SeenPicture]:
    """Pictures of a set that were taken from other places, one each: the same head before another backdrop agrees with
    itself, broken or not."""
    found = {_stand(other.view): other.window for other in reversed(list(pictures))}
    found.pop(_stand(one.view), None)
    return list(reversed(found.values()))


def _stand(view: View) -> tuple[int, ...]:
    """Where a camera stands, whole millimetres."""
    return tuple(round(1000 * float(part)) for part in view.camera.centre[0])


def inspect_pictures(
    gate: PictureGate,
    pictures: Sequence[UInt8[np.ndarray, "H W 3"]],
    outputs: Sequence[RenderOutput],
    views: Sequence[View],
    *,
    vertices: Float[Tensor, "V 3"] | None = None,
) -> dict[str, PictureVerdict]:
    """Judge the finished pictures of one set, by view; those whose head is too small to judge are left out.

    Args:
        gate: New.
        pictures: As they would be delivered.
        outputs: The renders.
        views: Their cameras, and the light of the set; no two of one name.
        vertices: See :meth:`PictureGate.see`.
    """
    for pixels, output, view in zip(pictures, outputs, views, strict=True):
        gate.see(pixels, output, view, vertices=vertices)
    return {verdict.view: verdict for verdict in gate.verdicts() if verdict is not None}


def judge_picture(view: View, finding: Finding, identity: float | None, *, limits: Thresholds) -> PictureVerdict:
    """Decide on a picture by what was found in it."""
    by_faults = _level(finding.broken, limits.broken_warn, limits.broken_refuse)
    by_face: Level = "good" if identity is None else _level(identity, limits.identity_warn, limits.identity_refuse)
    level = LEVELS[max(LEVELS.index(by_faults), LEVELS.index(by_face))]
    if level == "good":
        return PictureVerdict(view.name, level, "", finding.broken, identity)
    fault: Fault | str = finding.fault if by_faults == level else "identity"
    what, help_ = ADVICE[fault]
    advice = help_.format(side=_side(view))
    sentence = (
        f"{view.name}: refused, {what}. {advice}"
        if level == "refused"
        else f"{view.name}: perhaps {what}. Look at it before you use it. {advice}"
    )
    return PictureVerdict(view.name, level, fault, finding.broken, identity, sentence, advice=advice)


def _level(value: float, warn: float, refuse: float) -> Level:
    return "refused" if value > refuse else "warned" if value > warn else "good"


def _side(view: View) -> str:
    """From where this view looks at the head."""
    x, y, z = (float(part) for part in view.camera.centre[0])
    return missing_side((x, y, z))


def _head_px(view: View, height: int) -> float:
    """Chin to crown in the finished picture, px."""
    distance = float(view.camera.c2w[0, :3, 3].norm())
    return HEAD_M * float(view.camera.K[0, 1, 1]) / max(distance, 1e-3) * height / view.camera.size[0]
