"""A patch discriminator (Isola et al. 2017), its hinge loss, and the gradient penalty R1 (Mescheder et al. 2018)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.networks.training import Training
from head3d.networks.unet import fast_dtype


class PatchDiscriminator(nn.Module):
    """Says of every patch whether it is real: four halvings, each place sees about 60 px."""

    def __init__(self, inputs: int, *, width: int = 48) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N 1 h w"]:
        """Logits; positive is real."""
        return self.layers(x.contiguous(memory_format=torch.channels_last))


def contest(
    training: Training,
    name: str,
    *,
    real: Float[Tensor, "N C H W"],
    made: Float[Tensor, "N C H W"],
    beside: Float[Tensor, "N D H W"],
    corner: tuple[slice, ...],
    penalty: float,
) -> Float[Tensor, ""]:
    """One step of a discriminator; returns what it thinks of what was made, for the generator to mind.

    Args:
        training: Holds the discriminator as ``name``.
        name: Of it.
        real: True pictures.
        made: The generator's, with gradients.
        beside: What both are shown with.
        corner: Part of the real pictures at which the gradient is penalised, every eighth step.
        penalty: Weight of that.
    """
    rival, device = training.nets[name], made.device
    kind = fast_dtype(device)
    shown = torch.cat([real, beside], dim=1)
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        loss = hinge(rival(shown).float(), rival(torch.cat([made.detach(), beside], dim=1)).float())
    if training.step % 8 == 0:
        loss = loss + 8 * penalty * gradient_penalty(rival, shown[corner])
    training.update(name, loss, clip=10.0)
    rival.requires_grad_(False)
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        opinion = -rival(torch.cat([made, beside], dim=1)).float().mean()
    rival.requires_grad_(True)
    return opinion


def hinge(real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
    """The discriminator's loss."""
    return (nn.functional.relu(1 - real) + nn.functional.relu(1 + fake)).mean()


def gradient_penalty(net: nn.Module, real: Float[Tensor, "N C H W"]) -> Float[Tensor, ""]:
    """Mean squared gradient of the answers at real pictures (R1)."""
    place = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(net(place).sum(), place, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean() / real.shape[-1]
