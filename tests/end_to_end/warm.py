"""A process that has imported what the program imports, and forks for every command.

Imports are most of what a short command takes. A fork has its own memory, files and end, as a program started anew
has; what it cannot show is that the imports work, which the commands that tests start anew do.
"""

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMPORTED = (
    "head3d.cli",
    "head3d.pipeline",
    "head3d.capture.photos",
    "head3d.perception.observe",
    "head3d.morphable.fit",
    "head3d.train.loop",
    "head3d.reporting",
    "head3d.studio",
)


class Warm:
    """The process, from the side of the tests."""

    def __init__(self, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "tests.end_to_end.warm"]
        root = Path(__file__).parents[2]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(env), cwd=root)
        atexit.register(self.close)

    def run(self, words: Sequence[str], env: Mapping[str, str], *, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, or for so long."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            asked = {"words": words, "env": dict(env), "cwd": str(Path.cwd()), "folder": folder, "seconds": seconds}
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            code = int(self.process.stdout.readline())
            out, err = ((Path(folder) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        assert code != -signal.SIGALRM, f"it takes longer than {seconds:g} s: {words}\n{err}"
        return subprocess.CompletedProcess(list(words), code, out, err)

    def close(self) -> None:
        """Let it end."""
        for end in (self.process.stdin, self.process.stdout):
            if end is not None:
                end.close()
        self.process.wait(20)


@functools.cache
def warm() -> Warm:
    """The one that all tests of a session share."""
    return Warm({**os.environ, "OMP_NUM_THREADS": "1"})


def main() -> int:
    """Import; then a line of json in is a command, a line out its exit code."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_program(json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return 0


def _program(asked: Mapping[str, Any]) -> int:
    """What ``python -m head3d.cli`` does, in the fork."""
    from head3d.cli import main as command_line

    signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(asked["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = ["head3d", *asked["words"]]
    try:
        code = command_line(asked["words"])
    except SystemExit as end:  # --help, and what tyro refuses
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # as the interpreter does it
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
