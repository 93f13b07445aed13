"""A light as files other programs read: an HDR environment map, and the numbers in JSON."""

import math
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d import store
from head3d.geometry.lamps import arrival
from head3d.geometry.sh import Lighting, sh_basis
from head3d.render.environment import map_directions

FORMAT_VERSION = 1
LEAST_SINE = 0.035
"""A lamp in a map is at least this wide (2 degrees): a map of 512 columns has no smaller place."""


def light_map(light: Lighting, *, height: int = 256) -> Float[Tensor, "H W 3"]:
    """Radiance from all directions, linear RGB: head frame, +Z in the middle, the subject's left on the left.

    Lamps near the head are seen from its middle; what harmonics make negative is black.
    """
    directions = map_directions(height, 2 * height).float()
    radiance = (sh_basis(directions) @ light.sh.float()).clamp(min=0.0)
    lamps = light.lamps
    for number in range(len(lamps) if lamps is not None else 0):
        assert lamps is not None
        coming = arrival(lamps, number, torch.zeros(1, 3))
        sine = max(float(coming.sine), LEAST_SINE)
        inside = directions @ coming.direction[0] >= math.sqrt(1 - sine * sine)
        # a disc of uniform radiance L lights what faces it with pi L sine^2
        radiance[inside] += lamps.color[number] * float(coming.strength) / (math.pi * sine * sine)
    return radiance


def rgbe_bytes(radiance: Float[Tensor, "H W 3"]) -> bytes:
    """A picture of linear RGB as a Radiance .hdr file."""
    done, encoded = cv2.imencode(".hdr", np.ascontiguousarray(radiance.numpy()[..., ::-1], dtype=np.float32))
    assert done
    return encoded.tobytes()


def write_light(folder: Path, name: str, light: Lighting) -> list[Path]:
    """Write NAME.hdr (which `head3d render --light NAME.hdr` reads) and NAME.json."""
    picture, numbers = folder / f"{name}.hdr", folder / f"{name}.json"
    store.write_bytes(picture, rgbe_bytes(light_map(light)))
    lamps = light.lamps
    payload = {
        "frame": "head: +X the subject's left, +Y up, +Z out of the face; metres",
        "sh": light.sh.tolist(),
        "sh_order": "real, orthonormal, no Condon-Shortley sign, l*l + l + m; linear RGB radiance",
        "lamps": [
            {
                "distant": bool(lamps.distant[k]),
                "position": lamps.position[k].tolist(),
                "color": lamps.color[k].tolist(),
                "facing": lamps.facing[k].tolist(),
                "radius": float(lamps.radius[k]),
            }
            for k in range(len(lamps))
        ]
        if lamps is not None
        else [],
    }
    store.write_json(numbers, payload, kind="head3d.light", version=FORMAT_VERSION)
    return [picture, numbers]
