"""The server before a cluster (a stand-in for Ray): whatever Ray raises, the thread that runs jobs goes on."""

import errno
from pathlib import Path
from typing import Any

import pytest

from head3d.jobs.process import Limits
from head3d.serve.workers import LocalWorkers, RayWorkers, Workers
from tests.unit.jobs.stand_in_ray import RayError, StandInRay, exceptions
from tests.unit.jobs.workers import fake_worker
from tests.unit.serve.service import Client, local, photo, service


def cluster(ray: StandInRay) -> Any:
    """Workers before a stand-in."""

    def make(limits: Limits) -> Workers:
        return RayWorkers(ray, limits=limits, threads=1, worker=fake_worker)

    return make


def kinds(client: Client, job: str) -> list[str]:
    """Events of a job."""
    text = client.ask("GET", f"/jobs/{job}/events").text
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def test_events_of_a_job_on_a_node_come_as_those_of_one_here(tmp_path: Path):
    with service(tmp_path / "data", workers=cluster(StandInRay())) as (ada, _):
        _, job = ada.made()
        assert job["state"] == "done"
        assert kinds(ada, job["id"]) == ["JobStart", "StageStart", "StageDone", "JobEnd", "state"]
        assert list((tmp_path / "data").rglob("*.events")) == []


@pytest.mark.parametrize(
    ("name", "failures"),
    [("OutOfMemoryError", 1), ("LocalRayletDiedError", 0), ("OutOfDiskError", 1), ("RaySystemError", 1)],
)
def test_a_job_is_tried_again_whatever_ray_raised(tmp_path: Path, name: str, failures: int):
    ray = StandInRay()
    ray.troubles.append(getattr(exceptions, name)("so it is"))
    with service(tmp_path / "data", workers=cluster(ray)) as (ada, _):
        _, job = ada.made()
        assert job["state"] == "done" and job["failures"] == failures


def test_a_cluster_that_is_silent_is_asked_again(tmp_path: Path):
    ray = StandInRay()
    with service(tmp_path / "data", workers=cluster(ray)) as (ada, _):
        ray.silences.extend([None, RayError("gone"), ConnectionError("gone"), None, exceptions.RaySystemError("gone")])
        _, job = ada.made("slow")
        assert job["state"] == "done" and job["failures"] == 0 and not ray.silences
        assert ada.server.runner.alive


def test_a_job_that_could_not_be_started_waits_and_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    start, refused = LocalWorkers.start, [0]

    def sometimes(self: LocalWorkers, *words: Any, **more: Any) -> None:
        if refused[0] < 2:
            refused[0] += 1
            raise OSError(errno.ENOSPC, "no space left on device")
        start(self, *words, **more)

    monkeypatch.setattr(LocalWorkers, "start", sometimes)
    with service(tmp_path / "data", workers=local) as (ada, _):
        subject = ada.subject()
        ada.add(subject, photo())
        job = ada.ended(ada.run(subject).json()["id"])
        assert job["state"] == "done" and job["failures"] == 0 and refused == [2]
        assert kinds(ada, job["id"]).count("JobStart") == 1
