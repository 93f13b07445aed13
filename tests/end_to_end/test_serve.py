"""The server as it is started by hand: killed, ended, started again; no job is lost, and nothing deleted stays."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.end_to_end.conftest import environment, head3d
from tests.unit.serve.service import photo, service

MARK = "MARK-e4c1-planted"


@contextmanager
def server(
    folder: Path, port: int, token: str, *, nice: int = 0
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """``head3d serve`` until it answers; ended, if the test did not, the hard way."""
    words = ["serve", "--folder", str(folder), "--port", str(port), "--workers", "1", "--threads", "1"]
    words += ["--nice", str(nice)]
    with subprocess.Popen([sys.executable, "-m", "head3d.cli", *words], env=environment()) as process:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30.0) as client:
            try:
                wait(lambda: answers(client), "the server does not answer")
                yield process, client
            finally:
                process.kill()


def free_port() -> int:
    """A port of this machine nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def wait(done: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def follow(client: httpx.Client, job: str, until: str) -> None:
    """Read the job's events until one of a kind comes."""
    with client.stream("GET", f"/v1/jobs/{job}/events", timeout=120.0) as answer:
        for line in answer.iter_lines():
            if line == f"event: {until}":
                return
    raise AssertionError(f"no {until}")


def places(folder: Path, needle: str) -> list[Path]:
    """Files in whose content or name something stands."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return [one for one in files if needle in one.name or needle.encode() in one.read_bytes()]


@pytest.mark.weights
def test_kill_and_restart_lose_no_job_and_a_deletion_leaves_nothing(people: Path, tmp_path: Path):
    folder = tmp_path / "server"
    token = head3d("serve", "--folder", folder, "--new-token", "ada").stdout.strip()
    assert (folder / "tokens.json").stat().st_mode & 0o077 == 0 and token not in (folder / "tokens.json").read_text()
    port = free_port()
    marked = tmp_path / "marked.jpg"
    with Image.open(people / "P001" / "studio_portrait.jpg") as image:
        image.save(marked, comment=MARK.encode())

    with server(folder, port, token) as (process, client):
        subject = client.post("/v1/subjects", json={"consent": {"by": MARK, "scope": "self"}}).json()["id"]
        with marked.open("rb") as handle:
            assert client.post(f"/v1/subjects/{subject}/photos", files={"photos": handle}).status_code == 201
        body = {"preset": "test", "views": ["front"], "size": 96, "steps": 60}
        job = client.post(f"/v1/subjects/{subject}/runs", json=body).json()["id"]
        waiting = [client.post(f"/v1/subjects/{subject}/renders", json={"size": 64}).json()["id"]]
        follow(client, job, "Progress")
        process.send_signal(signal.SIGKILL)
        process.wait()

    with server(folder, port, token) as (process, client):  # goes on by itself
        follow(client, job, "Checkpoint")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)

    with server(folder, port, token) as (process, client):
        for one in [job, *waiting]:
            wait(lambda one=one: client.get(f"/v1/jobs/{one}").json()["ended"] is not None, "no end", seconds=400.0)
            found = client.get(f"/v1/jobs/{one}").json()
            assert found["state"] == "done" and found["failures"] == 0, found
        files = client.get(f"/v1/subjects/{subject}/files").json()
        paths = [one["path"] for one in files]
        assert "headshots/soft-front/front.png" in paths and any(path.startswith("exports/renders/") for path in paths)
        assert client.get(f"/v1/subjects/{subject}/files/{paths[0]}").status_code == 200
        assert places(folder, MARK) and places(folder, subject)
        erased = client.delete(f"/v1/subjects/{subject}").json()
        assert erased["verified"] is True
        assert places(folder, MARK) == [] and places(folder, subject) == [] and places(folder, job) == []


@pytest.mark.slow  # and on a quiet machine: whatever else runs is measured with it
@pytest.mark.weights
def test_200_clients_hear_within_50_ms_how_a_job_stands_while_it_trains(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, port = tmp_path / "server", free_port()
    token = head3d("serve", "--folder", folder, "--new-token", "ada").stdout.strip()
    with server(folder, port, token, nice=5) as (_, client):  # nice as a user has it
        subject = client.post("/v1/subjects", json={"consent": {"by": "Ada", "scope": "self"}}).json()["id"]
        with (people / "P001" / "studio_portrait.jpg").open("rb") as handle:
            assert client.post(f"/v1/subjects/{subject}/photos", files={"photos": handle}).status_code == 201
        body = {"preset": "test", "views": ["front"], "size": 96, "steps": 5000}
        job = client.post(f"/v1/subjects/{subject}/runs", json=body).json()["id"]
        follow(client, job, "TrainStep")
        words = ["tests.end_to_end.status_load", f"http://127.0.0.1:{port}", token, job]
        words += ["--clients", "200", "--seconds", "20"]
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120, check=True)
        assert client.get(f"/v1/jobs/{job}").json()["state"] == "running", "it trained all the while"
    told = json.loads(done.stdout) | {"load_of_15_min": round(os.getloadavg()[2], 1)}
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(told)}\n")
    if keep := os.environ.get("HEAD3D_NUMBERS"):  # a folder for what was measured
        Path(keep, "serve_status_load.json").write_text(json.dumps(told, indent=1) + "\n")
    assert told["requests"] > 0.9 * 200 * 20 and told["p99_ms"] < 50.0, told


@pytest.mark.skipif(shutil.which("schemathesis", path=Path(sys.executable).parent) is None, reason="no schemathesis")
def test_no_request_that_fits_the_schema_or_does_not_breaks_the_server(tmp_path: Path):
    with service(tmp_path / "data", most_waiting=1000) as (ada, _):
        subject, job = ada.made()
        ada.add(subject, photo((4, 5, 6)))
        # a subject of its own for what deletes: the other requests are to find theirs
        gone = ada.subject()
        photo_id = ada.add(gone, photo((7, 8, 9))).json()[0]["id"]
        config = tmp_path / "schemathesis.toml"
        lines = [f'"path.subject_id" = "{subject}"', f'"path.job_id" = "{job["id"]}"', '"query.follow" = false']
        delete = [f'"path.subject_id" = "{gone}"', f'"path.photo_id" = "{photo_id}"']
        operation = ["[[operations]]", 'include-method = "DELETE"', "[operations.parameters]"]
        config.write_text("\n".join(["[parameters]", *lines, *operation, *delete]))
        checks = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={config}",
            "run",
            f"{ada.http.base_url}/v1/openapi.json",
            f"--header=Authorization: {ada.headers['Authorization']}",
            f"--checks={checks}",
            f"--max-examples={os.environ.get('HEAD3D_EXAMPLES', '12')}",
            "--phases=coverage,fuzzing",
            "--suppress-health-check=filter_too_much",  # patterns of names: slow to draw, not wrong
            "--no-color",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        assert ada.ask("GET", f"/subjects/{subject}").status_code == 200
        assert ada.ask("GET", f"/subjects/{gone}").status_code == 404, "the requests that delete reached it"
        counts = ada.ask("GET", "/jobs", params={"limit": 200}).json()["jobs"]
        assert len(counts) > 3, "the requests reached the queue"
        assert json.loads(ada.http.get("/v1/openapi.json").text)["info"]["title"] == "head3d"
