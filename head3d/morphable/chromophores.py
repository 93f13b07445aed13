"""The colour of skin from what absorbs in it: melanin in the epidermis, blood in the dermis.

Melanin filters the light twice on its way through the epidermis; the dermis returns light by diffusion, less where
blood absorbs. Absorption and scattering after Jacques 2013 ("Optical properties of biological tissues: a review") and
1998 ("Skin optics"), haemoglobin after Prahl 1999; colour matching after Wyman, Sloan, Shirley 2013 under D65.
Diffuse reflectance of a deep turbid layer: R = exp(-A / sqrt(3 (1 + mu_s' / mu_a))), A = 7.8 (Jacques 1999).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.imaging.color import lab_from_linear

WAVELENGTH_NM = tuple(range(400, 701, 10))

# Molar extinction, 1/cm/M, 400 to 700 nm in steps of 10 (Prahl 1999).
OXYGENATED = (
    266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035, 24202, 39957, 53236, 43016,
    32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368, 320, 294, 278, 276, 290,
)  # fmt: skip
DEOXYGENATED = (
    223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862, 25774, 31590, 39036, 46592,
    53412, 53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794,
)  # fmt: skip
DAYLIGHT = (
    82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80, 104.79, 107.69, 104.41,
    104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61,
)  # fmt: skip
"""CIE standard illuminant D65."""

SATURATION = 0.7
"""Of the blood of the skin with oxygen."""
HAEMOGLOBIN_PER_CM = math.log(10) * 150 / 64500
"""Absorption (1/cm) of whole blood, 150 g/l of molar mass 64500, per molar extinction."""
EPIDERMIS_CM = 0.006
OBLIQUE = 1.35
"""Diffuse light crosses a thin layer at a slant: its mean path over the thickness, less than 2 as melanin lies deep."""
DIFFUSION = 7.8
SIEVE, SIEVE_DEPTH = 0.25, 0.3
"""Melanin lies in clumps: this share of the light meets less of it. Without it dark skin comes out orange."""
SURFACE = 0.012
"""What melanosomes and the horny layer scatter back before any pigment."""

MELANIN = (0.006, 0.8)
"""Volume share of melanosomes in the epidermis, palest to darkest (Jacques 1998 names 1.3 to 43 %)."""
BLOOD = (0.001, 0.25)
"""Volume share of blood in the dermis: pale to the red of lips."""
STEPS = 33

_RGB_FROM_XYZ = (
    (3.2409699419045213, -1.5373831775700935, -0.4986107602930033),
    (-0.9692436362808798, 1.8759675015077206, 0.0415550574071756),
    (0.0556300796969937, -0.2039769588889765, 1.0569715142428784),
)


def skin_color(melanin: Float[Tensor, "*B"], blood: Float[Tensor, "*B"]) -> Float[Tensor, "*B 3"]:
    """Albedo (linear RGB) of skin with these volume shares of melanosomes and blood, integrated over the spectrum."""
    nm = torch.tensor(WAVELENGTH_NM, dtype=torch.float64)
    melanin, blood = melanin.double()[..., None], blood.double()[..., None]
    tissue = 0.244 + 85.3 * torch.exp(-(nm - 154) / 66.2)
    pigment = 6.6e11 * nm**-3.33
    mixed = SATURATION * torch.tensor(OXYGENATED, dtype=torch.float64) + (1 - SATURATION) * torch.tensor(
        DEOXYGENATED, dtype=torch.float64
    )
    epidermis = melanin * pigment + (1 - melanin) * tissue
    dermis = blood * mixed * HAEMOGLOBIN_PER_CM + (1 - blood) * tissue
    scattering = 46.0 * (nm / 500) ** -1.42
    depth = 2 * OBLIQUE * EPIDERMIS_CM * epidermis
    through = (1 - SIEVE) * torch.exp(-depth) + SIEVE * torch.exp(-SIEVE_DEPTH * depth)
    returned = torch.exp(-DIFFUSION / (3 * (1 + scattering / dermis)).sqrt())
    return ((SURFACE + (1 - SURFACE) * through * returned) @ _rgb_response()).clamp_min(1e-3).float()


def color_table() -> Float[Tensor, "M B 3"]:
    """``skin_color`` over log-spaced melanin (rows) and blood (columns), as logarithms: interpolates smoothly."""
    melanin = _shares(MELANIN, STEPS)
    blood = _shares(BLOOD, STEPS)
    return skin_color(melanin[:, None].expand(STEPS, STEPS), blood[None].expand(STEPS, STEPS)).log()


def look_up_color(
    table: Float[Tensor, "M B 3"], log_melanin: Float[Tensor, "H W"], log_blood: Float[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """Albedo of maps of natural logarithms of the shares, by bilinear interpolation."""
    ends = [math.log(x) for x in (*BLOOD, *MELANIN)]
    x = (log_blood - ends[0]) / (ends[1] - ends[0]) * 2 - 1
    y = (log_melanin - ends[2]) / (ends[3] - ends[2]) * 2 - 1
    found = torch.nn.functional.grid_sample(
        table.permute(2, 0, 1)[None],
        torch.stack([x, y], dim=-1)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return found[0].exp()


def typology_angle_deg(albedo: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """Individual typology angle of linear RGB, degrees: above 55 very light, below -30 dark (Chardon et al. 1991)."""
    lab = lab_from_linear(albedo)
    return torch.rad2deg(torch.atan2(lab[..., 0] - 50, lab[..., 2]))


def melanin_of_angle(angle_deg: float, blood: float) -> float:
    """Share of melanosomes that gives skin of this typology angle (clamped to the range of ``MELANIN``)."""
    melanin = _shares(MELANIN, 256)
    angles = typology_angle_deg(skin_color(melanin, torch.full_like(melanin, blood)))
    return float(melanin[int((angles - angle_deg).abs().argmin())])


def _shares(ends: tuple[float, float], steps: int) -> Float[Tensor, "M"]:
    return torch.logspace(math.log10(ends[0]), math.log10(ends[1]), steps)


def _rgb_response() -> Float[Tensor, "L 3"]:
    """Linear RGB of a unit reflectance at each wavelength; a white surface sums to 1."""
    nm = torch.tensor(WAVELENGTH_NM, dtype=torch.float64)

    def lobe(height: float, centre: float, below: float, above: float) -> Tensor:
        t = (nm - centre) * torch.where(nm < centre, below, above)
        return height * torch.exp(-0.5 * t * t)

    x = lobe(0.362, 442.0, 0.0624, 0.0374) + lobe(1.056, 599.8, 0.0264, 0.0323) + lobe(-0.065, 501.1, 0.049, 0.0382)
    y = lobe(0.821, 568.8, 0.0213, 0.0247) + lobe(0.286, 530.9, 0.0613, 0.0322)
    z = lobe(1.217, 437.0, 0.0845, 0.0278) + lobe(0.681, 459.0, 0.0385, 0.0725)
    xyz = torch.stack([x, y, z], dim=-1) * torch.tensor(DAYLIGHT, dtype=torch.float64)[:, None]
    rgb = xyz @ torch.tensor(_RGB_FROM_XYZ, dtype=torch.float64).T
    return rgb / rgb.sum(0)
