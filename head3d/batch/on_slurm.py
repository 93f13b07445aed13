"""A batch as an array of Slurm tasks, through submitit: each task is ``head3d batch ... --shard i/n``."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from head3d.errors import ConfigError, optional_package
from head3d.jobs.process import worker_environment


class Shard:
    """One task of the array. Slurm may take its machine back: submitit then queues it again, and it goes on."""

    def __init__(self, words: Sequence[str], shard: str) -> None:
        self._words = (*words, "--shard", shard)

    def __call__(self) -> int:
        """Run the shard; 0 if all its subjects are done, 3 if some are not. Anything else fails the task."""
        command = [sys.executable, "-P", "-m", "head3d.cli", "batch", *self._words]
        code = subprocess.run(command, env=worker_environment({}), check=False).returncode
        if code not in (0, 3):
            raise RuntimeError(f"head3d batch ended with exit code {code}; its error is in the log of this task")
        return code

    def checkpoint(self) -> Any:
        """What submitit queues when the task is taken off its machine."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def submit(
    words: Sequence[str], *, tasks: int, out: Path, parameters: Mapping[str, str], cluster: str = "slurm"
) -> list[Any]:
    """Submit a batch.

    Args:
        words: Of the command line after ``head3d batch``; --slurm and --slurm-set are left out of what the tasks run.
        tasks: How many, one shard each.
        out: Folder of the batch, on a disk that all machines share. The logs of the tasks go to ``out/slurm``.
        parameters: Of submitit: ``slurm_partition``, ``gpus_per_node``, ``timeout_min``, ...
        cluster: ``slurm``, or ``local`` for processes on this machine.

    Returns:
        submitit's jobs; whoever starts processes of this machine must hold on to them until they have ended.
    """
    executor = _executor(out / "slurm", cluster)
    try:
        executor.update_parameters(name="head3d", **{key: _number(value) for key, value in parameters.items()})
    except (NameError, ValueError, TypeError) as error:
        raise ConfigError(f"submitit: {error}.", hint="--slurm-set slurm_partition=gpu timeout_min=600") from error
    kept = without_options(words, {"--slurm": 1, "--slurm-set": -1, "--shard": 1})
    with executor.batch():
        return [executor.submit(Shard(kept, f"{index}/{tasks}")) for index in range(tasks)]


def without_options(words: Sequence[str], options: Mapping[str, int]) -> list[str]:
    """Words without some options and their values: so many each, -1 for all up to the next option."""
    kept: list[str] = []
    skip = 0
    for word in words:
        if word.startswith("--"):
            name, sign, _ = word.partition("=")
            skip = 0
            if name in options:
                skip = 0 if sign else options[name]
                continue
        elif skip:
            skip -= 1
            continue
        kept.append(word)
    return kept


def _executor(folder: Path, cluster: str) -> Any:
    submitit = optional_package("submitit", "--slurm needs one more package.", hint="pip install submitit")
    try:
        return submitit.AutoExecutor(folder=folder, cluster=cluster)
    except RuntimeError as error:  # no srun on this machine
        raise ConfigError(f"submitit: {error}.", hint="Submit from a machine of the cluster.") from error


def _number(value: str) -> Any:
    return int(value) if value.lstrip("-").isdigit() else value
