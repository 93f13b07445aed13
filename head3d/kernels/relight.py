"""Light on the pixels of a picture of the field in one pass: soft light, lamps with shadows, sheen. Forward only.

The plain torch path and the sources of the formulas are ``head3d.render.relight``'s, which this one agrees with.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.kernels.library import call, library, require
from head3d.kernels.render_field import FieldVolume, described_cache

LAMP_NUMBERS = 11
"""Per lamp: position 3 (m, or unit direction), irradiance 3, facing 3, radius (m, or sine), distant 0 or 1."""


@torch.no_grad()
def relight_pixels(
    cache: FieldVolume,
    *,
    place: Float[Tensor, "P 3"],
    neutral: Float[Tensor, "P 3"],
    normal: Float[Tensor, "P 3"],
    albedo: Float[Tensor, "P 3"],
    hair: Float[Tensor, "P"],
    eye: Float[Tensor, "3"],
    sh: Float[Tensor, "9 3"],
    lamps: Float[Tensor, "L 11"],
    shadows: float,
    occlusion: float,
    gloss: float,
) -> Float[Tensor, "P 3"]:
    """Linear RGB radiance of pixels, not clamped above. Needs the compiled kernels.

    Args:
        cache: Signed distance of the field (1 channel).
        place: Where pixels lie, head frame, metres.
        neutral: Where those places are on the neutral head.
        normal: Unit, outward.
        albedo: Linear RGB.
        hair: 0 on skin to 1 on hair.
        eye: Centre of the camera, head frame, metres.
        sh: Incident radiance of the soft light.
        lamps: See ``LAMP_NUMBERS``.
        shadows: How dark they are, 0 to 1.
        occlusion: Part of the soft light that overhangs take, 0 to 1.
        gloss: Strength of the sheen.
    """
    for name, tensor in (("place", place), ("neutral", neutral), ("normal", normal), ("albedo", albedo)):
        require(name, tensor, (len(place), 3))
    require("hair", hair, (len(place),))
    require("eye", eye, (3,))
    require("sh", sh, (9, 3))
    require("lamps", lamps, (None, LAMP_NUMBERS))
    lib = library(cache.values.device.type)
    assert lib is not None, "the caller asks for the library first"
    field = described_cache(cache)
    arrays = [tensor.float().contiguous() for tensor in (place, neutral, normal, albedo, hair)]
    light = [tensor.to(arrays[0]).contiguous() for tensor in (sh, lamps)]
    settings = torch.tensor([*eye.tolist(), shadows, occlusion, gloss], dtype=torch.float64)
    out = torch.empty_like(arrays[0])
    call(lib, "relight", field.slots, field.numbers, *arrays, len(place), *light, len(lamps), settings, out)
    return out
