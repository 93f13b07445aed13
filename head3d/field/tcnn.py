"""Our grids and small networks for tiny-cuda-nn, and back: the same numbers in its order.

Its ``Encoding`` of type ``Grid``/``Hash`` has one flat vector ``params``: level after level, entry after entry, the
features of an entry side by side. That is our table, row by row; scales, resolutions, hash and rounding of sizes are
the same (see ``head3d.kernels.encoding``).

Its ``Network`` has no biases. Its ``params`` are the weight matrices from the first layer to the last, each row by row,
(outputs, inputs); the inputs of the first and the outputs of the last are filled up to a multiple of 16. Our decoder
has a bias in its first layer: it becomes the weight of one more input that is always 1.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.errors import ConfigError, optional_package
from head3d.field.decoder import Decoder
from head3d.field.encodings import HashEncoding, unit_box
from head3d.kernels.encoding import HashGridConfig

GRANULE = 16
"""Widths at the ends of a network are filled up to a multiple of it."""
WIDTHS = (16, 32, 64, 128)
"""Hidden widths of its fully fused network."""


def grid_options(config: HashGridConfig) -> dict[str, Any]:
    """A grid's shape under its names."""
    return {
        "otype": "Grid",
        "type": "Hash",
        "n_levels": config.levels,
        "n_features_per_level": config.features,
        "log2_hashmap_size": config.log2_table_size,
        "base_resolution": config.base_resolution,
        "per_level_scale": config.per_level_scale,
        "interpolation": {"linear": "Linear", "smoothstep": "Smoothstep"}[config.interpolation],
    }


def grid_parameters(table: Float[Tensor, "E F"]) -> Float[Tensor, "M"]:
    """A table as its flat vector."""
    return table.detach().float().reshape(-1)


def table_from_parameters(parameters: Float[Tensor, "M"], config: HashGridConfig) -> Float[Tensor, "E F"]:
    """Its flat vector as a table of ours."""
    wanted = config.entries * config.features
    if parameters.numel() != wanted:
        raise ConfigError(
            f"A grid of {parameters.numel()} parameters is not one of {wanted}.", hint="Give the options it has."
        )
    return parameters.detach().float().reshape(config.entries, config.features)


def network_options(decoder: Decoder) -> dict[str, Any]:
    """A decoder's shape under its names."""
    hidden = decoder.weight_in.shape[0]
    return {
        "otype": "FullyFusedMLP" if hidden in WIDTHS else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": hidden,
        "n_hidden_layers": 1,
    }


def network_parameters(decoder: Decoder) -> Float[Tensor, "M"]:
    """A decoder's weights as its flat vector; the last input of its network is the 1 that carries our bias."""
    first = torch.cat([decoder.weight_in, decoder.bias_in[:, None]], dim=1).detach().float()
    last = decoder.weight_out.detach().float()
    first = nn.functional.pad(first, (0, _filled(first.shape[1]) - first.shape[1]))
    last = nn.functional.pad(last, (0, 0, 0, _filled(last.shape[0]) - last.shape[0]))
    return torch.cat([first.reshape(-1), last.reshape(-1)])


def decoder_from_parameters(parameters: Float[Tensor, "M"], *, inputs: int, outputs: int, hidden: int) -> Decoder:
    """Its flat vector, of a network with ``inputs`` + 1 inputs, as a decoder of ours."""
    wide, high = _filled(inputs + 1), _filled(outputs)
    if parameters.numel() != hidden * (wide + high):
        wanted = f"{inputs} + 1 -> {hidden} -> {outputs}"
        raise ConfigError(
            f"A network of {parameters.numel()} parameters is not {wanted}.", hint=f"That has {hidden * (wide + high)}."
        )
    first, last = parameters.detach().float().split([hidden * wide, hidden * high])
    decoder = Decoder(inputs, outputs, hidden=hidden)
    with torch.no_grad():
        decoder.weight_in.copy_(first.reshape(hidden, wide)[:, :inputs])
        decoder.bias_in.copy_(first.reshape(hidden, wide)[:, inputs])
        decoder.weight_out.copy_(last.reshape(high, hidden)[:outputs])
    return decoder


class TcnnDecoded(nn.Module):
    """A grid and its decoder as modules of tiny-cuda-nn, on the GPU in half precision: to train or to run them there.

    ``encoding`` and ``network`` are its own modules: :meth:`give_back` writes what they learned into ours.
    """

    def __init__(self, encoding: HashEncoding, decoder: Decoder) -> None:
        super().__init__()
        tcnn = tiny_cuda_nn()
        inputs, outputs = encoding.width + 1, decoder.weight_out.shape[0]
        self.encoding = tcnn.Encoding(3, grid_options(encoding.grid))
        self.network = tcnn.Network(inputs, outputs, network_options(decoder))
        _write(self.encoding.params, grid_parameters(encoding.table), "grid")
        _write(self.network.params, network_parameters(decoder), "network")

    def forward(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P O"]:
        """What the decoder says of the features at points of the head frame (m)."""
        features = self.encoding(unit_box(points_m))
        return self.network(torch.cat([features, torch.ones_like(features[:, :1])], dim=1)).float()

    def give_back(self, encoding: HashEncoding, decoder: Decoder) -> None:
        """Write the parameters into modules of ours of the same shape."""
        hidden, inputs = decoder.weight_in.shape
        shape = {"inputs": inputs, "outputs": decoder.weight_out.shape[0], "hidden": hidden}
        learned = decoder_from_parameters(self.network.params, **shape)
        with torch.no_grad():
            encoding.table.copy_(table_from_parameters(self.encoding.params, encoding.grid))
            for mine, theirs in zip(decoder.parameters(), learned.parameters(), strict=True):
                mine.copy_(theirs)


def tiny_cuda_nn() -> Any:
    """The module ``tinycudann``; ConfigError where it, or the GPU it needs to be imported, is not there."""
    hint = "Install its PyTorch binding on a machine with an NVIDIA GPU and nvcc."
    try:
        return optional_package("tinycudann", "tiny-cuda-nn is not here.", hint=hint)
    except OSError as error:  # its EnvironmentError: no GPU to ask for its compute capability
        raise ConfigError(f"tiny-cuda-nn cannot run here: {error}.", hint="It needs an NVIDIA GPU.") from error


def _filled(width: int) -> int:
    return -(-width // GRANULE) * GRANULE


def _write(place: Tensor, values: Tensor, what: str) -> None:
    if place.numel() != values.numel():
        raise ConfigError(
            f"This tiny-cuda-nn keeps a {what} of {place.numel()} parameters, not {values.numel()}.",
            hint="Its layout is not the one that head3d knows (1.7 and 2.0).",
        )
    with torch.no_grad():
        place.copy_(values.to(place))
