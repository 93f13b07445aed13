"""24 subjects with real photos, two of them poison: a calm batch, one on a pool and one on Ray while parts are killed.

python -m tests.end_to_end.many_subjects PLACE --json OUT.json [--only calm pool ray] [--stages capture perception fit]

All photos are of the package openpeople. What was finished in PLACE stays, so an interrupted measurement goes on.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from head3d import store, weights
from head3d.jobs.process import worker_environment
from head3d.samples import PEOPLE, SHEET_BOXES, write_sample_photos
from tests.end_to_end.batch_driver import PATIENT, words
from tests.end_to_end.poisoned import CLOCK_PLACE

ROOT = Path(__file__).parents[2]
POISON = {"segfault-P002": "P002", "hang-P009": "P009"}
SMALL = {"train": {"steps": 10, "polish_steps": 10, "imagine_steps": 10}, "views": {"names": ["front"]}}
"""Less of everything than the preset ``test`` has; every stage still does its work."""
STAGES = ("capture", "perception", "fit", "field", "views", "headshots")
"""All but the report, whose times no manifest holds."""
DONE, DEAD = 22, len(POISON)


def write_jobs(place: Path, stages: Sequence[str]) -> Path:
    """Photos and yaml of 24 subjects: portrait, selfie and a view of the sheet of seven people each, and both together
    of one; segfault and hang have a portrait."""
    photos = place / "photos"
    subjects = []
    for person in PEOPLE:
        write_sample_photos(photos / person, person=person)
        with Image.open(weights.get("openpeople") / person / "assets" / "character_sheet.jpg") as sheet:
            sheet.crop(SHEET_BOXES["front"]).save(photos / person / "sheet_front.png")
        for name in ("studio_portrait.jpg", "amateur_selfie.jpg", "sheet_front.png"):
            subjects.append({"name": f"{person}-{name.split('.')[0]}", "photos": [f"photos/{person}/{name}"]})
    both = [f"photos/P001/{name}" for name in ("studio_portrait.jpg", "sheet_left.png")]
    subjects.append({"name": "P001-two", "photos": both})
    for at, (name, person) in enumerate(POISON.items()):  # early, while there is most to disturb
        subjects.insert(3 + 3 * at, {"name": name, "photos": [f"photos/{person}/studio_portrait.jpg"]})
    assert len(subjects) == DONE + DEAD
    jobs = place / "jobs.yaml"
    jobs.write_text(json.dumps({"preset": "test", "options": SMALL, "stages": list(stages), "subjects": subjects}))
    return jobs


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def finished(out: Path) -> int:
    """Subjects that are done."""
    return sum('"done"' in one.read_text() for one in out.glob("ledger/*.json"))


def on_pool(jobs: Path, out: Path, *, seconds: float, kill: bool) -> dict[str, Any]:
    """Three subjects side by side; with ``kill`` a worker dies once 4 are done, and the driver twice, at 8 and 14."""
    command = words(jobs, out, worker="poisoned", on="pool", seconds=seconds, workers=3)
    started, killed = time.monotonic(), []

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=ROOT, env=worker_environment({}), stdout=subprocess.PIPE)

    driver = start()
    for what, count in (("worker", 4), ("driver", 8), ("driver", 14)) if kill else ():
        while driver.poll() is None and (finished(out) < count or not children(driver.pid)):
            time.sleep(0.5)
        if driver.poll() is not None:
            break
        if what == "worker":
            os.kill(children(driver.pid)[-1], signal.SIGKILL)
        else:
            driver.kill()
            driver.communicate()
            driver = start()
        killed.append(what)
    said, _ = driver.communicate()
    told = json.loads(said.splitlines()[-1])
    return {**told, "seconds": round(time.monotonic() - started, 1), "killed": killed}


def on_ray(jobs: Path, out: Path, *, seconds: float) -> dict[str, Any]:
    """Two nodes of two cores each; a worker, a raylet and the driver die once 4, 8 and 14 subjects are done."""
    program = f"{sys.executable} -m tests.end_to_end.two_nodes {jobs} {out} --worker poisoned --seconds {seconds:g}"
    script = f"ip link set lo up && {program} --kill worker raylet driver --after 4 8 14"
    command = ["unshare", "-n", "sh", "-c", script]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=worker_environment(PATIENT), check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def overhead(out: Path, cpu_s: float) -> dict[str, float]:
    """CPU seconds of a batch's processes, all told, against those within the stages."""
    clocks = [json.loads(one.read_text()) for one in (out / CLOCK_PLACE).glob("*.json")]
    stages, imports = (sum(one[name] for one in clocks) for name in ("stages", "before"))
    return {
        "stages_cpu_s": round(stages, 1),
        "imports_cpu_s": round(imports, 1),
        "all_cpu_s": cpu_s,
        "a_try_cpu_s": round((cpu_s - stages) / len(clocks), 2),
        "overhead_without_imports": round((cpu_s - stages - imports) / stages, 4),
        "overhead": round((cpu_s - stages) / stages, 4),
    }


def main() -> int:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=["calm", "pool", "ray"])
    parser.add_argument("--seconds", type=float, default=480.0, help="a subject may take: hang takes it twice")
    parser.add_argument("--stages", nargs="*", default=STAGES)
    options = parser.parse_args()
    place: Path = options.place
    jobs = write_jobs(store.make_folder(place), options.stages)
    told = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    told |= {"subjects": DONE + DEAD, "poison": list(POISON), "stages": list(options.stages)}
    for name in options.only:
        shutil.rmtree(place / name, ignore_errors=True)
        if name == "ray":
            told[name] = on_ray(jobs, place / name, seconds=options.seconds)
        else:
            told[name] = on_pool(jobs, place / name, seconds=options.seconds, kill=name == "pool")
            if name == "calm":
                told["overhead"] = overhead(place / name, told[name]["cpu_s"])
        manifest = (place / name / "manifest.json").read_bytes()
        told[name]["counts"] = json.loads(manifest)["counts"]
        if (place / "calm" / "manifest.json").is_file():
            told[name]["manifest_as_calm"] = manifest == (place / "calm" / "manifest.json").read_bytes()
        if options.json:
            options.json.write_text(json.dumps(told, indent=1) + "\n")
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
