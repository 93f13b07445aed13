"""A subject's folder: its ledger, what may be mixed with it, how it is erased."""

from pathlib import Path

import numpy as np
import pytest

from head3d.capture.types import Photo, Verdict
from head3d.errors import CorruptPart, FormatTooNew, InputError
from head3d.parts import read_photos, write_photos
from head3d.subject import Consent, Ledger, StageRecord, Subject, check_free, consent_of, merge_verdicts

CONSENT = Consent("Ada", "2026-01-02", "portraits for her own page")


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    made = Subject(tmp_path / "me")
    made.write_ledger(Ledger(CONSENT))
    return made


def record(**changes: object) -> StageRecord:
    values = {"version": 1, "config_sha": "c", "inputs_sha": "i", "files": {}, "head3d": "0", "seconds": 1.0}
    return StageRecord(**{**values, "peak_rss_mb": 5.0, **changes})  # type: ignore[arg-type]


class TestLedger:
    def test_round_trip(self, subject: Subject):
        ledger = Ledger(CONSENT).with_stage("fit", record(files={"fit/fit.json": "0"}))
        subject.write_ledger(ledger)
        assert subject.ledger().stages == ledger.stages and subject.ledger().consent == CONSENT

    def test_the_day_it_was_made_stays(self, subject: Subject):
        created = subject.ledger().created
        subject.write_ledger(subject.ledger().with_stage("fit", record()))
        assert created and subject.ledger().created == created

    def test_a_newer_one_is_refused(self, subject: Subject):
        path = subject.path / "subject.json"
        path.write_text(path.read_text().replace('"version": 1', '"version": 99'))
        with pytest.raises(FormatTooNew, match="Update head3d"):
            subject.ledger()

    @pytest.mark.parametrize("text", ['{"format": "head3d.subject", "version": 1}', '{"format": "head3d.sub'])
    def test_damage_is_named(self, subject: Subject, text: str):
        (subject.path / "subject.json").write_text(text)
        with pytest.raises(CorruptPart, match=r"subject\.json"):
            subject.ledger()


def test_damaged_lists_files_that_changed_or_went(subject: Subject):
    (subject.path / "a").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert subject.damaged(record(files={"a": empty, "b": empty})) == ["b"]
    assert subject.damaged(record(files={"a": "other"})) == ["a"]


def test_a_folder_that_is_no_subject_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="is not a subject folder"):
        Subject(tmp_path).require()


class TestCheckFree:
    def test_new_and_own_folders_are_free(self, subject: Subject, tmp_path: Path):
        check_free(tmp_path / "new")
        check_free(subject.path)

    def test_a_folder_of_the_user_is_not(self, tmp_path: Path):
        (tmp_path / "photos").mkdir()
        with pytest.raises(InputError, match="not a subject folder"):
            check_free(tmp_path)


class TestDelete:
    def test_nothing_is_left(self, subject: Subject):
        for name in ("photos", "fit", ".field.draft"):
            (subject.path / name).mkdir()
            (subject.path / name / "x").write_text("")
        with subject.locked():
            assert subject.delete() == []
        assert not subject.path.exists()

    def test_what_head3d_did_not_write_stays(self, subject: Subject):
        (subject.path / "letter.txt").write_text("mine")
        assert [one.name for one in subject.delete()] == ["letter.txt"]
        assert (subject.path / "letter.txt").read_text() == "mine"


def test_photos_come_back_as_they_were(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (6, 4, 3)).astype(np.uint8)
    alpha = pixels[..., 0].copy()
    photos = [Photo("ä b.jpg", pixels, 123.25, "0", "phone"), Photo("b.png", pixels, None, "1", alpha=alpha)]
    verdicts = [Verdict("ä b.jpg", True), Verdict("c.jpg", False, ("no face",), ("dark",))]
    write_photos(tmp_path, photos, verdicts)
    read, read_verdicts = read_photos(tmp_path)
    assert read_verdicts == verdicts
    assert [(one.name, one.focal_px, one.camera) for one in read] == [("ä b.jpg", 123.25, "phone"), ("b.png", None, "")]
    assert np.array_equal(read[1].rgb_srgb, pixels) and read[0].alpha is None
    assert read[1].alpha is not None and np.array_equal(read[1].alpha, alpha)


def test_verdicts_of_two_stages_become_one_per_file():
    first = [Verdict("a", True, (), ("dark",)), Verdict("b", False, ("not a picture",)), Verdict("v.mp4", True)]
    second = {"a": Verdict("a", False, ("no face",)), "v.mp4@1s": Verdict("v.mp4@1s", True)}
    merged = merge_verdicts(first, second)
    assert merged[0] == Verdict("a", False, ("no face",), ("dark",))
    assert [one.name for one in merged] == ["a", "b", "v.mp4", "v.mp4@1s"]


def test_consent_without_a_name_is_of_oneself():
    consent = consent_of()
    assert consent.scope == "self" and consent.by and len(consent.date) == 10
