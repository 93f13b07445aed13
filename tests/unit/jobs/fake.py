"""A worker with no head3d in it, for tests of those who watch workers: it does what the subject's name says.

``python fake.py JOB.json PARENT``: ``ok``, ``slow`` (half a second), ``segfault``, ``hang``, ``hog``, ``refuse``
(photos that cannot be used), ``flaky`` (crashes until it ran three times), ``chatty``, ``children``.
"""

import ctypes
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[2]):
    os._exit(1)


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say(event: str, **fields: object) -> None:
    write(json.dumps({"event": event, "time": 0.0, **fields}))


job = json.loads(Path(sys.argv[1]).read_text())["job"]
subject = Path(job["subject"])
kind = subject.name.split("-")[0]
if kind == "subject":  # the server chooses the folder; the test says it in the consent
    kind = (job["consent"] or {}).get("scope", "ok")
subject.mkdir(parents=True, exist_ok=True)
tries = subject / "tries"
count = int(tries.read_text()) + 1 if tries.exists() else 1
tries.write_text(str(count))
say("StageStart", stage="fit", steps=2)
match kind:
    case "slow":
        time.sleep(0.5)
    case "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    case "hang":
        time.sleep(600)
    case "hog":
        held = bytearray(300 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(600)
    case "refuse":
        say("Failure", kind="NoFaceFound", message="a.jpg: no face found.", hint="Use another photo.")
        sys.exit(3)
    case "busy" if count < 3:
        say("Failure", kind="SubjectBusy", message="Another head3d is working on it.", hint="Wait.")
        sys.exit(6)
    case "flaky" if count < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    case "chatty":
        write("not json")
        write('{"event": "TrainStep", "step": "what"')
        say("Notice", text="half a head", level="warning", new_field=1)
    case "children":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (subject / "child").write_text(str(child.pid))
        os.kill(os.getpid(), signal.SIGSEGV)
content = f"a head of {subject.name}".encode()
(subject / "head.bin").write_bytes(content)
files = {"head.bin": {"sha256": hashlib.sha256(content).hexdigest()}}
if job["photos"] and subject.name == "subject":
    (subject / "headshots").mkdir(exist_ok=True)
    (subject / "headshots" / "front.png").write_bytes(Path(job["photos"][0]).read_bytes())
    files["headshots/front.png"] = {"pixels_sha256": ""}
say("StageDone", stage="fit", seconds=0.1)
say("Result", files=files, pictures=[])
