"""The best pictures of a subject by what its raters like: angle, light and expression searched for, then made large."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from head3d import store
from head3d.errors import InputError
from head3d.events import Emit, Progress, StageStart, ignore
from head3d.looks import Look, write_looks
from head3d.quality.picture_features import picture_embedding, picture_metrics
from head3d.quality.preference import PreferenceModel, features_of, read_model
from head3d.quality.search import Found, search
from head3d.render.angles import ANGLES
from head3d.render.rigs import LIGHTS
from head3d.render_looks import file_names, render_looks
from head3d.studio import Studio
from head3d.subject import Subject

PREVIEW_PX = 256
"""Height of the pictures that are compared: that is what the features are measured at."""
AXES: dict[str, tuple[str, ...]] = {
    "angle": ("front", "left-20", "right-20", "three-quarter-left", "three-quarter-right", "slightly-above"),
    "light": LIGHTS,
    "expression": ("neutral", "smile:0.3", "smile:0.6"),
}
"""What may be changed, the usual first."""


def model_of(subject: Subject, axis: str) -> PreferenceModel:
    """What a subject's raters like; InputError if nobody has voted yet."""
    path = subject.path / f"preference_{axis}.json"
    if not path.is_file():
        raise InputError(
            f"{subject.path}: nothing is known about {axis} yet.", hint=f"Vote: head3d rate {subject.path}"
        )
    return read_model(path)


def find_best(
    subject: Subject,
    *,
    axis: str = "appeal",
    count: int = 3,
    most: int = 40,
    axes: Mapping[str, Sequence[str]] = AXES,
    emit: Emit = ignore,
) -> list[tuple[Look, float]]:
    """Looks a preference likes best, those that the gate refuses left out.

    Args:
        subject: Finished, with votes.
        axis: Likeness, professionalism or appeal.
        count: How many, no two of one angle and light.
        most: Small pictures that are tried.
        axes: What may be changed.
        emit: Hears progress.
    """
    model, studio = model_of(subject, axis), Studio(subject)
    emit(StageStart("search", most))
    tried = 0

    def worth(choice: Mapping[str, str]) -> float | None:
        nonlocal tried
        tried += 1
        emit(Progress("search", tried, most, ", ".join(choice.values())))
        picture = studio.picture(look_of(choice), PREVIEW_PX)
        if studio.verdict(picture, studio.confidence(picture)).level == "refused":
            return None
        pixels = studio.finish(picture, size=PREVIEW_PX).rgb_srgb
        return model.reward(features_of(picture_metrics(pixels), picture_embedding(pixels)))

    return [(look_of(one.choice), one.reward) for one in different(search(axes, worth, most=most))[:count]]


def look_of(choice: Mapping[str, str]) -> Look:
    """The look of a combination."""
    yaw, pitch = ANGLES[choice["angle"]]
    name = " ".join(choice.values()).replace(":", " ")
    look = Look(name=name, yaw_deg=yaw, pitch_deg=pitch, light=choice["light"])
    return replace(look, expression=choice.get("expression", "neutral"))


def different(found: Sequence[Found]) -> list[Found]:
    """The best of each angle and light, in their order: five pictures of one look are no choice."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in found:
        key = one.choice["angle"], one.choice["light"]
        if key not in seen:
            seen.add(key)
            kept.append(one)
    return kept


def make_best(subject: Subject, looks: Sequence[Look], *, size: int = 1024, emit: Emit = ignore) -> list[Path | None]:
    """Finished pictures of looks in exports/best, and the looks themselves beside them.

    Returns:
        A path for each look, in their order; None for one that the gate refused once it was finished in full size.
    """
    place = store.make_folder(subject.path / "exports" / "best")
    write_looks(place / "looks.json", looks)
    delivered = set(render_looks(subject, looks, size=size, out=place, emit=emit))
    return [path if path in delivered else None for path in (place / name for name in file_names(looks, size))]
