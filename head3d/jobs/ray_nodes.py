"""What the nodes of a Ray cluster have, and the part of one that a job takes, so that Ray packs them side by side."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from head3d.errors import ConfigError
from head3d.jobs.slots import installed_gpus

PROBE_S = 60.0
"""A node may take so long to say what its GPUs are: it starts a process for that."""
STEPS = 10_000
"""Ray counts parts of a GPU in ten thousandths."""


@dataclass(frozen=True)
class Part:
    """What one job takes of a node.

    Attributes:
        cores: Of its CPU.
        gpus: Of a GPU: 0.25 lets four share one.
        memory: Bytes; 0: not counted.
    """

    cores: int
    gpus: float = 0.0
    memory: int = 0

    def fits(self, has: Mapping[str, float]) -> int:
        """How many jobs a node with these resources holds side by side."""
        wanted = {"CPU": self.cores, "GPU": self.gpus, "memory": self.memory}
        return min(int(has.get(name, 0.0) / amount) for name, amount in wanted.items() if amount)


def part_of_node(ray: Any, *, threads: int, gpu_memory_gb: float = 0.0, memory_mb: float = 0.0) -> Part:
    """The part one job takes on this cluster.

    Args:
        ray: The module, connected.
        threads: Cores.
        gpu_memory_gb: What it needs of a GPU's memory; 0: a whole GPU, where there are any.
        memory_mb: The limit of its memory; 0: none.

    Raises:
        ConfigError: No GPU has so much memory, or none said how much it has.
    """
    return Part(threads, _gpu_share(ray, gpu_memory_gb), _memory(ray, threads, memory_mb))


def places(ray: Any, part: Part) -> int:
    """Jobs that run side by side on the nodes there are; at least one, for nodes that are still to come."""
    return max(sum(part.fits(node["Resources"]) for node in _nodes(ray)), 1)


def _nodes(ray: Any) -> list[Mapping[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _memory(ray: Any, threads: int, memory_mb: float) -> int:
    """The limit, or all a node has: a task that asks for more than that would wait for ever."""
    wanted = int(memory_mb * 2**20)
    able = [node["Resources"] for node in _nodes(ray) if node["Resources"].get("CPU", 0.0) >= threads]
    return min(wanted, int(max((has.get("memory", 0.0) for has in able), default=wanted)))


def _gpu_share(ray: Any, gpu_memory_gb: float) -> float:
    """The part of a GPU, the same on all nodes; so the smallest GPU tells."""
    with_gpus = [node["NodeID"] for node in _nodes(ray) if node["Resources"].get("GPU")]
    if not with_gpus or not gpu_memory_gb:
        return 1.0 if with_gpus else 0.0
    memory = _gpu_memory_gb(ray, with_gpus)
    if not memory:
        hint = "Look at `ray status`, or say 0: a whole GPU for each."
        raise ConfigError(f"No node said within {PROBE_S:g} s how much memory its GPUs have.", hint=hint)
    fits = int(min(memory) // gpu_memory_gb)
    if fits < 1:
        told = f"A GPU of the cluster has {min(memory):g} GB, not {gpu_memory_gb:g}."
        raise ConfigError(told, hint="Say less, or 0.")
    return math.floor(STEPS / fits) / STEPS  # rounded up, the last one would not fit


def _gpu_memory_gb(ray: Any, nodes: list[str]) -> list[float]:
    """GB of every GPU of some nodes; those that do not answer in time are left out."""
    on = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    # it takes neither a core nor a GPU: it does not wait for jobs of others to end
    ask = ray.remote(max_retries=0, num_cpus=0)(installed_gpus)
    asked = [ask.options(scheduling_strategy=on(node, soft=False)).remote() for node in nodes]
    ready, late = ray.wait(asked, num_returns=len(asked), timeout=PROBE_S)
    for one in late:
        ray.cancel(one, force=True)
    found: list[float] = []
    for one in ready:
        try:
            found += [gpu.memory_gb for gpu in ray.get(one)]
        except ray.exceptions.RayError:  # the node went away
            continue
    return found
