"""Consent, erasure and encryption of a subject folder."""

# pyrage is compiled: its names cannot be seen without running it
# pyright: reportAttributeAccessIssue=false

import datetime
import json
import re
from pathlib import Path

import pyrage
import pytest

from head3d import cli, store, vault
from head3d.erasing import erase, erasure_text
from head3d.errors import ConfigError, ConsentMissing, CorruptPart, InputError
from head3d.subject import Consent, Ledger, Subject, consent_of, parse_consent
from head3d.vault import KEY, VAULT, is_locked, lock, unlock

MARKER = b"PLANTED-MARKER-OF-A-FACE-" * 8
WORDS = "correct horse battery staple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    return store.make_folder(tmp_path / "home")


@pytest.fixture
def subject(tmp_path: Path, home: Path) -> Subject:
    """A folder with a marker in a part of every kind."""
    made = Subject(tmp_path / "people" / "me")
    made.write_ledger(Ledger(Consent("Ada", "2026-01-02", "portraits")))
    for name in ("photos/000.png", "field/field.safetensors", "exports/head.glb", ".fit.draft/a.json"):
        store.write_bytes(made.path / name, MARKER + name.encode())
    return made


def bytes_below(*places: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for place in places for one in place.rglob("*") if one.is_file()}


class TestConsent:
    def test_of_another_person_needs_what_they_agreed_to(self):
        with pytest.raises(ConsentMissing, match="Grace"):
            consent_of("Grace Hopper")
        assert consent_of("Grace Hopper", "a portrait").scope == "a portrait"

    def test_in_one_line(self):
        found = parse_consent("Grace Hopper, 2026-01-31, portraits, also for print")
        assert found == Consent("Grace Hopper", "2026-01-31", "portraits, also for print")

    def test_of_oneself_is_one_word(self):
        assert parse_consent("self") == consent_of()

    def test_a_new_subject_needs_it_and_one_that_has_it_does_not(
        self, tmp_path: Path, subject: Subject, capsys: pytest.CaptureFixture[str]
    ):
        (tmp_path / "a.jpg").write_bytes(b"no photo")
        assert cli.main(["run", str(tmp_path / "a.jpg"), "--out", str(tmp_path / "new")]) == 3
        assert capsys.readouterr().err == (
            "error: Nobody is named who agreed to this.\n"
            "hint: Photos of you: add --consent self. "
            'Of others: --consent "NAME, 2026-01-31, what they agreed to".\n'
        )
        assert not (tmp_path / "new").exists()
        for out, words in ((tmp_path / "new", ["--consent", "self"]), (subject.path, [])):
            assert cli.main(["run", str(tmp_path / "a.jpg"), "--out", str(out), "--quiet", *words]) == 3
            assert "a.jpg" in capsys.readouterr().err, "it came to the photo"
        assert Subject(tmp_path / "new").ledger().consent == consent_of()
        assert subject.ledger().consent == Consent("Ada", "2026-01-02", "portraits"), "it stays what it was"

    @pytest.mark.parametrize("text", ["", "Grace", "Grace, 2026-01-31", "Grace, 2026-01-31, "])
    def test_a_part_that_is_missing_is_no_consent(self, text: str):
        with pytest.raises(ConsentMissing):
            parse_consent(text)

    def test_a_date_is_one_and_has_been(self):
        with pytest.raises(ConfigError, match="no date"):
            parse_consent("Grace, yesterday, portraits")
        tomorrow = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)).date()
        with pytest.raises(ConfigError, match="not given yet"):
            parse_consent(f"Grace, {tomorrow}, portraits")

    def test_a_run_without_it_does_not_begin(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["run", "a.jpg", "--out", str(tmp_path / "x"), "--consent-by", "Grace Hopper"]) == 3
        assert "agreed to" in capsys.readouterr().err and not (tmp_path / "x").exists()


