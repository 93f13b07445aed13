"""A whole batch, from its yaml to its manifest: what ``head3d batch`` does."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from head3d.batch.drive import Policy, Summary, Tell, drive, event_log, own_worker
from head3d.batch.ledger import Ledger
from head3d.batch.plan import Item, read_plan, shard_of
from head3d.batch.show import show
from head3d.console import Mode
from head3d.events import Event
from head3d.jobs.pool import Command
from head3d.jobs.process import Limits
from head3d.jobs.slots import Slot, local_slots

Drive = Callable[[Sequence[Item], Ledger, Tell, Callable[[], bool]], Summary]
"""Does the subjects of a batch: on this machine, or on a cluster."""


def run_batch(
    source: Path,
    out: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    slots: Sequence[Slot] = (),
    limits: Limits = Limits(),
    policy: Policy = Policy(),
    shard: str = "",
    command: Command = own_worker,
    driver: Drive | None = None,
    mode: Mode = "auto",
) -> Summary:
    """Do a batch, or go on with one that was interrupted.

    Args:
        source: See :func:`head3d.batch.plan.read_plan`.
        out: Folder of the batch (see :mod:`head3d.batch.ledger`).
        overrides: Options for all subjects.
        slots: Where subjects run side by side; those of this machine if empty.
        limits: For each subject.
        policy: Tries.
        shard: ``i/n``: only every n-th subject, for arrays of jobs that share ``out``.
        command: From a job's file to the program that does it.
        driver: Does the subjects somewhere else.
        mode: What is shown.

    Returns:
        How the subjects of the shard ended. SIGTERM and Ctrl-C stop the workers and leave the others waiting.
    """
    everything = read_plan(source, overrides=overrides)
    items = shard_of(everything, shard)
    ledger = Ledger(out)
    with ExitStack() as stack:
        stack.enter_context(ledger.locked(shard))
        shown = stack.enter_context(show(mode, len(items)))
        written = stack.enter_context(event_log(out / "events" / f"{shard.replace('/', '-of-') or 'all'}.jsonl"))
        goes_on = stack.enter_context(until_terminated())

        def tell(name: str, event: Event) -> None:
            written(name, event)
            shown(name, event)

        try:
            if driver is not None:
                return driver(items, ledger, tell, goes_on)
            return drive(
                items,
                ledger,
                slots=slots or local_slots(),
                limits=limits,
                policy=policy,
                command=command,
                tell=tell,
                goes_on=goes_on,
            )
        finally:
            ledger.write_manifest(everything)


@contextmanager
def until_terminated() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM (a cluster takes the machine back) into KeyboardInterrupt, which stops workers in an orderly way."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield lambda: True
        return

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield lambda: True
    finally:
        signal.signal(signal.SIGTERM, before)
