"""Grids and networks in tiny-cuda-nn's order: by the layout written down here, and by itself where there is a GPU."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.field.config import GridConfig
from head3d.field.decoder import Decoder
from head3d.field.encodings import HashEncoding, decoded
from head3d.field.tcnn import (
    TcnnDecoded,
    decoder_from_parameters,
    grid_options,
    grid_parameters,
    network_options,
    network_parameters,
    table_from_parameters,
    tiny_cuda_nn,
)
from tests.reference.hash_grid import encode

GRID = GridConfig(levels=4, finest_cells=60, coarsest_cells=8, table_log2=10)


def made() -> tuple[HashEncoding, Decoder]:
    """A grid and a decoder with biases and numbers that differ everywhere."""
    generator = torch.Generator().manual_seed(3)
    encoding = HashEncoding(GRID, generator=generator)
    decoder = Decoder(encoding.width, 4, hidden=32, generator=generator)
    with torch.no_grad():
        encoding.table.normal_(generator=generator)
        decoder.bias_in.normal_(generator=generator)
    return encoding, decoder


def points(count: int = 40) -> torch.Tensor:
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(5)) - 0.5) * 0.6


def by_hand(features: np.ndarray, parameters: np.ndarray, *, hidden: int, outputs: int) -> np.ndarray:
    """A network as tiny-cuda-nn documents it: rows of 16 k inputs filled with zeros, no biases, ReLU between."""
    wide = -(-features.shape[1] // 16) * 16
    filled = np.zeros((len(features), wide))
    filled[:, : features.shape[1]] = features
    first = parameters[: hidden * wide].reshape(hidden, wide)
    last = parameters[hidden * wide :].reshape(-1, hidden)
    assert len(last) % 16 == 0
    return (np.maximum(filled @ first.T, 0) @ last.T)[:, :outputs]


def test_its_options_and_its_vector_give_our_features():
    encoding, _ = made()
    options = grid_options(encoding.grid)
    vector = grid_parameters(encoding.table).double().numpy()
    told = encode(
        (points().double().numpy() / 0.64 + 0.5),
        vector.reshape(-1, options["n_features_per_level"]),
        levels=options["n_levels"],
        base=options["base_resolution"],
        growth=options["per_level_scale"],
        log2_size=options["log2_hashmap_size"],
    )
    np.testing.assert_allclose(encoding(points()).detach().numpy(), told, atol=2e-4)
    assert torch.equal(table_from_parameters(torch.from_numpy(vector), encoding.grid), encoding.table)


def test_its_network_with_a_one_beside_the_features_is_our_decoder():
    encoding, decoder = made()
    features = encoding(points()).detach()
    beside = np.concatenate([features.numpy(), np.ones((len(features), 1))], axis=1)
    told = by_hand(beside, network_parameters(decoder).double().numpy(), hidden=32, outputs=4)
    np.testing.assert_allclose(decoder(features).detach().numpy(), told, atol=1e-4)
    assert network_options(decoder)["otype"] == "FullyFusedMLP" and network_options(decoder)["n_hidden_layers"] == 1


def test_there_and_back():
    _, decoder = made()
    back = decoder_from_parameters(network_parameters(decoder), inputs=8, outputs=4, hidden=32)
    assert all(torch.equal(a, b) for a, b in zip(back.parameters(), decoder.parameters(), strict=True))


def test_other_sizes_are_told():
    encoding, decoder = made()
    with pytest.raises(ConfigError, match="parameters is not"):
        table_from_parameters(torch.zeros(7), encoding.grid)
    with pytest.raises(ConfigError, match="parameters is not"):
        decoder_from_parameters(network_parameters(decoder), inputs=16, outputs=4, hidden=32)


def test_without_a_gpu_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tinycudann.py").write_text("raise EnvironmentError('Unknown compute capability')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tinycudann", raising=False)
    with pytest.raises(ConfigError, match="Unknown compute capability"):
        tiny_cuda_nn()
    monkeypatch.setitem(sys.modules, "tinycudann", None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is not here"):
        tiny_cuda_nn()


def test_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Module(torch.nn.Module):
        def __init__(self, *_: object) -> None:
            super().__init__()
            self.params = torch.nn.Parameter(torch.zeros(5))

    package = types.ModuleType("tinycudann")
    package.Encoding = package.Network = Module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tinycudann", package)
    with pytest.raises(ConfigError, match="5 parameters"):
        TcnnDecoded(*made())


@pytest.mark.gpu
def test_tiny_cuda_nn_itself_says_what_ours_says():
    pytest.importorskip("tinycudann", reason="tiny-cuda-nn is not installed")
    encoding, decoder = made()
    encoding.cuda()
    decoder.cuda()
    theirs = TcnnDecoded(encoding, decoder)
    where = points(4096).cuda()
    ours = decoded(encoding, decoder, where)
    torch.testing.assert_close(theirs(where), ours, atol=2e-2, rtol=2e-2)  # half precision
    theirs.give_back(encoding, decoder)
    torch.testing.assert_close(decoded(encoding, decoder, where), ours, atol=1e-5, rtol=1e-5)