class TestErase:
    def test_no_byte_is_left(self, subject: Subject, home: Path):
        found = erase(subject)
        assert found.clean and found.files == 5 and not subject.path.exists()
        assert not any(MARKER in content for content in bytes_below(subject.path.parent, home).values())
        assert "no copy of it is left" in erasure_text(found)

    def test_what_the_user_put_there_stays_and_is_named(self, subject: Subject):
        store.write_bytes(subject.path / "notes.txt", b"mine, not yours: " + b"x" * 100)
        found = erase(subject)
        assert [one.name for one in found.kept] == ["notes.txt"] and not found.clean
        assert [one.name for one in subject.path.iterdir()] == ["notes.txt"]

    def test_copies_beside_it_and_in_the_cache_are_found(self, subject: Subject, home: Path):
        copies = [home / "cache" / "x.bin", subject.path.parent / "old" / "photo.png"]
        for one in copies:
            store.write_bytes(one, (subject.path / "photos/000.png").read_bytes())
        found = erase(subject)
        assert sorted(found.copies) == sorted(copies) and not found.clean
        assert str(copies[0]) in erasure_text(found)

    def test_exports_elsewhere_are_named_and_erased_on_demand(self, subject: Subject, tmp_path: Path):
        kept, changed = tmp_path / "out" / "a.png", tmp_path / "out" / "b.png"
        for one in (kept, changed):
            store.write_bytes(one, MARKER + one.name.encode())
        subject.record_deliveries([kept, changed, subject.path / "exports/head.glb"])
        changed.write_bytes(b"something of the user's now")
        found = erase(subject, elsewhere=True)
        assert found.elsewhere == (kept,) and not kept.exists() and changed.exists()

    def test_exports_elsewhere_stay_otherwise(self, subject: Subject, tmp_path: Path):
        kept = tmp_path / "out" / "a.png"
        store.write_bytes(kept, MARKER)
        subject.record_deliveries([kept])
        found = erase(subject)
        assert found.unreached == (kept,) and kept.exists() and not found.clean

    def test_links_are_not_followed(self, subject: Subject, tmp_path: Path):
        outside = tmp_path / "outside"
        store.write_bytes(outside / "precious.txt", b"p" * 200)
        (subject.path / "exports" / "link").symlink_to(outside)
        erase(subject)
        assert (outside / "precious.txt").exists()

    def test_the_command_tells_it_as_json(self, subject: Subject, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["delete", str(subject.path), "--yes", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["files"] == 6 and found["copies"] == [] and found["complete"] is True  # its lock, too


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses that cost nothing: the real ones take seconds, and are in the last test."""
    monkeypatch.setattr(vault, "sealed", lambda secret, passphrase: f"{passphrase}|{secret}".encode())

    def opened(content: bytes, passphrase: str) -> str:
        known, _, secret = content.decode().partition("|")
        if known != passphrase:
            raise pyrage.DecryptError("wrong passphrase")
        return secret

    monkeypatch.setattr(vault, "opened", opened)


@pytest.mark.usefixtures("quick")
class TestVault:
    def test_what_was_locked_comes_back_to_the_last_byte(self, subject: Subject):
        before = {name: one for name, one in bytes_below(subject.path).items() if ".draft" not in name}
        lock(subject, WORDS)
        assert is_locked(subject) and not any(MARKER in one for one in bytes_below(subject.path / VAULT).values())
        with pytest.raises(InputError, match="is locked"):
            subject.require()
        unlock(subject, WORDS)
        assert {name: one for name, one in bytes_below(subject.path).items() if ".draft" not in name} == before

    def test_nothing_plain_is_left(self, subject: Subject):
        lock(subject, WORDS)
        everything = bytes_below(subject.path)
        assert {Path(name).name for name in everything} >= {VAULT, KEY}
        plain = [name for name, content in everything.items() if MARKER in content and ".draft" not in name]
        assert plain == []

    def test_drafts_of_killed_runs_are_not_left_in_the_clear(self, subject: Subject):
        lock(subject, WORDS)
        assert not any(MARKER in content for content in bytes_below(subject.path).values())

    def test_any_age_program_opens_it(self, subject: Subject):
        lock(subject, WORDS)
        identity = pyrage.x25519.Identity.from_str((subject.path / KEY).read_text().partition("|")[2])
        assert MARKER in pyrage.decrypt((subject.path / VAULT).read_bytes(), [identity])

    def test_a_wrong_passphrase_opens_nothing(self, subject: Subject):
        lock(subject, WORDS)
        with pytest.raises(InputError, match="does not open"):
            unlock(subject, "incorrect horse")
        assert is_locked(subject)

    @pytest.mark.parametrize("place", [0.3, 0.9])
    def test_a_damaged_file_is_refused_and_kept(self, subject: Subject, place: float):
        path = lock(subject, WORDS)
        data = bytearray(path.read_bytes())
        data[int(place * len(data))] ^= 1
        path.write_bytes(data)
        with pytest.raises(CorruptPart, match="damaged"):
            unlock(subject, WORDS)
        assert is_locked(subject) and not (subject.path / "photos").exists()

    def test_a_cut_file_is_refused(self, subject: Subject):
        path = lock(subject, WORDS)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(CorruptPart):
            unlock(subject, WORDS)

    def test_a_locked_subject_can_be_erased(self, subject: Subject, home: Path):
        lock(subject, WORDS)
        assert erase(subject).clean and not subject.path.exists()

    def test_short_passphrases_and_two_locks_are_refused(self, subject: Subject):
        with pytest.raises(ConfigError, match="too short"):
            lock(subject, "short")
        lock(subject, WORDS)
        with pytest.raises(InputError, match="already"):
            lock(subject, WORDS)


def test_the_commands_with_a_real_passphrase(subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "words"
    file.write_text(WORDS + "\n")
    assert cli.main(["lock", str(subject.path), "--passphrase-file", str(file)]) == 0
    assert cli.main(["status", str(subject.path)]) == 3
    assert re.search("hint: head3d unlock", capsys.readouterr().err)
    secret = pyrage.passphrase.decrypt((subject.path / KEY).read_bytes(), WORDS)
    assert secret.startswith(b"AGE-SECRET-KEY-")
    assert cli.main(["unlock", str(subject.path), "--passphrase-file", str(file)]) == 0
    assert (subject.path / "photos/000.png").read_bytes().startswith(MARKER)
