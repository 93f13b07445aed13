"""What a deletion leaves: nothing."""

import time
from pathlib import Path

from tests.unit.serve.service import photo, service

JPEG = photo()


class TestErasing:
    MARK = b"MARK-7f3a-planted"

    def test_nothing_of_a_deleted_person_is_left(self, tmp_path: Path):
        folder = tmp_path / "data"
        with service(folder) as (ada, _):
            kept, _ = ada.made(by="Grace")
            subject = ada.subject(by=self.MARK.decode(), headers={"Idempotency-Key": "k"})
            ada.add(subject, photo(comment=self.MARK), photo((9, 9, 9), comment=self.MARK))
            job = ada.ended(ada.run(subject).json()["id"])
            assert self.places(folder, self.MARK) and self.places(folder, job["id"].encode())
            answer = ada.ask("DELETE", f"/subjects/{subject}").json()
            assert answer["verified"] is True and answer["files"] >= 5 and answer["bytes"] > 1000
            for needle in (self.MARK, subject.encode(), job["id"].encode()):
                assert self.places(folder, needle) == []
            assert ada.ask("GET", f"/jobs/{job['id']}").status_code == 404
            assert ada.ask("GET", f"/subjects/{kept}").status_code == 200

    def test_a_running_job_is_stopped_first(self, tmp_path: Path):
        folder = tmp_path / "data"
        with service(folder, timeout_s=60.0) as (ada, _):
            subject = ada.subject("hang")
            ada.add(subject, photo(comment=self.MARK))
            job = ada.run(subject).json()["id"]
            while ada.ask("GET", f"/jobs/{job}").json()["state"] != "running":
                time.sleep(0.05)
            assert ada.ask("DELETE", f"/subjects/{subject}").json()["verified"] is True
            assert self.places(folder, self.MARK) == []

    def test_an_interrupted_deletion_is_finished_after_the_next_start(self, tmp_path: Path):
        folder = tmp_path / "data"
        with service(folder) as (ada, _):
            subject, _ = ada.made(by=self.MARK.decode())
            ada.server.ledger.mark_deleting(subject)
            assert ada.ask("GET", f"/subjects/{subject}").status_code == 404
        with service(folder):
            assert self.places(folder, self.MARK) == [] and self.places(folder, subject.encode()) == []

    def test_old_subjects_go_by_themselves(self, tmp_path: Path):
        from head3d.serve.erase import erase_old

        folder = tmp_path / "data"
        with service(folder, keep_days=1.0) as (ada, _):
            old, _ = ada.made()
            young, _ = ada.made()
            server = ada.server
            server.ledger._db.execute("UPDATE subjects SET touched=touched-90000 WHERE id=?", (old,))
            assert erase_old(server.ledger, server.settings) == 1
            assert ada.ask("GET", f"/subjects/{old}").status_code == 404
            assert ada.ask("GET", f"/subjects/{young}").status_code == 200

    @staticmethod
    def places(folder: Path, needle: bytes) -> list[str]:
        """Files of the server in whose name or content something stands."""
        files = [one for one in folder.rglob("*") if one.is_file()]
        return [str(one) for one in files if needle.decode() in str(one) or needle in one.read_bytes()]
