"""The parsing net: a window round head and shoulders in, regions and coverage out (``head3d train-parsing``)."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from head3d.networks.files import load_network, shipped
from head3d.networks.unet import UNet, fast_dtype
from head3d.perception.types import Region

SIDE_PX = 256
"""Side of the window the net was made for, px: a face is some 60 px high. Edges are found again in the photo."""
NAME = "parsing"


def make_parsing_net() -> UNet:
    """The architecture, untrained: logits of the regions, then that of the coverage."""
    return UNet(3, len(Region) + 1, widths=(24, 48, 96, 160), depths=(1, 2, 2, 3), attention=True)


@cache
def parsing_net() -> UNet | None:
    """The trained net, or None if this installation has no weights."""
    path = shipped(NAME)
    if path is None:
        return None
    net = make_parsing_net()
    load_network(net, path)
    return net


def net_input(rgb_srgb: UInt8[Tensor, "N H W 3"]) -> Float[Tensor, "N 3 H W"]:
    """Levels as the net wants them: about -1 to 1, channels first."""
    return rgb_srgb.permute(0, 3, 1, 2).float() / 127.5 - 1


def parse_window(net: UNet, rgb_srgb: UInt8[np.ndarray, "S S 3"]) -> Float32[np.ndarray, "R S S"]:
    """Probability of each ``Region``, in its order, over a window: the mean over it and its mirror image."""
    both = torch.from_numpy(np.stack([rgb_srgb, rgb_srgb[:, ::-1]]))
    kind = fast_dtype(torch.device("cpu"))
    with torch.inference_mode(), torch.autocast("cpu", kind, enabled=kind != torch.float32):
        logits = net(net_input(both)).float()
    straight, mirrored = logits
    logits = (straight + mirrored.flip(-1)) / 2
    return logits[:-1].softmax(0).numpy()  # without the coverage: the matte has a net of its own
