"""The server before a cluster of two nodes, while a raylet and the server itself are killed. In a network of its own:

unshare -n sh -c 'ip link set lo up && python -m tests.end_to_end.ray_serve FOLDER'
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from head3d.jobs.process import Limits, worker_environment
from head3d.jobs.ray_cluster import connect
from head3d.serve.auth import new_token
from head3d.serve.run import Listen, serve
from head3d.serve.settings import Settings
from head3d.serve.workers import RayWorkers
from tests.end_to_end.batch_driver import PATIENT
from tests.unit.jobs.workers import fake_worker

PORT = 8771
SLOW = 8


def wait(done: Callable[[], Any], *, seconds: float = 300.0) -> Any:
    """What it gives, once that is true."""
    until = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.1)
    return found


def answers(client: httpx.Client) -> bool:
    """The server is there."""
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


class User:
    """One tenant of a server on this machine."""

    def __init__(self, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=30.0)

    def job(self, scope: str) -> tuple[str, str]:
        """A subject with a photo in which nobody is, and the job of its run."""
        subject = self.http.post("/v1/subjects", json={"consent": {"by": "Ada", "scope": scope}}).json()["id"]
        out = io.BytesIO()
        Image.new("RGB", (200, 160), (90, 80, 70)).save(out, "JPEG")
        self.http.post(f"/v1/subjects/{subject}/photos", files={"photos": ("x.jpg", out.getvalue())})
        return subject, self.http.post(f"/v1/subjects/{subject}/runs", json={"preset": "test"}).json()["id"]

    def state(self, job: str) -> str:
        """Of a job."""
        return self.http.get(f"/v1/jobs/{job}").json()["state"]


def start(words: list[str]) -> subprocess.Popen[bytes]:
    """A server, once it answers."""
    return subprocess.Popen([sys.executable, "-m", *words], env=worker_environment(PATIENT), stdout=sys.stderr)


def own_words(folder: Path, address: str) -> list[str]:
    """``head3d serve`` as it is."""
    return ["head3d.cli", "serve", "--folder", str(folder), "--port", str(PORT), "--ray", address, "--threads", "1"]


def real_worker(folder: Path, address: str) -> dict[str, Any]:
    """The program as a user starts it: a node does the work, and says what is wrong with the photo."""
    user = User(new_token(folder / "tokens.json", "ada"))
    server = start(own_words(folder, address))
    try:
        wait(lambda: answers(user.http))
        _, job = user.job("self")
        wait(lambda: user.state(job) == "dead")
        told = user.http.get(f"/v1/jobs/{job}").json()
        events = user.http.get(f"/v1/jobs/{job}/events").text
        server.send_signal(signal.SIGTERM)
        return {
            "kind": told["error"]["kind"],
            "events": [line[7:] for line in events.splitlines() if line.startswith("event: ")],
            "code": server.wait(timeout=60),
        }
    finally:
        server.kill()


def killed(folder: Path, address: str, raylet: int, remove: Callable[[], None]) -> dict[str, Any]:
    """Fake workers on the nodes; a raylet dies, then the server."""
    user = User(new_token(folder / "tokens.json", "ada"))
    words = ["tests.end_to_end.ray_serve", str(folder), "--serve", address]
    server = start(words)
    try:
        wait(lambda: answers(user.http))
        jobs = {f"slow-{number}": user.job("slow") for number in range(SLOW)}
        jobs |= {"segfault": user.job("segfault"), "hang": user.job("hang"), "hang-too": user.job("hang")}
        wait(lambda: sum(user.state(job) == "done" for _, job in jobs.values()) >= 2)
        os.kill(raylet, signal.SIGKILL)
        remove()
        wait(lambda: user.state(jobs["hang"][1]) == "running")
        server.kill()
        server.wait()
        server = start(words)
        wait(lambda: answers(user.http))
        wait(lambda: user.state(jobs["hang"][1]) == "running")
        user.http.post(f"/v1/jobs/{jobs['hang'][1]}/cancel")
        wait(lambda: user.state(jobs["hang"][1]) == "cancelled")
        wait(lambda: user.state(jobs["hang-too"][1]) == "running")
        erased = user.http.delete(f"/v1/subjects/{jobs['hang-too'][0]}", timeout=60.0).json()
        ended = {name: one for name, one in jobs.items() if name != "hang-too"}
        wait(lambda: all(user.state(job) in ("done", "dead", "cancelled") for _, job in ended.values()))
        told = {name: user.http.get(f"/v1/jobs/{job}").json() for name, (_, job) in ended.items()}
        events = user.http.get(f"/v1/jobs/{jobs['slow-0'][1]}/events").text
        return {
            "states": {name: one["state"] for name, one in told.items()},
            "failures": {name: one["failures"] for name, one in told.items()},
            "erased": erased["verified"],
            "left": [str(one) for one in folder.rglob("*") if jobs["hang-too"][0] in one.name],
            "events": [line[7:] for line in events.splitlines() if line.startswith("event: ")],
        }
    finally:
        server.kill()


def main() -> int:
    """Start the cluster, do both; print what was seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--serve", default="")
    options = parser.parse_args()
    if options.serve:
        settings = Settings(options.folder, free_mb=0.0)
        workers = RayWorkers(connect(options.serve), limits=Limits(400.0), threads=1, worker=fake_worker)
        serve(settings, Listen(port=PORT), workers=workers)
        return 0
    from tests.end_to_end.two_nodes import raylets, start_cluster

    cluster, second = start_cluster()
    told = {"real": real_worker(options.folder / "real", cluster.address)}
    told["killed"] = killed(
        options.folder / "killed",
        cluster.address,
        raylets(cluster)[1],
        lambda: cluster.remove_node(second, allow_graceful=False),
    )
    sys.stdout.write(json.dumps(told) + "\n")
    cluster.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
