"""The API with fake workers: the whole path, what is refused, who sees what, what a deletion leaves."""

import json
import struct
import time
import zlib
from pathlib import Path
from typing import get_args

import pytest

from head3d.config import Config
from head3d.finish.background import BackdropName
from head3d.render.rigs import LightName
from head3d.render.views import ANGLES
from head3d.serve import models
from head3d.serve.settings import Quota
from tests.unit.serve.service import Client, photo, service

JPEG = photo()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (head, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory):
    with service(tmp_path_factory.mktemp("server") / "data") as both:
        yield both


@pytest.fixture
def ada(tenants: tuple[Client, Client]) -> Client:
    return tenants[0]


@pytest.fixture
def bob(tenants: tuple[Client, Client]) -> Client:
    return tenants[1]


class TestPath:
    def test_from_consent_to_files(self, ada: Client):
        subject, job = ada.made()
        assert job["state"] == "done" and job["files"] == ["headshots/front.png"] and job["error"] is None
        listed = ada.ask("GET", f"/subjects/{subject}/files").json()
        assert [one["path"] for one in listed] == ["headshots/front.png"]
        got = ada.ask("GET", f"/subjects/{subject}/files/headshots/front.png")
        assert got.content == JPEG and got.headers["content-type"] == "image/png"
        assert (
            got.headers["x-content-type-options"] == "nosniff" and "sandbox" in got.headers["content-security-policy"]
        )

    def test_events_come_typed_numbered_and_can_be_taken_up_again(self, ada: Client):
        _, job = ada.made()
        text = ada.ask("GET", f"/jobs/{job['id']}/events").text
        events = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
        assert events == ["JobStart", "StageStart", "StageDone", "JobEnd", "state"]
        again = ada.ask("GET", f"/jobs/{job['id']}/events", headers={"Last-Event-ID": "3"}).text
        assert "JobEnd" in again and "StageDone" not in again and "id: 4" in again
        data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
        assert data[1]["stage"] == "fit" and data[-1]["state"] == "done"

    def test_further_pictures_need_a_head(self, ada: Client):
        subject = ada.subject()
        assert ada.ask("POST", f"/subjects/{subject}/renders", json={}).status_code == 409
        subject, _ = ada.made()
        answer = ada.ask("POST", f"/subjects/{subject}/renders", json={"views": ["30/-10", "back"], "light": "rim"})
        assert answer.status_code == 202 and ada.ended(answer.json()["id"])["state"] == "done"

    def test_why_a_job_was_given_up(self, ada: Client):
        _, job = ada.made("refuse")
        assert job["state"] == "dead" and job["failures"] == 1
        assert job["error"] == {
            "kind": "NoFaceFound",
            "message": "a.jpg: no face found.",
            "hint": "Use another photo.",
        }
        _, job = ada.made("segfault")
        assert job["state"] == "dead" and job["failures"] == 2 and job["error"]["kind"] == "SIGSEGV"

    def test_cancelled_while_it_runs(self, ada: Client):
        subject = ada.subject("hang")
        ada.add(subject, JPEG)
        job = ada.run(subject).json()["id"]
        while ada.ask("GET", f"/jobs/{job}").json()["state"] != "running":
            time.sleep(0.05)
        assert ada.ask("POST", f"/jobs/{job}/cancel").status_code == 200
        assert ada.ended(job)["state"] == "cancelled"

    def test_health_metrics_and_headers(self, ada: Client):
        assert ada.http.get("/healthz").json()["status"] == "ok"
        assert ada.http.get("/readyz").status_code in (200, 503)  # 503 where the model files are missing
        ada.made()
        text = ada.http.get("/metrics").text
        assert 'head3d_jobs_ended_total{kind="run",state="done"}' in text and "sub_" not in text
        assert 'route="/v1/jobs/{job_id}"' in text


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"consent": {}},
            {"consent": {"by": "Ada"}},
            {"consent": {"by": " ", "scope": "self"}},
            {"consent": {"by": "Ada", "scope": "self", "date": "yesterday"}},
            {"consent": {"by": "Ada", "scope": "self"}, "label": "a\x00b"},
            {"consent": {"by": "Ada", "scope": "self"}, "admin": True},
        ],
    )
    def test_no_subject_without_consent(self, ada: Client, body: dict):
        answer = ada.ask("POST", "/subjects", json=body)
        assert answer.status_code == 422 and answer.json()["code"] == "invalid"

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"", 415),
            (b"GIF89a" + bytes(100), 415),
            (b"not a picture", 415),
            (JPEG[:40], 415),
            (photo(size=(40, 400)), 415),
            (png_of(60_000, 60_000), 413),
            (png_of(9_000, 9_000), 413),
            (JPEG + bytes(31_000_000), 413),
        ],
        ids=["empty", "gif", "text", "cut", "small", "bomb", "large", "long"],
    )
    def test_what_is_no_photo(self, ada: Client, content: bytes, status: int):
        subject = ada.subject()
        answer = ada.add(subject, JPEG, content)
        assert answer.status_code == status, answer.text
        assert ada.ask("GET", f"/subjects/{subject}/photos").json() == [], "all or none"

    def test_a_long_body_is_refused_before_it_is_read(self, ada: Client):
        answer = ada.ask("POST", "/subjects", content=b"x" * 70_000)
        assert answer.status_code == 413
        chunks = (b"x" * 10_000 for _ in range(10))  # no length announced
        headers = {"Content-Type": "application/json"}
        assert ada.ask("POST", "/subjects", content=chunks, headers=headers).status_code == 413

    @pytest.mark.parametrize(
        "body",
        [
            {"preset": "/etc/passwd"},
            {"preset": "mine.yaml"},
            {"views": []},
            {"views": ["../front"]},
            {"views": ["--train.steps"]},
            {"light": "/etc/passwd"},
            {"light": "photo:x"},
            {"size": 100_000},
            {"size": "1e3"},
            {"steps": 0},
        ],
    )
    def test_options_that_reach_beyond_the_subject(self, ada: Client, body: dict):
        subject = ada.subject()
        ada.add(subject, JPEG)
        assert ada.run(subject, **body).status_code == 422

    @pytest.mark.parametrize(
        "body",
        [{"backdrop": "/etc/x.png"}, {"expression": "/a.json"}, {"expression": "smile:2"}, {"distance_m": "nan"}],
    )
    def test_renders_that_reach_beyond_the_subject(self, ada: Client, body: dict):
        subject, _ = ada.made()
        assert ada.ask("POST", f"/subjects/{subject}/renders", json=body).status_code == 422

    @pytest.mark.parametrize(
        "path", ["%2e%2e/%2e%2e/serve.sqlite", "%2e%2e/%2e%2e/tokens.json", "/etc/passwd", "subject.json", ""]
    )
    def test_only_listed_files_are_given_out(self, ada: Client, path: str):
        subject, _ = ada.made()
        answer = ada.ask("GET", f"/subjects/{subject}/files/{path}")
        assert answer.status_code == 404

    def test_links_are_not_followed(self, ada: Client, tmp_path: Path):
        subject, _ = ada.made()
        server = ada.server
        place = server.settings.home("ada", subject) / "subject" / "headshots"
        (place / "out.png").symlink_to(server.settings.tokens)
        assert "headshots/out.png" not in ada.ask("GET", f"/subjects/{subject}/files").text
        assert ada.ask("GET", f"/subjects/{subject}/files/headshots/out.png").status_code == 404


