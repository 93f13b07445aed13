"""Weights that head3d trained and ships: a safetensors file and a card beside it that says what they are."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from head3d import store
from head3d.errors import FormatError
from head3d.networks.unet import channels_last

FOLDER = Path(__file__).with_name("data")


def shipped(name: str) -> Path | None:
    """Where the weights of a network are, or None if this installation has none."""
    path = FOLDER / f"{name}.safetensors"
    return path if path.is_file() else None


@cache
def card(name: str) -> dict[str, Any]:
    """The card of shipped weights: data, licence, steps, seed, device, seconds, metrics on people held out."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def version(name: str) -> str:
    """Names the weights by their content; "none" where there are none. Stages keep it with what they made."""
    path = shipped(name)
    return store.sha256_file(path)[:12] if path else "none"


def write_network(folder: Path, name: str, weights: dict[str, Tensor], facts: dict[str, Any]) -> Path:
    """Write weights (as half floats) and their card; returns the weights' path."""
    store.make_folder(folder)
    halves = {key: value.detach().to(torch.float16).contiguous() for key, value in weights.items()}
    path = folder / f"{name}.safetensors"
    store.write_tensors(path, halves)
    facts = {"name": name, "parameters": sum(value.numel() for value in weights.values()), **facts}
    store.write_bytes(folder / f"{name}.json", (json.dumps(facts, indent=1) + "\n").encode())
    return path


def load_network(net: nn.Module, path: Path) -> nn.Module:
    """Fill a network with weights and make it ready to use: float32, channels last, no gradients.

    Raises:
        FormatError: The file is of another network.
    """
    kept = store.read_tensors(path)
    try:
        net.load_state_dict({key: value.float() for key, value in kept.items()})
    except RuntimeError as error:
        raise FormatError(f"{path} holds another network.", hint="Reinstall head3d, or train it again.") from error
    return channels_last(net.eval().requires_grad_(False))
