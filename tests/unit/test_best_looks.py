"""Looks that votes like best: found on small pictures, made in full size, those that the gate refuses named as such."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from head3d import best_looks, cli, render_looks
from head3d.best_looks import different, find_best, look_of, make_best, model_of
from head3d.errors import InputError
from head3d.looks import Look, read_looks
from head3d.quality.preference import PreferenceModel, write_model
from head3d.quality.search import Found
from head3d.subject import Consent, Ledger, Subject
from tests.unit.grey_studio import GreyStudio, told

LOOKS = [Look(name="first"), Look(name="second"), Look(name="third")]
AXES = {"angle": ("front", "left-20"), "light": ("soft-front", "split"), "expression": ("neutral",)}


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """With a preference for grey pictures."""
    found = Subject(tmp_path / "me")
    found.write_ledger(Ledger(Consent("Ada", "2026-01-02", "self")))
    one = np.ones(1)
    likes = PreferenceModel("appeal", ("picture.lightness",), 0 * one, one, one, 1.0, 20, 0.9, (0.8, 1.0))
    write_model(found.path / "preference_appeal.json", likes)
    monkeypatch.setattr(best_looks, "Studio", Plain)
    monkeypatch.setattr(render_looks, "Studio", Plain)
    return found


class Plain(GreyStudio):
    """Photos show nothing of looks from the left."""

    def verdict(self, picture: Any, confidence: Any) -> Any:
        unseen = "left-20" in picture.look.name
        return SimpleNamespace(level="refused" if unseen else "good", sentence="unseen" if unseen else "")

    def finish(self, picture: Any, *, size: int, gain: float = 1.0, **how: Any) -> Any:
        return super().finish(picture, size=size, gain=gain, **how)


def test_a_refused_picture_leaves_a_gap_and_the_others_keep_their_looks(subject: Subject, monkeypatch):
    monkeypatch.setattr(render_looks, "gate_of", told({"second": "refused"}))
    place = subject.path / "exports" / "best"
    assert make_best(subject, LOOKS, size=64) == [place / "first_64.png", None, place / "third_64.png"]
    assert (place / "refused" / "second_64.png").is_file()
    assert [look.name for look in read_looks(place / "looks.json")] == ["first", "second", "third"]


def test_the_command_says_which_of_the_best_were_refused(subject: Subject, monkeypatch, capsys):
    monkeypatch.setattr(render_looks, "gate_of", told({"front soft-front neutral": "refused"}))
    words = ["rate", str(subject.path), "--axis", "appeal", "--votes", "0", "--search", "2"]
    monkeypatch.setattr("head3d.commands.rate._rate", lambda options: 0)
    assert cli.main(words) == 0
    first, second = (line.split("  ")[1:] for line in capsys.readouterr().out.splitlines() if "neutral" in line)
    assert first == ["front soft-front neutral", "refused"] and second[1].endswith("_1024.png")


def test_views_that_no_photo_shows_are_not_found(subject: Subject):
    found = find_best(subject, count=5, axes=AXES)
    assert {look.name for look, _ in found} == {"front soft-front neutral", "front split neutral"}


def test_no_two_of_one_angle_and_light():
    choices = [{"angle": "front", "light": "split", "expression": one} for one in ("neutral", "smile:0.3")]
    found = [Found(choice, reward) for choice, reward in zip(choices, (2.0, 1.0), strict=True)]
    assert different(found) == found[:1]
    assert look_of(choices[1]) == Look(name="front split smile 0.3", light="split", expression="smile:0.3")


def test_without_votes_it_says_how_to_vote(subject: Subject):
    with pytest.raises(InputError, match="head3d rate"):
        model_of(subject, "likeness")
