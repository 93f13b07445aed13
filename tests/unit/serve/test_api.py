"""The API with fake workers: the whole path, what is refused, who sees what, what a deletion leaves."""

import json
import struct
import time
import zlib
from pathlib import Path
from typing import get_args

import pytest

from head3d.config import Config
from head3d.finish.config import BackdropName
from head3d.finish.crops import crop_names
from head3d.jobs.spec import spec_from_text
from head3d.looks import EYES_DEG
from head3d.pictures import PictureOptions
from head3d.render.angles import ANGLES
from head3d.render.rigs import LightName
from head3d.serve import models
from tests.unit.serve.service import Client, photo

JPEG = photo()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (head, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


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

    def test_a_picture_is_asked_for_as_on_the_command_line(self, ada: Client):
        subject, _ = ada.made()
        body = {"garment": "suit", "garment_color": "navy,#ffffff", "crop": "linkedin", "light": "photo"}
        body |= {"light_exposure": "-1.5", "backdrop": "charcoal", "expression": "smile:0.5", "format": "webp"}
        job = ada.ask("POST", f"/subjects/{subject}/renders", json=body).json()["id"]
        assert ada.ended(job)["state"] == "done"
        row = ada.server.ledger.job("ada", job)
        assert row is not None
        picture = spec_from_text(row.spec, where="").pictures[0]
        assert {key: getattr(picture, key) for key in body} == body and picture.size is None

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
        [
            {"backdrop": "/etc/x.png"},
            {"expression": "/a.json"},
            {"expression": "photo:/etc/x.png"},
            {"expression": "smile:2"},
            {"distance_m": "nan"},
            {"light": "/etc/sky.hdr"},
            {"match": "/etc/x.png"},
            {"crop": "/etc/x.yaml"},
            {"crop": "linkedin", "focal_mm": 50},
            {"lens_mm": 85, "distance_m": 2},
            {"lens_mm": 20},
            {"garment": "toga"},
            {"garment_color": "navy,white"},
            {"garment": "crew-neck", "garment_color": "navy,white"},
            {"garment": "suit", "garment_color": "mud"},
            {"light_exposure": "bright"},
        ],
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


def test_names_are_those_of_the_command_line():
    assert set(models.RenderIn.model_fields) == {*PictureOptions.__dataclass_fields__, "views"}
    assert set(get_args(models.Crop)) == {"", *crop_names()}
    turn = get_args(models.EyeTurn)[1].metadata
    assert {one.ge for one in turn if hasattr(one, "ge")} == {-EYES_DEG}
    assert {one.le for one in turn if hasattr(one, "le")} == {EYES_DEG}
    assert get_args(models.LightName) == get_args(LightName)
    assert get_args(models.BackdropName) == get_args(BackdropName)
    from pydantic import TypeAdapter

    TypeAdapter(models.Views).validate_python([*list(ANGLES)[:24]])
    assert Config().views.light in get_args(models.LightName)
