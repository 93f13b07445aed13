"""A ReLU network whose features, weights, activations and cotangents are rounded to bfloat16, summed in float64."""

from collections.abc import Sequence

import torch
from torch import Tensor


def rounded(x: Tensor) -> Tensor:
    """To the nearest bfloat16."""
    return x.to(torch.float32).to(torch.bfloat16).to(torch.float64)


def network(features: Tensor, layers: Sequence[tuple[Tensor, Tensor | None]], g_out: Tensor) -> tuple[Tensor, ...]:
    """Outputs, and the gradients of features, weights and biases in turn, for a cotangent of the outputs."""
    values = [rounded(features)]
    for index, (weight, bias) in enumerate(layers):
        out = values[-1] @ rounded(weight).T + (0 if bias is None else bias.double())
        values.append(out if index + 1 == len(layers) else out.relu())
        if index + 1 < len(layers):
            values[-1] = rounded(values[-1])
    outputs, g, parameters = values[-1], g_out.double(), []
    for index in reversed(range(len(layers))):
        parameters = [rounded(g).T @ values[index], g.sum(0), *parameters]
        g = rounded(g) @ rounded(layers[index][0])
        if index:
            g = g * (values[index] > 0)
    return outputs, g, *parameters
