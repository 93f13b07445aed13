"""The CUDA kernels of signed distance and taps, emulated (tests/kernels/emulator), against the CPU kernels."""

import pytest
import torch

from head3d.errors import Head3DError
from head3d.kernels import library as library_module
from head3d.kernels import sdf_taps as module
from head3d.kernels.encoding import HashGridConfig, level_layout
from head3d.kernels.mlp import flat_parameters, network_shape
from tests.kernels.test_emulated import agree
from tests.kernels.test_sdf_taps import SHAPES, Case, network, shell


@pytest.mark.parametrize("taps", SHAPES)
@pytest.mark.parametrize("bounded", [False, True])
def test_values_and_gradients(emulated, dtype, tolerance, taps, bounded):
    case = Case(101, dtype=dtype, taps=taps, shell=shell(dtype) if bounded else None)
    # float32: distances that are 1e-6 uncertain, over a step of 0.01; 5e-4 of the largest gradient measured
    loose = {"rtol": 1e-3, "atol": 2e-1} if dtype == torch.float32 else tolerance
    agree(emulated(case.both_ways), **loose)


@pytest.mark.parametrize("features", [1, 2, 4, 8])
def test_features_and_wide_outputs(emulated, features):
    config = HashGridConfig(4, features, 9, 4, 1.7)
    agree(emulated(Case(33, outputs=19, config=config, shell=shell()).both_ways))


@pytest.mark.parametrize("count", [0, 1, 4, 5, 300])
def test_any_number_of_points(emulated, count):
    """A block of 32 rows takes 4 points and their 6 taps."""
    agree(emulated(Case(count, shell=shell()).both_ways))


def test_networks_too_wide_for_a_block_take_the_plain_path(emulated):
    """256 float64 numbers a row leave room for 8 rows, 400 do not; the kernel refuses them, too."""
    for width in (256, 400):
        case = Case(9)
        case.layers = network(case.config.width, width, 1)
        agree(emulated(case.both_ways))
    with pytest.raises(Head3DError, match="sdf_taps_fwd"):
        emulated(lambda: _direct(case))


def _direct(case: Case) -> None:
    lib = library_module.library("cpu")
    if lib is None or lib.device == "cpu":
        return  # the CPU takes any width
    flat = flat_parameters(case.layers, torch.float64).detach()
    grid = *level_layout(case.config), False, network_shape(case.layers, case.config.width, "relu")
    arguments = module._described(None, case.table)
    module._sdf_taps(case.points, case.table, flat, *grid, *arguments[:3], [*arguments[3], 0.01, 1.0], 6, False)
