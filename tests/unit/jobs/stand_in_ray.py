"""What head3d uses of Ray, as threads of this process: tests say what goes wrong, and need no Ray and no network."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

NAMES = (
    "TaskCancelledError RayTaskError WorkerCrashedError NodeDiedError LocalRayletDiedError ObjectLostError"
    " OutOfMemoryError OutOfDiskError RaySystemError"
)
"""All that are told apart, each a class of its own below RayError, as Ray has it; and one that is not."""


class RayError(Exception):
    """Base of what Ray raises."""


exceptions = SimpleNamespace(
    RayError=RayError, **{name: type(name, (RayError,), {"cause": ValueError("why")}) for name in NAMES.split()}
)


class Task:
    """A task that was given out."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self.ended, self._told, self.cancelled = threading.Event(), (None, None), False
        threading.Thread(target=self._run, args=(do,), daemon=True).start()

    def _run(self, do: Callable[[], Any]) -> None:
        try:
            self._told = (do(), None)
        except Exception as error:
            self._told = (None, error)
        self.ended.set()

    def result(self) -> Any:
        """What it gave, or raised."""
        told, error = self._told
        if error is not None:
            raise error
        return told


def node(name: str, *, cpu: float = 2.0, gpu: float = 0.0, memory: float = 8 * 2.0**30) -> dict[str, Any]:
    """An entry of the list of nodes."""
    has = {"CPU": cpu, "GPU": gpu, "memory": memory}
    return {"NodeID": name, "Alive": True, "Resources": {key: value for key, value in has.items() if value}}


class StandInRay:
    """The module ``ray``, connected.

    Attributes:
        troubles: Raised one after the other instead of the tasks' results; None lets one through.
        silences: Raised one after the other by whatever is asked of the cluster.
        options: What each kind of task declared.
        answers: What a task gives by the node it is bound to, instead of what it would do; without an entry it hangs.
    """

    def __init__(self, *nodes: dict[str, Any]) -> None:
        self.exceptions = exceptions
        near = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda name, soft: name)
        self.util = SimpleNamespace(scheduling_strategies=near)
        self.troubles: deque[Exception | None] = deque()
        self.silences: deque[Exception | None] = deque()
        self.options: list[Mapping[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self._nodes = nodes or (node("head"), node("other"))

    def init(self, **_: Any) -> None:
        """Nothing to connect to."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def nodes(self) -> Sequence[dict[str, Any]]:
        """The nodes."""
        self._speak()
        return self._nodes

    def remote(self, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        """A decorator, as Ray's."""
        self.options.append(options)

        def task(do: Callable[..., Any], place: str | None = None) -> SimpleNamespace:
            def start(*words: Any) -> Task:
                self._speak()
                if place is None:
                    return Task(lambda: do(*words))
                if place in self.answers:
                    answer = self.answers[place]
                    return Task(lambda: answer)
                return Task(lambda: time.sleep(600))

            return SimpleNamespace(remote=start, options=lambda scheduling_strategy: task(do, scheduling_strategy))

        return task

    def wait(self, tasks: Sequence[Task], *, num_returns: int = 1, timeout: float) -> tuple[list[Task], list[Task]]:
        """Those that ended, and those that did not."""
        self._speak()
        until = time.monotonic() + timeout
        while sum(one.ended.is_set() for one in tasks) < num_returns and time.monotonic() < until:
            time.sleep(0.01)
        ready = [one for one in tasks if one.ended.is_set()]
        return ready, [one for one in tasks if one not in ready]

    def get(self, task: Task) -> Any:
        """A task's result, or what goes wrong."""
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is not None:
            raise trouble
        return task.result()

    def cancel(self, task: Task, *, force: bool) -> None:
        """It is only noted: a thread cannot be ended."""
        del force
        task.cancelled = True

    def _speak(self) -> None:
        silence = self.silences.popleft() if self.silences else None
        if silence is not None:
            raise silence
