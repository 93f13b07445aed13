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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray  # pyright: ignore[reportMissingImports]
from ray._private import services  # pyright: ignore[reportMissingImports]
from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

from head3d.jobs.process import worker_environment
from tests.end_to_end.batch_driver import words

CORES = 2
"""Of each node, whatever the machine has."""


def start_cluster() -> tuple[Any, Any]:
    """A cluster of two nodes, and the second of them."""
    ask, until = services.get_node, time.monotonic() + 400

    def get_node(*words: Any, **more: Any) -> Any:
        """Ray gives a new raylet half a minute: too little on a machine that does other things."""
        while True:
            try:
                return ask(*words, **more)
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)

    services.get_node = get_node
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": CORES, "include_dashboard": False})
    second = cluster.add_node(num_cpus=CORES)
    cluster.wait_for_nodes()
    return cluster, second


def done(out: Path) -> int:
    """Subjects that are finished."""
    return sum('"done"' in one.read_text() for one in out.glob("ledger/*.json"))


def wait_for(out: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    """Until so many subjects are finished, or the driver has ended."""
    while done(out) < count and driver.poll() is None:
        time.sleep(0.05)


def raylets(cluster: Any) -> list[int]:
    """Process ids of the cluster's raylets, the head's first."""
    return [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]


def tasks(raylet: int) -> Iterator[int]:
    """Ray's processes that run a task of ours now, on one node."""
    for thread in Path(f"/proc/{raylet}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if b"ray::do_one" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield int(child)


def main() -> int:
    """Start the cluster, run the batch, kill what is named; print how long it took, and how often it was killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kill", nargs="*", default=[])
    parser.add_argument("--after", nargs=3, type=int, default=(2, 4, 6), help="subjects done before each of the kills")
    parser.add_argument("--worker", default="fake")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    cluster, second = start_cluster()
    command = words(
        options.source, options.out, worker=options.worker, on=cluster.address, seconds=options.seconds, workers=CORES
    )

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=worker_environment({}), stdout=sys.stderr)

    started = time.monotonic()
    kills = []
    driver = start()
    if "worker" in options.kill:
        wait_for(options.out, options.after[0], driver)
        os.kill(next(one for raylet in raylets(cluster) for one in tasks(raylet)), signal.SIGKILL)
        kills.append("worker")
    if "raylet" in options.kill:
        wait_for(options.out, options.after[1], driver)
        os.kill(raylets(cluster)[1], signal.SIGKILL)
        cluster.remove_node(second, allow_graceful=False)
        kills.append("raylet")
    if "driver" in options.kill:
        wait_for(options.out, options.after[2], driver)
        if driver.poll() is None:
            kills.append("driver")
        driver.kill()
        driver.wait()
        driver = start()
    code = driver.wait()
    told = {"code": code, "seconds": round(time.monotonic() - started, 2), "killed": kills}
    sys.stdout.write(json.dumps(told) + "\n")
    cluster.shutdown()
    ray.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
