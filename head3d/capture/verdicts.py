"""What a person is told about photos: one line on each, or one error if none of them is of use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from head3d.errors import InputError, ManyFaces, PhotoUnusable, TooFewPhotos
from head3d.events import Emit, Notice

if TYPE_CHECKING:
    from head3d.capture.types import Verdict


def tell_verdicts(verdicts: "Sequence[Verdict]", emit: Emit) -> None:
    """Say what is wrong with photos; nothing where all are refused: :func:`nothing_left` says it, once."""
    if not any(one.accepted for one in verdicts):
        return
    for one in verdicts:
        for text in (*one.reasons, *one.warnings):
            emit(Notice(f"{one.name}: {text}", "info" if one.accepted else "warning"))


def nothing_left(verdicts: "Sequence[Verdict]") -> InputError:
    """The error that tells why none of some files can be used, and what to do.

    Args:
        verdicts: At least one; those that accept are passed over.
    """
    against = [one for one in verdicts if not one.accepted]
    if against and all(one.rivals for one in against):
        return _who_is_meant(against)
    reasons = [f"{one.name}: {'; '.join(one.reasons) or 'unusable'}" for one in against]
    if len(verdicts) == 1:
        return PhotoUnusable(f"{reasons[0]}.", hint="Give a photo where both eyes are visible, at least 200 px apart.")
    return TooFewPhotos(
        f"None of the {len(verdicts)} photos can be used: {' | '.join(reasons)}.",
        hint="Give photos where the face is sharp, large and uncovered.",
    )


def _who_is_meant(crowded: "Sequence[Verdict]") -> ManyFaces:
    shown = ", ".join(f"{one.name}: {one.rivals} people" for one in crowded)
    return ManyFaces(
        f"{shown}, and nothing tells who is meant.",
        hint="Choose with --face 0 (the largest), 1, ..., crop the photo, or add one of that person alone.",
    )
