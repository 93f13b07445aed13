"""A batch through the driver for Ray, with a stand-in for Ray and fake workers: events, and all that Ray may raise."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from head3d.batch import on_ray
from head3d.batch.drive import Policy, Summary
from head3d.batch.on_ray import ray_driver
from head3d.batch.run import run_batch
from head3d.jobs.process import Limits
from head3d.jobs.ray_cluster import ClusterSilent
from tests.unit.batch.test_drive import CONSENT, batch, photos, tries
from tests.unit.jobs.stand_in_ray import RayError, StandInRay, exceptions
from tests.unit.jobs.workers import fake_worker

LIMITS = Limits(seconds=20.0, memory_mb=500.0)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandInRay:
    stand_in = StandInRay()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    for name in ("head3d.batch.drive.PAUSE_S", "head3d.batch.on_ray.PAUSE_S", "head3d.batch.on_ray.LOOK_S"):
        monkeypatch.setattr(name, 0.05)
    return stand_in


def on_cluster(source: Path, out: Path, *, retries: int = 1) -> Summary:
    policy = Policy(retries=retries)
    driver = ray_driver("auto", limits=LIMITS, policy=policy, threads=1, worker=fake_worker)
    return run_batch(source, out, overrides={"consent": CONSENT}, policy=policy, driver=driver, mode="quiet")


def events(out: Path, name: str) -> list[str]:
    lines = [json.loads(line) for line in (out / "events" / "all.jsonl").read_text().splitlines()]
    return [line["event"] for line in lines if line["job"] == name]


def test_stages_are_heard_of_as_on_one_machine(ray: StandInRay, tmp_path: Path):
    source = photos(tmp_path / "in", ["slow-1", "chatty-1", "flaky-1", "refuse-1"])
    summary = on_cluster(source, tmp_path / "out", retries=2)
    assert set(summary.done) == {"slow-1", "chatty-1", "flaky-1"} and summary.dead == ("refuse-1",)
    calm = batch(source, tmp_path / "calm", policy=Policy(retries=2))
    assert calm.done == summary.done
    for name in ("slow-1", "chatty-1", "flaky-1", "refuse-1"):
        assert events(tmp_path / "out", name) == events(tmp_path / "calm", name)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == (tmp_path / "calm" / "manifest.json").read_bytes()
    assert list((tmp_path / "out").rglob("*.events")) == [], "what was heard is not kept"
    assert ray.options[-1]["memory"] == 500 * 2**20


@pytest.mark.parametrize("name", ["OutOfMemoryError", "LocalRayletDiedError", "OutOfDiskError", "RaySystemError"])
def test_a_subject_is_tried_again_whatever_ray_raised(ray: StandInRay, tmp_path: Path, name: str):
    ray.troubles.append(getattr(exceptions, name)("so it is"))
    source = photos(tmp_path / "in", ["ok-1", "ok-2"])
    assert on_cluster(source, tmp_path / "out").exit_code == 0
    told = [json.loads(one.read_text())["entry"] for one in (tmp_path / "out" / "ledger").glob("*.json")]
    failures = [failure for entry in told for failure in entry["failures"]]
    assert [failure["kind"] for failure in failures] == [name]


def test_what_always_fails_is_given_up_and_the_others_are_done(ray: StandInRay, tmp_path: Path):
    ray.troubles.extend([RayError("odd"), RayError("odd")])
    source = photos(tmp_path / "in", ["ok-1"])
    summary = on_cluster(source, tmp_path / "out")
    assert summary.dead == ("ok-1",) and tries(tmp_path / "out", "ok-1") == 2, "one retry"
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())["subjects"]["ok-1"]
    assert told["kind"] == "RayError" and told["message"] == "Ray could not do it: odd"


@pytest.mark.parametrize("error", [exceptions.RaySystemError("no GCS"), ConnectionError("reset")])
def test_a_cluster_that_is_silent_for_a_while_costs_no_try(ray: StandInRay, tmp_path: Path, error: Exception):
    ray.silences.extend([None, None, error, None, error, error, None, None, error])  # in every call of a turn
    source = photos(tmp_path / "in", ["ok-1", "slow-1", "ok-2"])
    assert on_cluster(source, tmp_path / "out").exit_code == 0 and not ray.silences
    told: Sequence[str] = events(tmp_path / "out", "slow-1")
    assert told == ["JobStart", "StageStart", "StageDone", "JobEnd"]
    assert all(tries(tmp_path / "out", name) == 1 for name in ("ok-1", "slow-1", "ok-2"))


def test_a_cluster_that_is_gone_ends_the_batch_which_goes_on_later(
    ray: StandInRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(on_ray, "SILENCE_S", 0.2)
    ray.silences.extend([None, None, None, *[RayError("gone")] * 100])
    source = photos(tmp_path / "in", ["slow-1", "ok-1"])
    with pytest.raises(ClusterSilent):
        on_cluster(source, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]["waiting"] == 2
    ray.silences.clear()
    assert on_cluster(source, tmp_path / "out").exit_code == 0
