"""``head3d rate``: votes in the terminal, the ranking they teach, the blind test."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from head3d import cli
from head3d.export.provenance import write_with_provenance
from head3d.quality.blind import score, shuffle
from head3d.quality.preference import fit_preference
from head3d.quality.ratings import CHECKLIST, pairs_of, read_ratings
from head3d.subject import Consent, Ledger, Subject

POINTS = [point.split(":")[0] for point in CHECKLIST]


def answers(monkeypatch: pytest.MonkeyPatch, give) -> None:
    monkeypatch.setattr("builtins.input", give)


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """Eight headshots from dark to light, one that was refused, and a contact sheet."""
    folder = tmp_path / "me"
    Subject(folder).write_ledger(Ledger(Consent("Ada", "2026-01-02", "self")))
    for name in ("soft-front", "refused/soft-front"):
        (folder / "headshots" / name).mkdir(parents=True)
    for i in range(8):
        pixels = np.full((64, 64, 3), 40 + 25 * i, np.uint8)
        Image.fromarray(pixels).save(folder / "headshots" / "soft-front" / f"v{i}.png")
    Image.fromarray(pixels).save(folder / "headshots" / "refused" / "soft-front" / "back.png")
    Image.fromarray(pixels).save(folder / "headshots" / "contact_sheet.jpg")
    return folder


def likes_light(question: str) -> str:
    a, b = (line.split(": ", 1)[1] for line in question.splitlines()[:2])
    return "a" if a > b else "b"


def test_votes_are_kept_and_teach_a_ranking_that_changes_what_is_delivered(subject: Path, monkeypatch, capsys):
    answers(monkeypatch, likes_light)
    words = ["rate", str(subject), "--axis", "appeal", "--votes", "24", "--rater", "ada", "--best", "2"]
    assert cli.main(words) == 0
    votes, spoiled = read_ratings(subject / "ratings.jsonl")
    assert len(votes) == 24 and spoiled == 0 and {one.rater for one in votes} == {"ada"}
    assert not any("refused" in item or "contact" in item for one in votes for item in one.items)
    best = sorted(path.name for path in (subject / "exports" / "best").iterdir())
    assert best == ["01_v7.png", "02_v6.png"]
    assert "from 24 comparisons" in capsys.readouterr().out
    answers(monkeypatch, lambda question: {"a": "b", "b": "a"}[likes_light(question)])
    words[words.index("ada")] = "bob"
    assert cli.main([*words, "--weigh", "bob=50"]) == 0
    assert sorted(path.name for path in (subject / "exports" / "best").iterdir())[0] == "01_v0.png"


def test_stars_and_the_end_of_the_input(subject: Path, monkeypatch):
    given: Iterator[str] = iter(["7", "4", "s", "2"])

    def give(question: str) -> str:
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    answers(monkeypatch, give)
    assert cli.main(["rate", str(subject), "--stars"]) == 0
    votes, _ = read_ratings(subject / "ratings.jsonl")
    assert [(one.kind, one.choice) for one in votes] == [("stars", 4), ("stars", 2)]
    assert votes[0].items != votes[1].items


def test_a_checklist_goes_point_by_point_and_outweighs_a_glance(subject: Path, monkeypatch, capsys):
    current = {}

    def likes_dark(question: str) -> str:
        point = question.split(":")[0].strip()
        return "y" if int(current["item"][-5]) <= POINTS.index(point) else "n"

    def remember(*words: object) -> None:
        if str(words[0]).startswith("headshots"):
            current["item"] = str(words[0])

    monkeypatch.setattr("builtins.print", remember)
    answers(monkeypatch, likes_dark)
    assert cli.main(["rate", str(subject), "--axis", "appeal", "--checklist", "--rater", "ada", "--votes", "8"]) == 0
    votes, _ = read_ratings(subject / "ratings.jsonl")
    assert [one.choice for one in votes] == [sum(2**i for i in range(k, 7)) for k in range(8)]
    pairs = pairs_of(votes, "appeal")
    assert len(pairs) == 28 and all(share == (a < b) for a, b, share, _ in pairs)
    features = {name: {"light": float(name[-5])} for pair in pairs for name in pair[:2]}
    against = [(a, b, 1 - share, "bob") for a, b, share, _ in pairs]
    both = fit_preference([*pairs, *against], features, axis="appeal")
    assert both.weights[0] < 0  # as many glances say the contrary
    assert fit_preference([*pairs, *against], features, axis="appeal", rater_weights={"bob": 9.0}).weights[0] > 0


def test_votes_go_when_the_person_is_erased(subject: Path, monkeypatch):
    answers(monkeypatch, likes_light)
    assert cli.main(["rate", str(subject), "--votes", "9"]) == 0
    assert (subject / "preference_likeness.json").exists()
    assert cli.main(["delete", str(subject), "--yes"]) == 0
    assert not subject.exists()


def test_a_blind_test_counts_what_is_told_apart(tmp_path: Path, monkeypatch, capsys):
    draw = np.random.default_rng(0)
    for i in range(6):
        pixels = draw.integers(0, 255, (80, 70, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photo{i}.png")
        write_with_provenance(tmp_path / f"render{i}.jpg", pixels // 2, facts={"view": "front"})
    answers(monkeypatch, lambda question: "r")
    assert cli.main(["rate", "--blind", str(tmp_path), "--rater", "ada"]) == 0
    result = json.loads((tmp_path / "blind.json").read_text())
    assert (result["judged"], result["right"], result["renders_taken_for_photos"]) == (12, 6, 0.0)
    assert "not surely told apart" in capsys.readouterr().out


def test_what_is_shown_blindly_says_nothing_of_its_kind(tmp_path: Path):
    pictures = {f"{kind}{i}": np.full((50 + i, 60, 3), 90, np.uint8) for kind in ("photo", "render") for i in range(5)}
    key = shuffle(pictures, tmp_path / "hidden", seed=3)
    files = sorted((tmp_path / "hidden").iterdir())
    assert [one.name for one in files] == sorted(key) and sorted(key.values()) == sorted(pictures)
    assert len({one.read_bytes() for one in files}) == 1
    assert list(key.values()) != sorted(pictures)


def test_everything_told_rightly_is_told_apart():
    truth = {str(i): i % 2 == 0 for i in range(12)}
    assert score(truth, truth).told_apart
    assert not score({"0": True}, truth).told_apart


@pytest.mark.parametrize("words", [["rate"], ["rate", "--blind", "nowhere"], ["rate", "x", "--weigh", "ada"]])
def test_what_cannot_be_rated_is_told(words: list[str], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) in (2, 3)
    assert "hint:" in capsys.readouterr().err
