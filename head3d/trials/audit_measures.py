"""What an audit measures of one person: the pipeline itself against what is exactly known of them."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.config import Config
from head3d.errors import Head3DError
from head3d.field.radiance import RadianceField
from head3d.finish.apply import face_mask, finish_set
from head3d.geometry.cameras import Cameras
from head3d.imaging.color import lab_from_linear
from head3d.morphable.chromophores import typology_angle_deg
from head3d.morphable.fit import fit_head
from head3d.morphable.types import HeadFit
from head3d.perception import topology
from head3d.perception.identity import distance
from head3d.perception.observe import observe
from head3d.perception.types import Observation, Region
from head3d.prior.people import SyntheticPerson
from head3d.quality.config import GateConfig
from head3d.quality.fairness import Metric
from head3d.quality.identity import describe_photos
from head3d.quality.picture_gate import PictureGate, inspect_pictures, make_reference
from head3d.quality.picture_signs import landmarks_in
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.rendering import surface_cache
from head3d.train.loop import train_field
from head3d.trials.panel import Shoot

METRICS = (
    Metric("photos refused", "share", 0.05),
    Metric("landmark error", "% of the distance between the eyes", 1.0),
    Metric("identity, photo to photo", "descriptor distance", 0.2),
    Metric("pose error", "degrees", 0.5),
    Metric("shape error of the face", "mm", 0.5),
    Metric("albedo error", "CIE76", 3.0),
    Metric("typology angle error", "degrees", 5.0),
    Metric("identity, picture to photos", "descriptor distance", 0.2),
    Metric("albedo error of pictures", "CIE76", 3.0),
    Metric("good pictures refused", "share", 0.05),
)
"""In all of them less is better."""
PICTURES = ("front", "left-20", "right-20")
PICTURE_PX = 512


def measure_photos(shoot: Shoot, config: Config) -> tuple[dict[str, float], list[Observation]]:
    """How well faces are found in photos, and whether one person stays one person."""
    observations, verdicts = observe(shoot.photos, config=config.perception)
    values = {"photos refused": 1 - sum(one.accepted for one in verdicts) / max(len(verdicts), 1)}
    if isinstance(shoot.person, SyntheticPerson) and shoot.cameras is not None:
        errors = []
        for one in observations:
            index = _index(shoot, one)
            true = landmarks_in(shoot.cameras[index], shoot.person.vertices, shoot.person.model)
            inner = list(topology.IBUG_68[17:])
            apart = np.linalg.norm(true[topology.RIGHT_EYE_CORNERS[0]] - true[topology.LEFT_EYE_CORNERS[0]])
            frontal = apart / max(math.cos(float(shoot.cameras.yaw_pitch[index, 0])), 0.3)
            gap = np.linalg.norm(one.landmarks.points_px[inner] - true[inner], axis=1)
            errors.append(100 * float(gap.mean()) / float(frontal))
        if errors:
            values["landmark error"] = float(np.mean(errors))
    faces = list(describe_photos(observations).values())
    if len(faces) > 1:
        pairs = [distance(a, b) for i, a in enumerate(faces) for b in faces[i + 1 :]]
        values["identity, photo to photo"] = float(np.mean(pairs))
    return values, observations


def measure_fit(
    shoot: Shoot, observations: list[Observation], config: Config
) -> tuple[dict[str, float], HeadFit | None, Float[Tensor, "3"] | None]:
    """Shape, pose and albedo of the fitted head; the last is the recovered albedo of the face's skin."""
    try:
        fitted = fit_head(observations, config=config.fit)
    except Head3DError:
        return {}, None, None
    values: dict[str, float] = {}
    skin = _skin_of(fitted)
    person, cameras, truth = shoot.person, shoot.cameras, shoot.truth
    if isinstance(person, SyntheticPerson) and cameras is not None and truth is not None:
        front = min(range(len(observations)), key=lambda i: abs(float(fitted.cameras[i].yaw_pitch[0, 0])))
        index = _index(shoot, observations[front])
        face = fitted.model.groups["face"]
        turn, values["shape error of the face"] = _aligned(fitted.vertices(front)[face], person.vertices[face])
        values["pose error"] = float(
            np.mean(
                [_turn_deg(fitted.cameras[i], cameras[_index(shoot, one)], turn) for i, one in enumerate(observations)]
            )
        )
        true = _true_skin(truth.albedo[index], truth.labels[index])
        values |= _tone_errors(skin, true, "albedo error")
    return values, fitted, skin


