"""Who sees what, and how much each may have."""

import asyncio
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from head3d.serve.middleware import TokenFirst
from head3d.serve.settings import Quota
from tests.unit.serve.service import Client, photo, service

JPEG = photo()


class TestTenants:
    def test_without_a_good_token_there_is_nothing(self, ada: Client):
        for token in ("h3d_wrong", "x" * 5000, "Bearer"):
            answer = ada.http.get("/v1/subjects", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert ada.http.get("/v1/jobs").status_code == 401

    @pytest.mark.parametrize("length", ["Content-Length: 500000000", "Transfer-Encoding: chunked"])
    @pytest.mark.parametrize("token", ["", "Authorization: Bearer h3d_wrong\r\n", "Authorization: Basic h3d_wrong\r\n"])
    def test_an_upload_without_a_good_token_is_refused_before_it_comes(self, ada: Client, token: str, length: str):
        kind = "Content-Type: multipart/form-data; boundary=x"
        head = f"POST /v1/subjects/{ada.subject()}/photos HTTP/1.1\r\nHost: here\r\n{token}{length}\r\n{kind}\r\n\r\n"
        url = ada.http.base_url
        with socket.create_connection((url.host, url.port), timeout=20.0) as connection:
            connection.sendall(head.encode())  # and nothing of what was announced
            answer = b"".join(iter(lambda: connection.recv(4096), b""))  # the server ends it
        assert answer.startswith(b"HTTP/1.1 401") and b"www-authenticate: bearer" in answer.lower()
        assert b'"code":"unauthorized"' in answer

    def test_nothing_of_a_body_is_asked_for_without_a_good_token(self):
        said: list[Any] = []

        async def never(*_: Any) -> NoReturn:
            raise AssertionError("it was passed on, or read")

        async def send(message: Any) -> None:
            said.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/subjects/x/photos", "headers": []}
        asyncio.run(TokenFirst(never, tenant_of=lambda token: None)(scope, never, send))
        assert said[0]["status"] == 401

    def test_health_and_the_description_need_no_token(self, ada: Client):
        for path in ("/healthz", "/metrics", "/v1/openapi.json"):
            assert ada.http.get(path).status_code == 200
        paths = ada.http.get("/v1/openapi.json").json()["paths"]
        assert paths["/v1/subjects/{subject_id}/photos"]["post"]["security"] == [{"HTTPBearer": []}]

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
        with service(tmp_path / "data", most_waiting=2, quota=Quota(waiting=100), timeout_s=300.0) as (ada, _):
            refusals, accepted = [], 0
            for _ in range(8):  # two workers take a job at some time of their own, which frees its place
                subject = ada.subject("hang")
                ada.add(subject, JPEG)
                answer = ada.run(subject)
                accepted += answer.status_code == 202
                if answer.status_code != 202:
                    refusals.append(answer)
            assert 2 <= accepted <= 4, "two wait, and two more once both workers have taken one"
            assert {refusal.status_code for refusal in refusals} == {429}
            assert all(5 <= int(refusal.headers["retry-after"]) <= 3600 for refusal in refusals)

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

    def test_who_stores_all_they_may_starts_nothing_more(self, tmp_path: Path):
        with service(tmp_path / "data", quota=Quota(storage_mb=1)) as (ada, bob):
            subject, _ = ada.made()
            headers = {"Idempotency-Key": "before"}
            first = ada.ask("POST", f"/subjects/{subject}/runs", json={}, headers=headers)
            ada.ended(first.json()["id"])
            (ada.server.settings.home("ada", subject) / "subject" / "result.bin").write_bytes(bytes(1_000_001))
            for what in ("runs", "renders"):
                refused = ada.ask("POST", f"/subjects/{subject}/{what}", json={})
                assert refused.status_code == 403 and "1 MB" in refused.json()["message"]
            assert ada.add(subject, photo((1, 2, 3))).status_code == 403
            again = ada.ask("POST", f"/subjects/{subject}/runs", json={}, headers=headers)
            assert again.json()["id"] == first.json()["id"], "what was accepted is answered again"
            assert bob.made()[1]["state"] == "done"
            ada.ask("DELETE", f"/subjects/{subject}")
            assert ada.made()[1]["state"] == "done"

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
