"""What is told about photos: each thing once, with advice that fits."""

from head3d.capture.types import Verdict, refused
from head3d.capture.verdicts import nothing_left, tell_verdicts
from head3d.errors import ManyFaces, PhotoUnusable, TooFewPhotos
from head3d.events import Event, Notice

BLURRED = refused("a.jpg", "the face is blurred")
CROWD = Verdict("pair.jpg", accepted=False, reasons=("2 people: crop the photo",), rivals=2)
GOOD = Verdict("b.jpg", accepted=True, warnings=("a profile",))


def said(*verdicts: Verdict) -> list[tuple[str, str]]:
    heard: list[Event] = []
    tell_verdicts(verdicts, heard.append)
    return [(one.level, one.text) for one in heard if isinstance(one, Notice)]


def test_each_photo_gets_its_line_where_some_are_used():
    assert said(BLURRED, GOOD) == [("warning", "a.jpg: the face is blurred"), ("info", "b.jpg: a profile")]


def test_where_none_is_used_the_error_alone_tells_why():
    assert said(BLURRED, CROWD) == []
    error = nothing_left([BLURRED, CROWD])
    assert isinstance(error, TooFewPhotos)
    assert "a.jpg: the face is blurred" in error.message and "pair.jpg: 2 people" in error.message


def test_one_photo_is_told_with_its_reason():
    error = nothing_left([BLURRED])
    assert isinstance(error, PhotoUnusable) and error.message == "a.jpg: the face is blurred."


def test_several_people_are_told_with_how_to_choose_and_nothing_about_eyes():
    error = nothing_left([CROWD])
    assert isinstance(error, ManyFaces)
    assert error.message == "pair.jpg: 2 people, and nothing tells who is meant."
    assert "--face 0" in error.hint and "crop" in error.hint and "eyes" not in error.hint


def test_several_such_photos_are_named_in_one_line():
    error = nothing_left([CROWD, Verdict("trio.jpg", accepted=False, rivals=3)])
    assert isinstance(error, ManyFaces)
    assert error.message == "pair.jpg: 2 people, trio.jpg: 3 people, and nothing tells who is meant."