def measure_pictures(
    shoot: Shoot, observations: list[Observation], fitted: HeadFit, config: Config
) -> tuple[dict[str, float], RadianceField]:
    """A trained field's pictures: are they the person, and does the gate let them pass?"""
    field = train_field(fitted, observations, config=config.train)
    cache = surface_cache(field)
    views = [named_view(name, size=(PICTURE_PX, PICTURE_PX)) for name in PICTURES]
    with torch.no_grad():
        outputs = [render_view(field, view, config=config.render, cache=cache) for view in views]
    shots = finish_set(outputs, views, config=replace(config.finish, size=PICTURE_PX))
    names = [one.photo.name for one in observations]
    gate = PictureGate(lambda: make_reference(fitted, names, observations), config=GateConfig())
    verdicts = inspect_pictures(gate, [shot.rgb_srgb for shot in shots], outputs, views)
    values: dict[str, float] = {}
    known = [one.identity for one in verdicts.values() if one.identity is not None]
    if known:
        values["identity, picture to photos"] = float(np.mean(known))
    if verdicts:
        values["good pictures refused"] = float(np.mean([one.level == "refused" for one in verdicts.values()]))
    if shoot.truth is not None and isinstance(shoot.person, SyntheticPerson):
        mask = face_mask(outputs[0], views[0])
        true = _true_skin(shoot.truth.albedo[0], shoot.truth.labels[0])
        if bool(mask.any()):
            found = outputs[0].albedo[mask].median(0).values
            values["albedo error of pictures"] = _delta_e(found, true)
    return values, field


def _index(shoot: Shoot, observation: Observation) -> int:
    return [photo.name for photo in shoot.photos].index(observation.photo.name)


def _skin_of(fitted: HeadFit) -> Float[Tensor, "3"]:
    """Median albedo of the bare face: without lips, brows and lids."""
    bare = torch.ones(len(fitted.albedo), dtype=torch.bool)
    for group in ("lips", "brows", "eyelids"):
        bare[fitted.model.groups[group]] = False
    face = torch.zeros_like(bare)
    face[fitted.model.groups["face"]] = True
    return fitted.albedo[face & bare].median(0).values


def _true_skin(albedo: Float[Tensor, "H W 3"], labels: Tensor) -> Float[Tensor, "3"]:
    return albedo[labels == int(Region.SKIN)].median(0).values


def _delta_e(found: Float[Tensor, "3"], true: Float[Tensor, "3"]) -> float:
    return float((lab_from_linear(found.clamp(0, 1)) - lab_from_linear(true)).norm())


def _tone_errors(found: Float[Tensor, "3"], true: Float[Tensor, "3"], name: str) -> Mapping[str, float]:
    angle = float(typology_angle_deg(found) - typology_angle_deg(true))
    return {name: _delta_e(found, true), "typology angle error": abs(angle)}


def _aligned(found: Float[Tensor, "V 3"], true: Float[Tensor, "V 3"]) -> tuple[Float[Tensor, "3 3"], float]:
    """Turn that lays a face onto the true one, and the mean distance then, mm: size is not told by photos."""
    a, b = found.double() - found.double().mean(0), true.double() - true.double().mean(0)
    u, values, vt = torch.linalg.svd(a.T @ b)
    sign = torch.ones(3, dtype=torch.float64)
    sign[2] = torch.sign(torch.linalg.det(u @ vt))
    turn = (u * sign) @ vt
    scale = (values * sign).sum() / a.square().sum()
    return turn.T.float(), 1000 * float((scale * a @ turn - b).norm(dim=1).mean())


def _turn_deg(found: Cameras, true: Cameras, turn: Float[Tensor, "3 3"]) -> float:
    """Angle between two cameras, after the heads were laid onto each other."""
    gap = (turn @ found.c2w[0, :3, :3]).T @ true.c2w[0, :3, :3]
    return math.degrees(math.acos(float(((gap.trace() - 1) / 2).clamp(-1, 1))))
