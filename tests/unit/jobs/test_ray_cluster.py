"""How tasks on a cluster end, and how its nodes are shared; a stand-in for Ray, and its own names where it is there."""

import json
import time
from pathlib import Path

import pytest

from head3d.errors import ConfigError
from head3d.events import Notice, StageStart
from head3d.jobs import ray_nodes
from head3d.jobs.process import Limits, Outcome
from head3d.jobs.ray_cluster import ClusterSilent, asking, job_task, outcome_of
from head3d.jobs.ray_nodes import Part, part_of_node, places
from head3d.jobs.slots import Gpu
from head3d.jobs.tail import Tail
from tests.unit.jobs.stand_in_ray import NAMES, RayError, StandInRay, Task, exceptions, node
from tests.unit.jobs.workers import fake_worker

GB = 2**30


class TestOutcome:
    def test_of_a_task_that_ends_is_what_it_gave(self):
        task = Task(lambda: Outcome("done"))
        task.ended.wait()
        assert outcome_of(StandInRay(), task) == Outcome("done")

    @pytest.mark.parametrize(
        ("name", "ending"),
        [
            ("TaskCancelledError", "stopped"),
            ("RayTaskError", "crashed"),
            ("WorkerCrashedError", "lost"),
            ("NodeDiedError", "lost"),
            ("LocalRayletDiedError", "lost"),
            ("ObjectLostError", "lost"),
            ("OutOfMemoryError", "memory"),
            ("OutOfDiskError", "crashed"),
            ("RaySystemError", "crashed"),
            ("RayError", "crashed"),
        ],
    )
    def test_whatever_ray_raises_is_a_try_that_ended(self, name: str, ending: str):
        ray = StandInRay()
        ray.troubles.append(getattr(exceptions, name)("first line.\nand a traceback"))
        outcome = outcome_of(ray, Task(lambda: None))
        assert outcome.ending == ending and outcome.message and "\n" not in outcome.message

    def test_a_broken_line_to_the_cluster_is_a_lost_machine(self):
        ray = StandInRay()
        ray.troubles.append(ConnectionResetError("gone"))
        assert outcome_of(ray, Task(lambda: None)).ending == "lost"

    def test_names_are_rays_own(self):
        ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
        for name in NAMES.split():
            assert issubclass(getattr(ray.exceptions, name), ray.exceptions.RayError)
        told = [getattr(ray.exceptions, name) for name in NAMES.split() if name != "RayTaskError"]
        assert not any(issubclass(a, b) for a in told for b in told if a is not b), "in whichever order they are asked"

    @pytest.mark.parametrize("error", [RayError(""), exceptions.RaySystemError("no GCS\nat"), ConnectionError("x")])
    def test_a_cluster_that_cannot_be_asked_is_an_error_with_a_hint(self, error: Exception):
        with pytest.raises(ClusterSilent, match="does not answer") as caught, asking(StandInRay()):
            raise error
        assert "ray status" in caught.value.hint and "\n" not in caught.value.message


