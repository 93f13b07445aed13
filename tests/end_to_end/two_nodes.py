"""A cluster of two nodes on this machine, and a batch on it while its parts are killed. Run in a network of its own:

unshare -n sh -c 'ip link set lo up && python -m tests.end_to_end.two_nodes IN OUT --kill worker raylet driver'
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ray  # pyright: ignore[reportMissingImports]
from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

from head3d.jobs.process import worker_environment

DRIVER = """
import os, sys
from pathlib import Path
from head3d.batch.drive import Policy
from head3d.batch.on_ray import own_worker, ray_driver
from head3d.batch.run import run_batch
from head3d.jobs.process import Limits
from tests.unit.jobs.workers import FAKE

def fake(spec, parent):
    return [sys.executable, str(FAKE), str(spec), str(parent)]

address, source, out, real = sys.argv[1:]
limits, policy = Limits(seconds=120.0 if real == "real" else 3.0, memory_mb=4000.0), Policy(retries=2)
driver = ray_driver(address, limits=limits, policy=policy, threads=1, worker=own_worker if real == "real" else fake)
consent = {"by": "Ada", "scope": "self"}
preset = "test" if real == "real" else ""
overrides = {"consent": consent, "preset": preset}
summary = run_batch(Path(source), Path(out), overrides=overrides, driver=driver, mode="plain")
sys.exit(summary.exit_code)
"""


def done(out: Path) -> int:
    """Subjects that are finished."""
    return sum('"done"' in one.read_text() for one in out.glob("ledger/*.json"))


def wait_for(out: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    """Until so many subjects are finished, or the driver has ended."""
    while done(out) < count and driver.poll() is None:
        time.sleep(0.05)


def ray_workers() -> list[int]:
    """Ray's processes that run a task of ours now."""
    found = subprocess.run(["pgrep", "-f", "ray::do_one"], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def main() -> int:
    """Start the cluster, run the batch, kill what is named; print how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kill", nargs="*", default=[])
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    second = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()

    def start() -> subprocess.Popen[bytes]:
        words = [cluster.address, str(options.source), str(options.out), "real" if options.real else "fake"]
        return subprocess.Popen([sys.executable, "-c", DRIVER, *words], env=worker_environment({}))

    started = time.monotonic()
    driver = start()
    if "worker" in options.kill:
        wait_for(options.out, 2, driver)
        os.kill(ray_workers()[0], signal.SIGKILL)
    if "raylet" in options.kill:
        wait_for(options.out, 4, driver)
        cluster.remove_node(second, allow_graceful=False)
    if "driver" in options.kill:
        wait_for(options.out, 6, driver)
        driver.kill()
        driver.wait()
        driver = start()
    code = driver.wait()
    sys.stdout.write(json.dumps({"code": code, "seconds": round(time.monotonic() - started, 2)}) + "\n")
    cluster.shutdown()
    ray.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
