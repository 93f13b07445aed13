"""Expressions a user can ask for, on the default head model."""

import json
from dataclasses import replace

import pytest
import torch

from head3d.errors import ConfigError
from head3d.field.expression import displaced, expression_map, folds, lattice_of_faces
from head3d.field.gaze import LIMIT_RAD
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.morphable.expressions import SMILE, expression_vector, eyeballs, find_expression, posed_skin
from head3d.morphable.head_model import load_head_model
from head3d.morphable.types import HeadFit, HeadModel

PHOTOS = ["a.jpg", "b c.png"]
pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def fit(model: HeadModel) -> HeadFit:
    vertices, units = len(model.mean), len(model.expression_names)
    camera = Cameras(
        look_at_head(yaw_deg=0, pitch_deg=0, distance_m=1.0)[None], intrinsics(500, (64, 64))[None], (64, 64)
    )
    made = HeadFit(
        model=model,
        identity=torch.zeros(len(model.identity_basis)),
        offsets=torch.zeros(vertices, 3),
        expression=torch.zeros(2, units),
        joints=torch.zeros(2, 3, 3),
        sh=torch.zeros(2, 9, 3),
        cameras=(camera, camera),
        albedo=torch.full((vertices, 3), 0.5),
        residual_px=torch.zeros(2),
    )
    made.expression[1, model.expression_names.index("jawOpen")] = 0.2
    return replace(made, joints=torch.full((2, 3, 3), 0.5))


def test_neutral_moves_nothing(fit: HeadFit):
    shown = find_expression("neutral", fit, PHOTOS)
    assert shown.name == "" and not shown.units.any() and not shown.eyes.any()


def test_a_part_of_a_smile_is_that_part_of_its_units(fit: HeadFit):
    whole, half = find_expression("smile", fit, PHOTOS), find_expression("smile:0.5", fit, PHOTOS)
    torch.testing.assert_close(half.units, 0.5 * whole.units)
    assert int((whole.units > 0).sum()) == len(SMILE) and whole.name == "smile"


def test_a_photos_own_expression_and_gaze_within_what_eyes_do(fit: HeadFit):
    shown = find_expression("photo:b c.png", fit, PHOTOS)
    assert torch.equal(shown.units, fit.expression[1]) and shown.name == "photo-2"
    assert float(shown.eyes.norm(dim=-1).max()) <= LIMIT_RAD + 1e-6


def test_units_from_a_file_take_both_sides_unless_told(fit: HeadFit, tmp_path):
    path = tmp_path / "wink.json"
    path.write_text(json.dumps({"mouthSmile": 0.4, "eyeBlinkLeft": 1}))
    shown = find_expression(str(path), fit, PHOTOS)
    named = dict(zip(fit.model.expression_names, shown.units.tolist(), strict=True))
    assert named["mouthSmileLeft"] == named["mouthSmileRight"] == pytest.approx(0.4)
    assert named["eyeBlinkLeft"] == 1 and named["eyeBlinkRight"] == 0 and shown.name == "wink"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smirk", "no expression 'smirk'"),
        ("a.jpg", "photo:a.jpg"),
        ("photo:x.jpg", "no photo 'x.jpg'"),
        ("smile:much", "smile of 'much'"),
        ("smile:7", "smile of '7'"),
        ("nowhere.json", "nowhere.json"),
    ],
)
def test_what_does_not_exist_is_named(fit: HeadFit, text: str, told: str):
    with pytest.raises(ConfigError) as caught:
        find_expression(text, fit, PHOTOS)
    assert told in caught.value.message + (caught.value.hint or "")


@pytest.mark.parametrize("content", ["[]", '{"jawOpen": "wide"}', "{", '{"jawOpn": 1}', '{"jawOpen": 40}'])
def test_a_bad_file_is_told(fit: HeadFit, tmp_path, content: str):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        find_expression(str(path), fit, PHOTOS)


def test_shoulders_and_the_back_of_the_head_stay(fit: HeadFit):
    neutral, posed = posed_skin(fit, torch.ones(len(fit.model.expression_names)))
    moved = (posed.vertices - neutral.vertices).norm(dim=-1)
    assert moved[fit.model.mean[:, 1] < -0.17].max() == 0 and moved[fit.model.mean[:, 2] < -0.02].max() == 0
    assert moved.max() > 0.01


def test_eyeballs_are_where_the_model_has_them(fit: HeadFit):
    for eye, side in zip(eyeballs(fit), (-1, 1), strict=True):
        assert side * float(eye.centre[0]) > 0.02 and float(eye.forward[2]) > 0.99
        assert 0.011 < eye.radius_m < 0.017 and 0.3 < eye.iris_rad < 0.5


@pytest.mark.parametrize(
    "units", [SMILE, {"eyeBlink": 0.6}, {"mouthPucker": 0.6}, {"eyeWide": 1.0}], ids=["smile", "blink", "kiss", "wide"]
)
def test_the_face_is_carried_back_and_space_keeps_its_order(fit: HeadFit, units):
    neutral, posed = posed_skin(fit, expression_vector(units, fit.model))
    found = expression_map(neutral, posed)
    assert found is not None
    face = torch.zeros(len(neutral.vertices), dtype=torch.bool)
    for name in ("face", "lips", "eyelids"):
        face[fit.model.groups[name]] = True
    corners, weights = lattice_of_faces(posed.vertices, posed.faces[face[posed.faces].all(1)], step_m=0.0017)
    start, end = ((mesh.vertices[corners] * weights[..., None]).sum(1) for mesh in (posed, neutral))
    error = (displaced(found, start) - end).norm(dim=-1)
    assert error.median() < 3e-4 and error.quantile(0.95) < 1e-3
    assert not folds(found).any()
