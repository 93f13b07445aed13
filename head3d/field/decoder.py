"""Small networks that turn features into a signed distance or a colour."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Decoder(nn.Module):
    """Two layers: features -> hidden (ReLU) -> outputs. No bias at the end: from tiny features comes almost nothing."""

    def __init__(
        self, inputs: int, outputs: int, *, hidden: int = 32, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        bound = (6.0 / inputs) ** 0.5  # He et al. 2015
        self.weight_in = nn.Parameter((torch.rand(hidden, inputs, generator=generator) * 2 - 1) * bound)
        self.bias_in = nn.Parameter(torch.zeros(hidden))
        out = (6.0 / hidden) ** 0.5
        self.weight_out = nn.Parameter((torch.rand(outputs, hidden, generator=generator) * 2 - 1) * out)

    def forward(self, features: Float[Tensor, "P I"]) -> Float[Tensor, "P O"]:
        """Outputs per point."""
        return torch.relu(features @ self.weight_in.T + self.bias_in) @ self.weight_out.T

    def layers(self, levels: Float[Tensor, "I"] | None = None) -> list[tuple[Tensor, Tensor | None]]:
        """Weights and biases for the fused kernels. ``levels`` fades features: it scales their columns."""
        weight = self.weight_in if levels is None else self.weight_in * levels
        return [(weight, self.bias_in), (self.weight_out, None)]
