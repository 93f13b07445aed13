"""Finished pictures before they are delivered: is it this person, and is the picture whole?

Three outcomes: delivered, delivered with a warning, refused with the reason and the photo that would help. What photos
saw of a view is judged beside this (see ``gate.py``); the worse of both counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from head3d.morphable.types import HeadFit, HeadModel
from head3d.perception.nets import FaceNets
from head3d.perception.types import Observation
from head3d.quality.gate import Level, missing_side
from head3d.quality.gate_net import Fault, Finding, Thresholds, find_faults, load_gate, load_thresholds
from head3d.quality.identity import describe_photos
from head3d.quality.photo_match import SeenPhoto, face_camera, mesh_depth, see_photo, small_window
from head3d.quality.picture_signs import FACE_WINDOW, Expected, Signs, face_window, landmarks_in, read_signs
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
    """

    view: str
    level: Level
    fault: str
    broken: float
    identity: float | None
    sentence: str = ""


@dataclass(frozen=True)
class Reference:
    """Whom pictures are compared with.

    Attributes:
        vertices: Of the fitted head as it is shown, head frame, metres.
        model: Its head model.
        descriptors: dlib's, of the photos.
        photos: Their faces over the fitted head.
    """

    vertices: Float[Tensor, "V 3"]
    model: HeadModel
    descriptors: Sequence[Float32[np.ndarray, "128"]]
    photos: Sequence[SeenPhoto] = ()


def make_reference(
    fitted: HeadFit, names: Sequence[str], observations: Sequence[Observation], *, vertices: Float[Tensor, "V 3"] | None
) -> Reference:
    """What a subject's pictures are compared with.

    Args:
        fitted: The head.
        names: Of the photos it was fitted to, in order.
        observations: Of the photos.
        vertices: Of the head with the expression that is shown; the neutral one's if None.
    """
    by_name = {one.photo.name: one.photo.rgb_srgb for one in observations}
    skin = fitted.model.faces
    photos = [
        see_photo(by_name[name], fitted.cameras[i], fitted.vertices(i), skin, window=FACE_WINDOW)
        for i, name in enumerate(names)
        if name in by_name
    ]
    faces = describe_photos(observations)
    shown = fitted.vertices() if vertices is None else vertices
    return Reference(shown, fitted.model, list(faces.values()), photos)


def expected_in(view: View, reference: Reference) -> Expected:
    """What a view should show."""
    return Expected(
        landmarks_in(view.camera, reference.vertices, reference.model),
        mesh_depth(reference.vertices, reference.model.faces, face_window(view)),
        reference.photos,
    )


def inspect_pictures(
    pictures: Sequence[UInt8[np.ndarray, "H W 3"]],
    outputs: Sequence[RenderOutput],
    views: Sequence[View],
    *,
    reference: Reference,
    nets: FaceNets,
) -> dict[str, PictureVerdict]:
    """Judge finished pictures of a set, by view; those whose head is too small to judge are left out.

    Args:
        pictures: As they would be delivered, the whole frame of their render.
        outputs: The renders.
        views: Their cameras, and the light of the set.
        reference: Whom they should show.
        nets: Find the face's points.
    """
    net = load_gate()
    if net is None:
        return {}
    seen = {view.name: _seen(pixels, view, reference) for pixels, view in zip(pictures, views, strict=True)}
    read: dict[str, tuple[Signs, View]] = {}
    for pixels, output, view in zip(pictures, outputs, views, strict=True):
        if _head_px(view, pixels.shape[0]) < LEAST_HEAD_PX:
            continue
        others = [one for name, one in seen.items() if name != view.name]
        expected = replace(expected_in(view, reference), neighbours=others)
        read[view.name] = read_signs(pixels, output, view, expected=expected, nets=nets), view
    findings = find_faults(net, [signs for signs, _ in read.values()])
    limits = load_thresholds()
    return {
        name: judge_picture(view, finding, signs.identity(reference.descriptors), limits=limits)
        for (name, (signs, view)), finding in zip(read.items(), findings, strict=True)
    }


def _seen(pixels: UInt8[np.ndarray, "H W 3"], view: View, reference: Reference) -> SeenPhoto:
    whole = view.camera.resized((pixels.shape[0], pixels.shape[1]))
    depth = mesh_depth(reference.vertices, reference.model.faces, face_window(view))
    return SeenPhoto(small_window(pixels, face_camera(whole, FACE_WINDOW), whole), depth, face_window(view))


def judge_picture(view: View, finding: Finding, identity: float | None, *, limits: Thresholds) -> PictureVerdict:
    """Decide on a picture by what was found in it."""
    by_faults = _level(finding.broken, limits.broken_warn, limits.broken_refuse)
    by_face: Level = "good" if identity is None else _level(identity, limits.identity_warn, limits.identity_refuse)
    order: tuple[Level, ...] = ("good", "warned", "refused")
    level = order[max(order.index(by_faults), order.index(by_face))]
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
    return PictureVerdict(view.name, level, fault, finding.broken, identity, sentence)


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
