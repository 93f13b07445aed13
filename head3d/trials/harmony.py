"""``head3d bench harmony``: one look for a set against naive colour transfer, on composites nothing was tuned on.

A composite is a drawn person before a wall, and a reference: somebody else, photographed before the same wall or before
another by a camera with an exposure, white balance and contrast of its own. What that camera would have made of the
person is known, so it is known what hair, clothes and wall should become; skin should stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.finish.apply import face_mask
from head3d.finish.harmonize import SURELY, apply_look, find_look, skin_delta_e, skin_weight, transport
from head3d.imaging.color import lab_from_linear, linear_from_lab, linear_from_levels, srgb_from_linear
from head3d.imaging.compose import over
from head3d.imaging.similarity import lpips
from head3d.prior.backgrounds import draw_background, load_scenery
from head3d.prior.light import draw_light
from head3d.prior.picture import pictures
from head3d.prior.synthetic import make_person, truth_studio
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view

SIZE_PX = 320
FIRST_SEED = 9000
"""Of the people; nothing else is made from these."""
WAYS = ("untouched", "naive", "ours")


@dataclass(frozen=True)
class HarmonyScore:
    """One way of colouring a composite.

    Attributes:
        skin: Mean CIE76 difference of skin to what it was.
        rest: Of hair, clothes and wall to what the other camera would have made of them.
        lpips_alex: Of the whole to the wanted picture: the other camera's, with skin as it was.
    """

    skin: float
    rest: float
    lpips_alex: float


@dataclass(frozen=True)
class HarmonyCase:
    """One composite.

    Attributes:
        seed: Of everything in it.
        same_wall: Whether person and reference stand before one wall.
        scores: By way.
    """

    seed: int
    same_wall: bool
    scores: dict[str, HarmonyScore]


def bench_harmony(count: int, data: Path) -> list[HarmonyCase]:
    """Score composites, every other one with the reference before another wall."""
    return [_case(FIRST_SEED + number, number % 2 == 0, data) for number in range(count)]


def means(cases: Sequence[HarmonyCase]) -> dict[str, dict[str, float]]:
    """Means by way."""
    fields = ("skin", "rest", "lpips_alex")
    return {
        way: {name: float(np.mean([getattr(one.scores[way], name) for one in cases])) for name in fields}
        for way in WAYS
    }


def _case(seed: int, same_wall: bool, data: Path) -> HarmonyCase:
    draw = np.random.default_rng(seed)
    output, view = _portrait(seed, data)
    other, _ = _portrait(seed + 500, data)
    wall, another = (_wall(draw, data) for _ in range(2))
    alpha, lit = output.alpha, output.rgb_linear.clamp(0, 1)
    plain = over(lit, alpha, wall)
    grade = _Camera(draw)
    reference = grade(over(other.rgb_linear.clamp(0, 1), other.alpha, wall if same_wall else another))
    skin = skin_weight(output.albedo, face_mask(output, view))
    bare = skin * alpha
    wanted = torch.where((bare > SURELY)[..., None], plain, grade(plain))
    look = find_look([lit], [alpha], [skin], target=reference, backdrop=wall)
    behind = apply_look(wall, look) if look.on_backdrop else wall
    naive = transport(lab_from_linear(plain.reshape(-1, 3)), lab_from_linear(reference.reshape(-1, 3)))
    made = {
        "untouched": plain,
        "naive": linear_from_lab(naive(lab_from_linear(plain))).clamp(0, 1),
        "ours": over(apply_look(lit, look, skin=skin).clamp(0, 1), alpha, behind.clamp(0, 1)),
    }
    scores = {}
    for way, picture in made.items():
        rest = (lab_from_linear(picture) - lab_from_linear(wanted))[bare < 0.1].norm(dim=-1).mean()
        near = lpips(srgb_from_linear(picture), srgb_from_linear(wanted))
        scores[way] = HarmonyScore(skin_delta_e(picture, plain, bare), float(rest), float(near))
    return HarmonyCase(seed, same_wall, scores)


def _portrait(seed: int, data: Path) -> tuple[RenderOutput, View]:
    person = make_person(truth_studio(data), seed)
    light = draw_light(torch.Generator().manual_seed(seed))
    view = named_view("front", size=(SIZE_PX, SIZE_PX), light=light.lighting, yaw_deg=float(seed * 37 % 50 - 25))
    seen = pictures(person, view.camera, [light])
    return RenderOutput(seen.rgb_linear[0], seen.albedo[0], seen.normal[0], seen.alpha[0], seen.depth_m[0]), view


def _wall(draw: np.random.Generator, data: Path) -> Float[Tensor, "H W 3"]:
    return linear_from_levels(draw_background(load_scenery(data), draw, SIZE_PX))


class _Camera:
    """Exposure, white balance and contrast, drawn once."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.gain = torch.from_numpy(np.exp(draw.normal(0, 0.2) + draw.normal(0, 0.09, 3))).float()
        self.contrast = float(draw.uniform(0.88, 1.15))

    def __call__(self, picture: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
        lab = lab_from_linear((picture * self.gain).clamp(0, 1))
        level = (lab[..., :1] - 50) * self.contrast + 50
        return linear_from_lab(torch.cat([level, lab[..., 1:]], dim=-1)).clamp(0, 1)