class TestTenants:
    def test_without_a_good_token_there_is_nothing(self, ada: Client):
        for token in ("h3d_wrong", "x" * 5000, "Bearer"):
            answer = ada.http.get("/v1/subjects", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert ada.http.get("/v1/jobs").status_code == 401

    def test_another_tenant_sees_nothing(self, ada: Client, bob: Client):
        subject, job = ada.made()
        photo_id = ada.ask("GET", f"/subjects/{subject}/photos").json()[0]["id"]
        asked = [
            ("GET", f"/subjects/{subject}"),
            ("GET", f"/subjects/{subject}/photos"),
            ("GET", f"/subjects/{subject}/files"),
            ("GET", f"/subjects/{subject}/files/headshots/front.png"),
            ("POST", f"/subjects/{subject}/runs"),
            ("POST", f"/subjects/{subject}/renders"),
            ("DELETE", f"/subjects/{subject}/photos/{photo_id}"),
            ("DELETE", f"/subjects/{subject}"),
            ("GET", f"/jobs/{job['id']}"),
            ("GET", f"/jobs/{job['id']}/events"),
            ("POST", f"/jobs/{job['id']}/cancel"),
        ]
        for method, path in asked:
            body = {"json": {}} if path.endswith(("runs", "renders")) else {}
            there, nowhere = (
                bob.ask(method, path, **body),
                bob.ask(method, path.replace(subject, "sub_" + "0" * 20), **body),
            )
            assert there.status_code == 404, path
            if subject in path:
                assert there.json() == nowhere.json(), "its answer does not even tell that it exists"
        assert bob.add(subject, JPEG).status_code == 404
        assert bob.ask("GET", "/jobs", params={"subject": subject}).json()["jobs"] == []
        assert subject not in bob.ask("GET", "/subjects", params={"limit": 200}).text
        assert ada.ask("GET", f"/subjects/{subject}").status_code == 200

    def test_the_same_key_of_two_tenants_is_two_keys(self, ada: Client, bob: Client):
        headers = {"Idempotency-Key": "one"}
        assert ada.subject(headers=headers) == ada.subject(headers=headers) != bob.subject(headers=headers)
        other = ada.ask("POST", "/subjects", json={"consent": {"by": "B", "scope": "s"}}, headers=headers)
        assert other.status_code == 409

    def test_a_run_sent_twice_is_one_run(self, ada: Client):
        subject = ada.subject()
        ada.add(subject, JPEG)
        path, headers = f"/subjects/{subject}/runs", {"Idempotency-Key": "again"}
        jobs = [ada.ask("POST", path, json={}, headers=headers).json()["id"] for _ in range(3)]
        assert len(set(jobs)) == 1
        assert ada.ask("POST", path, json={"size": 128}, headers=headers).status_code == 409


class TestLimits:
    def test_a_full_queue_says_when_to_come_back(self, tmp_path: Path):
        with service(tmp_path / "data", most_waiting=2, quota=Quota(waiting=100)) as (ada, _):
            codes = []
            for _ in range(8):
                subject = ada.subject("hang")
                ada.add(subject, JPEG)
                answer = ada.run(subject)
                codes.append(answer.status_code)
            assert codes[0] == 202 and 429 in codes and answer.status_code == 429
            assert 5 <= int(answer.headers["retry-after"]) <= 3600

    def test_quotas_are_each_tenants_own(self, tmp_path: Path):
        quota = Quota(subjects=2, waiting=1, storage_mb=50)
        with service(tmp_path / "data", quota=quota) as (ada, bob):
            first = ada.subject("hang")
            second = ada.subject()
            refused = ada.ask("POST", "/subjects", json={"consent": {"by": "A", "scope": "s"}})
            assert refused.status_code == 403 and "2 subjects" in refused.json()["message"]
            assert bob.subject()
            ada.add(first, JPEG)
            ada.add(second, JPEG)
            assert ada.run(first).status_code == 202
            assert ada.run(second).status_code == 429

    def test_photos_are_counted_and_the_same_one_only_once(self, tmp_path: Path):
        with service(tmp_path / "data", photos=2) as (ada, _):
            subject = ada.subject()
            assert len(ada.add(subject, JPEG).json()) == 1
            assert len(ada.add(subject, JPEG).json()) == 1
            assert ada.add(subject, photo((1, 2, 3)), photo((3, 2, 1))).status_code == 409
            stored = list((tmp_path / "data").rglob("uploads/*"))
            assert len(stored) == 1 and stored[0].name.startswith("pho_")

    def test_jobs_of_a_subject_run_one_after_the_other(self, tmp_path: Path):
        with service(tmp_path / "data") as (ada, _):
            subject = ada.subject("slow")
            ada.add(subject, JPEG)
            jobs = [ada.ended(ada.run(subject, size=64 + index).json()["id"]) for index in range(1)]
            more = [ada.run(subject, size=100 + index).json()["id"] for index in range(3)]
            jobs += [ada.ended(job) for job in more]
            spans = sorted((job["started"], job["ended"]) for job in jobs)
            assert all(spans[i][1] <= spans[i + 1][0] + 0.05 for i in range(len(spans) - 1))


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


def test_names_of_lights_backdrops_and_angles_are_those_of_the_pipeline():
    assert get_args(models.LightName) == get_args(LightName)
    assert get_args(models.BackdropName) == get_args(BackdropName)
    from pydantic import TypeAdapter

    TypeAdapter(models.Views).validate_python([*list(ANGLES)[:24]])
    assert Config().views.light in get_args(models.LightName)
