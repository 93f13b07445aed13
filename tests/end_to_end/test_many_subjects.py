"""24 subjects with real photos through all stages, two of them poison, while workers, nodes and drivers are killed.

Minutes on a quiet machine: ``pytest -m slow tests/end_to_end/test_many_subjects.py``, not part of the usual run.
What was measured lies in tests/golden/bench/batch_24_subjects.json.
"""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end import many_subjects


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.timeout(7200)
def test_whatever_is_killed_the_manifest_is_that_of_a_calm_run(people: Path, tmp_path: Path):
    jobs = many_subjects.write_jobs(tmp_path, many_subjects.STAGES)
    told = {}
    for name in ("calm", "pool", "ray"):
        if name == "ray":
            if importlib.util.find_spec("ray") is None or shutil.which("unshare") is None:
                continue
            if subprocess.run(["unshare", "-n", "true"], check=False).returncode:
                continue
            told[name] = many_subjects.on_ray(jobs, tmp_path / name, seconds=480.0)
        else:
            told[name] = many_subjects.on_pool(jobs, tmp_path / name, seconds=480.0, kill=name == "pool")
    manifests = {name: (tmp_path / name / "manifest.json").read_bytes() for name in told}
    counts = {"done": many_subjects.DONE, "dead": many_subjects.DEAD, "waiting": 0}
    assert json.loads(manifests["calm"])["counts"] == counts
    assert told["pool"]["killed"] == ["worker", "driver", "driver"]
    assert manifests["pool"] == manifests["calm"]
    if "ray" in told:
        assert told["ray"]["killed"] == ["worker", "raylet", "driver"]
        assert manifests["ray"] == manifests["calm"]
    dead = {name: one for name, one in json.loads(manifests["calm"])["subjects"].items() if one["state"] == "dead"}
    assert {name: one["kind"] for name, one in dead.items()} == {"segfault-P002": "SIGSEGV", "hang-P009": "Timeout"}
    spent = many_subjects.overhead(tmp_path / "calm", told["calm"]["cpu_s"])
    assert spent["overhead_without_imports"] < 0.05
