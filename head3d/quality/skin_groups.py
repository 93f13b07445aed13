"""Names for the tone of skin, from its albedo: the Monk scale and the classes of the typology angle.

Only ever of albedo, never of a lit photo: dim light makes everybody dark.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.imaging.color import lab_from_linear, parse_color
from head3d.morphable.chromophores import typology_angle_deg

MONK = ("#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96", "#a07e56", "#825c43", "#604134", "#3a312a", "#292420")
"""The scale of Ellis Monk (2019), palest first, CC BY 4.0."""
CLASSES = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
"""Least typology angle of each class (Chardon et al. 1991); below the last is dark."""


def monk_albedo(tone: int) -> Float[Tensor, "3"]:
    """Linear RGB of a swatch, 1 (palest) to 10."""
    return parse_color(MONK[tone - 1])


def monk_tone(albedo: Float[Tensor, "3"]) -> int:
    """The nearest swatch of the Monk scale, 1 (palest) to 10, by CIE Lab."""
    swatches = lab_from_linear(torch.stack([parse_color(one) for one in MONK]))
    return 1 + int((swatches - lab_from_linear(albedo)).norm(dim=-1).argmin())


def typology_class(albedo: Float[Tensor, "3"]) -> str:
    """very light, light, intermediate, tan, brown or dark."""
    angle = float(typology_angle_deg(albedo))
    return next((name for least, name in CLASSES if angle > least), "dark")
