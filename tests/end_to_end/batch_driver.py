"""A batch in a process that tests can kill: ``python -m tests.end_to_end.batch_driver SOURCE OUT --on pool``.

``--on`` is ``pool`` (this machine) or the address of a Ray cluster. Prints the exit code and CPU seconds as JSON.
"""

import argparse
import json
import os
import resource
import sys
from pathlib import Path

from head3d.batch.drive import Policy
from head3d.batch.on_ray import ray_driver
from head3d.batch.run import run_batch
from head3d.jobs.process import Limits
from head3d.jobs.ray_cluster import WorkerOf, own_worker
from head3d.jobs.slots import Slot
from tests.end_to_end import poisoned
from tests.unit.jobs.workers import fake_worker

WORKERS: dict[str, WorkerOf] = {"real": own_worker, "poisoned": poisoned.command, "fake": fake_worker}
CONSENT = {"by": "Ada", "scope": "self"}
PATIENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "400",
    "RAY_gcs_server_request_timeout_seconds": "200",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_worker_register_timeout_seconds": "300",
    "OMP_NUM_THREADS": "1",
}
"""For Ray on a machine that does other things: what is slow is not dead."""


def words(source: Path, out: Path, *, worker: str, on: str, seconds: float, workers: int) -> list[str]:
    """The command line of this program."""
    module = [sys.executable, "-m", "tests.end_to_end.batch_driver", str(source), str(out)]
    return [*module, "--worker", worker, "--on", on, "--seconds", f"{seconds:g}", "--workers", str(workers)]


def main() -> int:
    """Do the batch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--worker", choices=tuple(WORKERS), default="real")
    parser.add_argument("--on", default="pool")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    limits, policy, worker = Limits(options.seconds, memory_mb=4000.0), Policy(retries=1), WORKERS[options.worker]
    pool = options.on == "pool"
    summary = run_batch(
        options.source,
        options.out,
        overrides={"consent": CONSENT},
        slots=[Slot(index, 1) for index in range(options.workers)],
        limits=limits,
        policy=policy,
        command=lambda spec: worker(spec, os.getpid()),
        driver=None if pool else ray_driver(options.on, limits=limits, policy=policy, threads=1, worker=worker),
        mode="plain",
    )
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    driver_s, workers_s = (round(one.ru_utime + one.ru_stime, 2) for one in used)
    told = {"code": summary.exit_code, "cpu_s": round(driver_s + workers_s, 2), "driver_cpu_s": driver_s}
    sys.stdout.write(json.dumps(told) + "\n")
    return summary.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
