"""Slurm through submitit, as processes of this machine; Ray on two nodes, in a network of its own."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from head3d.batch.on_slurm import Shard, submit, without_options
from head3d.errors import ConfigError
from head3d.jobs.process import worker_environment
from head3d.jobs.ray_cluster import connect
from tests.end_to_end.batch_driver import PATIENT
from tests.unit.batch.test_drive import batch, photos

ROOT = Path(__file__).parents[3]


def test_tasks_are_given_the_command_without_what_submits_them():
    words = ["jobs.yaml", "--out", "o", "--slurm", "4", "--slurm-set", "a=1", "b=2", "--shard=0/1", "--retries", "2"]
    removed = without_options(words, {"--slurm": 1, "--slurm-set": -1, "--shard": 1})
    assert removed == ["jobs.yaml", "--out", "o", "--retries", "2"]
    assert without_options(["--slurm=4", "jobs.yaml"], {"--slurm": 1}) == ["jobs.yaml"]


@pytest.mark.slow
def test_each_task_does_its_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # submitit starts a Python of its own, as on another machine
    source = photos(tmp_path / "in", ["a", "b"])
    for name in ("a", "b"):
        (source / name / "a.jpg").write_bytes(b"no picture")
    words = [str(source), "--out", str(tmp_path / "out"), "--consent-by", "Ada", "--consent-scope", "self"]
    jobs = submit(words, tasks=2, out=tmp_path / "out", parameters={"timeout_min": "5"}, cluster="local")
    assert [job.result() for job in jobs] == [3, 3], "not all subjects are done, and the task says so"
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())["subjects"]
    assert set(told) == {"a", "b"}
    assert {one["kind"] for one in told.values()} == {"PhotoUnusable"}


def test_a_task_that_cannot_run_fails_for_slurm_to_see(tmp_path: Path):
    with pytest.raises(RuntimeError, match="exit code 2"):
        Shard([str(tmp_path / "none.yaml"), "--out", str(tmp_path), "--preset", "x", "--nonsense"], "0/1")()


def test_unknown_parameters_are_told(tmp_path: Path):
    pytest.importorskip("submitit")
    with pytest.raises(ConfigError, match="submitit"):
        submit([], tasks=1, out=tmp_path, parameters={"nonsense": "1"}, cluster="local")


def test_ray_does_not_take_the_signal_that_ends_us(monkeypatch: pytest.MonkeyPatch):
    def init(**options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))  # as Ray does

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    before = signal.getsignal(signal.SIGTERM)
    try:
        connect("auto")
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, before)


def in_own_network(module: str, *words: str | Path, seconds: float) -> dict[str, Any]:
    """Run a program of tests/end_to_end where nothing but itself can be reached; the JSON it prints last."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("no right to make a network namespace (unshare -n)")
    program = " ".join(map(str, (sys.executable, "-m", f"tests.end_to_end.{module}", *words)))
    command = ["unshare", "-n", "sh", "-c", f"ip link set lo up && {program}"]
    environment = worker_environment(PATIENT)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_ray_survives_the_loss_of_worker_node_and_driver(tmp_path: Path):
    source = photos(tmp_path / "in", [*(f"slow-{index:02d}" for index in range(14)), "segfault-1", "hang-1"])
    kills = ("worker", "raylet", "driver")
    told = in_own_network("two_nodes", source, tmp_path / "out", "--kill", *kills, seconds=400)
    assert told["code"] == 3 and told["killed"] == list(kills)
    batch(source, tmp_path / "calm")
    told, calm = (json.loads((tmp_path / one / "manifest.json").read_text()) for one in ("out", "calm"))
    assert told["counts"] == {"done": 14, "dead": 2, "waiting": 0}
    assert {k: v for k, v in told["subjects"].items() if v["state"] == "done"} == {
        k: v for k, v in calm["subjects"].items() if v["state"] == "done"
    }


@pytest.mark.slow
def test_the_server_survives_the_loss_of_a_node_and_of_itself(tmp_path: Path):
    told = in_own_network("ray_serve", tmp_path, seconds=550)
    assert told["real"]["kind"] in ("NoFaceFound", "PhotoUnusable"), "head3d's own worker ran on a node"
    assert {"JobStart", "StageStart", "JobEnd", "state"} <= set(told["real"]["events"])
    assert told["real"]["code"] in (0, -signal.SIGTERM), "ended by a signal, it did not fail"
    states = told["killed"]["states"]
    assert states.pop("segfault") == "dead" and states.pop("hang") == "cancelled"
    assert set(states.values()) == {"done"} and len(states) == 8
    assert all(told["killed"]["failures"][name] == 0 for name in states), "nobody's own fault"
    assert told["killed"]["erased"] is True and told["killed"]["left"] == []
    assert told["killed"]["events"][-1] == "state" and "StageDone" in told["killed"]["events"]