class TestPart:
    def test_a_job_without_limits_takes_cores_only(self):
        ray = StandInRay(node("a", cpu=8), node("b", cpu=6))
        part = part_of_node(ray, threads=4)
        assert part == Part(4) and places(ray, part) == 3
        job_task(ray, part)
        assert ray.options[-1] == {"max_retries": 0, "num_cpus": 4, "num_gpus": 0.0}

    def test_a_memory_limit_is_declared_and_packed(self):
        ray = StandInRay(node("a", cpu=8, memory=5 * GB), node("b", cpu=8, memory=3 * GB))
        part = part_of_node(ray, threads=1, memory_mb=2048)
        assert part.memory == 2 * GB and places(ray, part) == 3
        job_task(ray, part)
        assert ray.options[-1]["memory"] == 2 * GB

    def test_no_job_asks_for_more_memory_than_a_node_that_can_do_it_has(self):
        ray = StandInRay(node("head", cpu=0, memory=9 * GB), node("a", cpu=4, memory=3 * GB))
        assert part_of_node(ray, threads=4, memory_mb=10_000).memory == 3 * GB
        still_to_come = StandInRay(node("head", cpu=0, memory=9 * GB))
        part = part_of_node(still_to_come, threads=4, memory_mb=10_240)
        assert part.memory == 10 * GB and places(still_to_come, part) == 1

    def test_jobs_share_a_gpu_by_the_memory_of_the_smallest(self):
        ray = StandInRay(node("a", cpu=40, gpu=2), node("b", cpu=40, gpu=1), node("c", cpu=40))
        ray.answers = {"a": [Gpu("0", 80.0), Gpu("1", 80.0)], "b": [Gpu("0", 48.0)]}
        part = part_of_node(ray, threads=4, gpu_memory_gb=8.0)
        assert part.gpus == 0.1666, "six, and Ray's rounding leaves the sixth its place"
        assert places(ray, part) == 10 + 6, "cores are the limit of the first, memory of the second"
        assert part_of_node(ray, threads=4).gpus == 1.0
        with pytest.raises(ConfigError, match="has 48 GB, not 60"):
            part_of_node(ray, threads=4, gpu_memory_gb=60.0)

    def test_asking_takes_nothing_of_the_node_and_waits_for_no_job(self):
        ray = StandInRay(node("a", gpu=1))
        ray.answers = {"a": [Gpu("0", 80.0)]}
        part_of_node(ray, threads=1, gpu_memory_gb=8.0)
        assert ray.options[-1]["num_cpus"] == 0 and not ray.options[-1].get("num_gpus")

    def test_a_node_that_does_not_answer_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(ray_nodes, "PROBE_S", 0.2)
        ray = StandInRay(node("hangs", gpu=1), node("a", gpu=1), node("dies", gpu=1))
        ray.answers = {"a": [Gpu("0", 24.0)], "dies": []}
        ray.troubles.extend([None, exceptions.NodeDiedError("dies")])
        started = time.monotonic()
        assert part_of_node(ray, threads=1, gpu_memory_gb=12.0).gpus == 0.5
        ray.answers = {}
        with pytest.raises(ConfigError, match="No node said"):
            part_of_node(ray, threads=1, gpu_memory_gb=12.0)
        assert time.monotonic() - started < 30.0, "ten minutes is what the stand-in hangs"


class TestTail:
    def test_events_come_once_and_whole_and_what_was_before_does_not(self, tmp_path: Path):
        path, heard = tmp_path / "job.events", []
        path.write_text('{"event": "Notice", "text": "of an earlier try"}\n')
        tail = Tail(path, heard.append)
        tail.read()
        assert heard == [] and not path.exists()
        with path.open("a") as handle:
            handle.write('{"event": "StageStart", "stage": "fit"}\nnot json\n{"event": "Notice", ')
            handle.flush()
            tail.read()
            assert heard == [StageStart("fit")]
            handle.write('"text": "half"}\n')
        tail.read()
        tail.read()
        assert heard == [StageStart("fit"), Notice("half")]
        tail.remove()
        tail.remove()
        assert not path.exists()


def test_limits_of_a_job_reach_its_task(tmp_path: Path):
    """The stand-in runs what Ray would: the process of a worker that hangs is ended by its limit on the node."""
    spec = tmp_path / "job.json"
    spec.write_text(json.dumps({"job": {"subject": str(tmp_path / "hang-1"), "photos": [], "consent": None}}))
    ray = StandInRay()
    words = (str(spec), str(tmp_path / "log"), Limits(1.0), 1, fake_worker, str(tmp_path / "job.events"))
    task = job_task(ray, Part(1)).remote(*words)
    assert task.ended.wait(30.0) and outcome_of(ray, task).ending == "timeout"
    assert '"StageStart"' in (tmp_path / "job.events").read_text()
