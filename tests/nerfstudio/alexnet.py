"""AlexNet where torchvision looks for it. nerfacto builds an LPIPS when it starts, which downloads the net otherwise.

It gets the features of head3d's own LPIPS, which are the same, and a classifier of zeros, which LPIPS drops.
"""

from pathlib import Path

import torch

from head3d.imaging.perceptual import Features, read_arrays
from head3d.weights import get

LAYERS = (0, 3, 6, 8, 10)
"""Where torchvision's Sequential has its convolutions."""
CLASSIFIER = {1: (4096, 9216), 4: (4096, 4096), 6: (1000, 4096)}


def write_alexnet(torch_home: Path) -> Path:
    """Write alexnet-owt-7be5be79.pth for a TORCH_HOME; returns its path."""
    features = Features("alex", read_arrays("alex", get("alexnet")))
    state = {}
    for number, layer in enumerate(LAYERS):
        state[f"features.{layer}.weight"] = features.get_buffer(f"kernel_{number}")
        state[f"features.{layer}.bias"] = features.get_buffer(f"bias_{number}")
    for layer, shape in CLASSIFIER.items():  # one zero, read many times: a small file
        state[f"classifier.{layer}.weight"] = torch.zeros(1).expand(shape)
        state[f"classifier.{layer}.bias"] = torch.zeros(1).expand(shape[0])
    path = torch_home / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path
