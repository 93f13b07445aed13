"""Expressions by name, by photo and by unit, and the fitted head that shows them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.field.gaze import Eyeball, limited
from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadFit, HeadModel

SMILE: dict[str, float] = {
    "mouthSmileLeft": 0.56,
    "mouthSmileRight": 0.5,
    "cheekSquintLeft": 0.36,
    "cheekSquintRight": 0.32,
    "eyeSquintLeft": 0.3,
    "eyeSquintRight": 0.3,
    "mouthDimpleLeft": 0.16,
    "mouthDimpleRight": 0.12,
    "browOuterUpLeft": 0.06,
    "browOuterUpRight": 0.06,
}
"""A smile for a headshot: lips closed (the field knows no teeth), the eyes take part, one side a little ahead."""
MOST_UNIT = 1.5
EXPRESSIONS = "There are neutral, smile, smile:0.6, photo:NAME"
"""Units further out than this are no face."""
STILL_BELOW_M, MOVING_ABOVE_M = -0.17, -0.12
STILL_BEHIND_M, MOVING_BEFORE_M = -0.02, 0.01
"""Head frame, y and z: the artist's units pull faintly at shoulders and the back of the head, a face does not."""


@dataclass(frozen=True)
class Expression:
    """What a picture of the head shows.

    Attributes:
        name: For file names; empty if neutral. That of a photo's expression tells its number, not its file.
        units: Weight of each unit of the model.
        eyes: Axis-angles of [right, left] eyes.
    """

    name: str
    units: Float[Tensor, "E"]
    eyes: Float[Tensor, "2 3"]


def find_expression(text: str, fit: HeadFit, photos: Sequence[str]) -> Expression:
    """Read what a user asked for.

    Args:
        text: ``neutral``, ``photo:NAME``, ``smile``, ``smile:0.6`` (part of the full smile), or the path of a json file
            with weights of units: ``{"mouthSmileLeft": 0.5, "jawOpen": 0.1}``. ``mouthSmile`` stands for both sides.
        fit: The head.
        photos: Names of the photos it was fitted to.
    """
    ahead = torch.zeros(2, 3)
    kind, _, detail = text.partition(":")
    if text == "neutral":
        return Expression("", torch.zeros(len(fit.model.expression_names)), ahead)
    if kind == "photo":
        if detail not in photos:
            raise ConfigError(f"There is no photo {detail!r} in this subject.", hint=f"There are {', '.join(photos)}.")
        index = list(photos).index(detail)
        eyes = torch.stack([limited(turn) for turn in fit.joints[index, 1:]])
        return Expression(f"photo-{index + 1}", fit.expression[index], eyes)
    if kind == "smile":
        strength = _strength(detail)
        units = {name: strength * weight for name, weight in SMILE.items()}
        return Expression("smile" + detail, expression_vector(units, fit.model), ahead)
    if text.endswith(".json"):
        path = Path(text)
        return Expression(path.stem, expression_vector(_read_units(path), fit.model), ahead)
    hint = f"Perhaps you meant photo:{text}." if text in photos else f"{EXPRESSIONS} and a .json file of units."
    raise ConfigError(f"There is no expression {text!r}.", hint=hint)


def check_expression(text: str) -> None:
    """ConfigError if no head can have this expression; photos' names and units are a subject's matter."""
    kind, _, detail = text.partition(":")
    if kind == "smile":
        _strength(detail)
    elif text.endswith(".json"):
        _read_units(Path(text))
    elif text != "neutral" and not (kind == "photo" and detail):
        raise ConfigError(f"There is no expression {text!r}.", hint=f"{EXPRESSIONS} and a .json file of units.")


def expression_vector(units: Mapping[str, float], model: HeadModel) -> Float[Tensor, "E"]:
    """Weights in the model's order; a name without its side stands for both."""
    vector = torch.zeros(len(model.expression_names))
    for name, weight in units.items():
        found = [i for i, one in enumerate(model.expression_names) if one in (name, f"{name}Left", f"{name}Right")]
        if not found:
            raise ConfigError(f"There is no unit {name!r}.", hint=f"There are {', '.join(model.expression_names)}.")
        if not math.isfinite(weight) or abs(weight) > MOST_UNIT:
            raise ConfigError(
                f"The unit {name} has the weight {weight}.", hint="Use 0 (at rest) to 1 (as far as it goes)."
            )
        vector[found] = weight
    return vector


def posed_skin(fit: HeadFit, units: Float[Tensor, "E"]) -> tuple[Mesh, Mesh]:
    """Outer skin of the fitted head without eyeballs and caps, neutral and with an expression; head frame, m."""
    neutral = fit.vertices().detach().float()
    moved = torch.einsum("e,evc->vc", units, fit.model.expression_basis)
    share = moving_share(fit.model)
    inside = torch.zeros(len(neutral), dtype=torch.bool)
    inside[fit.model.groups["skin"]] = True
    faces = fit.model.faces[inside[fit.model.faces].all(1)]
    return Mesh(neutral, faces), Mesh(neutral + moved * share[:, None], faces)


def moving_share(model: HeadModel) -> Float[Tensor, "V"]:
    """Part of a unit's displacement that each vertex takes: all of it in the face, nothing at back and shoulders."""
    y, z = model.mean[:, 1], model.mean[:, 2]
    share = ((y - STILL_BELOW_M) / (MOVING_ABOVE_M - STILL_BELOW_M)).clamp(0, 1)
    return share * ((z - STILL_BEHIND_M) / (MOVING_BEFORE_M - STILL_BEHIND_M)).clamp(0, 1)


def eyeballs(fit: HeadFit) -> tuple[Eyeball, Eyeball]:
    """Right and left eye of the neutral head."""
    model, vertices = fit.model, fit.vertices().detach().float()
    made = []
    for side, name in enumerate(("eye_right", "eye_left")):
        index = model.groups[name]
        centre = model.eye_centres[side] + (vertices[index] - model.mean[index]).mean(0)
        first = 468 + 5 * side  # the middle of the iris, then four points of its border
        corners, weights = model.landmark_triangles[first : first + 5], model.landmark_barycentrics[first : first + 5]
        iris = (vertices[corners] * weights[..., None]).sum(1) - centre
        rays = torch.nn.functional.normalize(iris, dim=-1)
        angles = torch.acos((rays[1:] @ rays[0]).clamp(-1, 1))
        made.append(Eyeball(centre, rays[0], float(iris[0].norm()), float(angles.mean())))
    return made[0], made[1]


def _strength(detail: str) -> float:
    if not detail:
        return 1.0
    try:
        strength = float(detail)
    except ValueError:
        strength = math.nan
    if not 0 <= strength <= MOST_UNIT:
        raise ConfigError(f"A smile of {detail!r} is no smile.", hint="Use 0 to 1, for example smile:0.6.")
    return strength


def _read_units(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", hint="Give the path of a json file with weights.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no json: {error}.", hint='It should read {"mouthSmileLeft": 0.5}.') from error
    numbers = isinstance(content, dict) and all(type(one) in (int, float) for one in content.values())
    if not numbers:
        raise ConfigError(f"{path} has no weights by unit.", hint='It should read {"mouthSmileLeft": 0.5}.')
    return {name: float(weight) for name, weight in content.items()}
