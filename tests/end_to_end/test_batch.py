"""A batch as it is started by hand: real heads, kills of driver and workers, and the manifest of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from head3d import store
from head3d.jobs.spec import JobSpec, Picture
from head3d.jobs.worker import work
from head3d.looks import Look, write_looks
from head3d.subject import Subject
from tests.end_to_end.conftest import environment, head3d

JOBS = """
preset: test
consent: {by: Tester, scope: synthetic people}
views: [front]
subjects:
  - {name: Ada, photos: [P001/studio_portrait.jpg]}
  - {name: nobody, photos: [black.png]}
"""


def start(words: list[str | Path]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "head3d.cli", *map(str, words)], env=environment())


def worker_of(driver: subprocess.Popen[bytes]) -> int | None:
    """A process that trains for a driver."""
    found = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    return int(found[0]) if found else None


def wait_for(events: Path, kind: str, driver: subprocess.Popen[bytes]) -> None:
    """Until the batch has told an event of a kind."""
    while not (events.exists() and f'"event": "{kind}"' in events.read_text()):
        assert driver.poll() is None, "it ended before"
        time.sleep(0.05)


@pytest.mark.slow  # kills with stand-ins for the stages: tests/unit/batch/test_drive.py
@pytest.mark.weights
def test_killed_and_run_again_it_ends_with_the_manifest_of_an_undisturbed_run(people: Path, tmp_path: Path):
    import cv2
    import numpy as np

    (people / "jobs.yaml").write_text(JOBS)
    cv2.imwrite(str(people / "black.png"), np.zeros((300, 300, 3), np.uint8))
    words: list[str | Path] = ["batch", people / "jobs.yaml", "--threads", "1", "--workers", "2", "--quiet", "--out"]
    calm = head3d(*words, tmp_path / "calm", seconds=500)
    assert calm.returncode == 3, calm.stderr
    assert "nobody: " in calm.stderr and "black" in calm.stderr

    out = tmp_path / "out"
    with start([*words, out]) as driver:
        wait_for(out / "events" / "all.jsonl", "Checkpoint", driver)
        driver.kill()
    with start([*words, out]) as driver:
        while (worker := worker_of(driver)) is None:
            time.sleep(0.02)
        os.kill(worker, signal.SIGKILL)
        assert driver.wait(timeout=500) == 3
    assert (out / "manifest.json").read_bytes() == (tmp_path / "calm" / "manifest.json").read_bytes()
    told = json.loads((out / "manifest.json").read_text())
    assert told["counts"] == {"done": 1, "dead": 1, "waiting": 0}
    assert told["subjects"]["nobody"]["kind"] == "PhotoUnusable"
    files = told["subjects"]["Ada"]["files"]
    assert "pixels_sha256" in files["headshots/soft-front/front.png"] and "sha256" in files["fit/head.ply"]
    assert Subject(out / "subjects" / "Ada").ledger().consent.by == "Tester"

    again = head3d(*words, out)
    assert (
        again.returncode == 3
        and (out / "manifest.json").read_bytes() == (tmp_path / "calm" / "manifest.json").read_bytes()
    )


@pytest.mark.weights
def test_a_worker_makes_a_file_of_looks_and_the_subjects_picks(subject: Path, tmp_path: Path):
    write_looks(tmp_path / "looks.json", [Look(name="turned", yaw_deg=15.0)])
    store.make_folder(subject / "views")
    write_looks(subject / "views" / "mine.json", [Look(name="kept", light="rembrandt")])
    picture = Picture(views=(str(tmp_path / "looks.json"), "picks"), size=64, folder="00")
    told = work(JobSpec(str(subject), stages=None, pictures=(picture,)), emit=lambda event: None)
    assert told["pictures"] == [f"exports/renders/00/{name}_64.png" for name in ("turned", "kept")]
    assert all("pixels_sha256" in told["files"][name] for name in told["pictures"])
