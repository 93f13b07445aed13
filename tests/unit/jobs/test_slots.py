"""Who runs where: cores, and shares of GPUs."""

import pytest

from head3d.errors import ConfigError
from head3d.jobs.slots import Gpu, local_slots, pack, parse_gpus

TABLE = "0, GPU-aa, 81559\n1, GPU-bb, 24576\n"


def test_a_gpu_each_unless_their_memory_holds_more():
    gpus = parse_gpus(TABLE, allowed=None)
    assert pack(gpus, 0.0) == ["0", "1"]
    assert pack(gpus, 20.0) == ["0", "1", "0", "0"]
    assert pack([Gpu("0", 10.0), Gpu("1", 24.0)], 20.0) == ["1"]


def test_only_the_gpus_this_process_may_use():
    assert [one.name for one in parse_gpus(TABLE, allowed="1")] == ["1"]
    assert [one.name for one in parse_gpus(TABLE, allowed="GPU-aa")] == ["GPU-aa"]
    assert parse_gpus(TABLE, allowed="") == []
    assert parse_gpus("no devices were found\n", allowed=None) == []


def test_a_job_that_fits_nowhere_is_told():
    with pytest.raises(ConfigError, match="the largest has 80"):
        pack([Gpu("0", 80.0)], 100.0)


def test_threads_are_shared_and_set_for_every_library():
    slots = local_slots(workers=2, threads=3)
    assert [slot.index for slot in slots] == [0, 1]
    assert slots[0].environment()["OMP_NUM_THREADS"] == "3"
