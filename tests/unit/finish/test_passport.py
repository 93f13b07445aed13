"""Passport checks agree with cases made by hand: each breaks one rule, and only that one fails."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from head3d.finish.crops import load_crop
from head3d.finish.marks import HeadMarks
from head3d.finish.passport import check_passport, checklist, passes, read_checks, write_checks
from head3d.finish.passport_facts import LEFT_EYE, RIGHT_EYE, ZONES, PassportFacts, passport_facts
from head3d.finish.passport_rules import PassportRules

GOOD = PassportFacts(
    skull=0.12,
    hair=0.05,
    chin=0.86,
    eyes=0.53,
    centre=0.5,
    sides=(0.2, 0.2),
    yaw_deg=0.5,
    pitch_deg=-1.0,
    roll_deg=0.3,
    eye_open=(0.38, 0.37),
    mouth_gap=0.012,
    units={"mouthSmileLeft": 0.05, "eyeLookInLeft": 0.6},
    eye_contrast=(11.0, 12.0),
    background_lightness=88.0,
    background_spread=0.4,
    background_chroma=1.0,
    clipped=0.0,
    crushed=0.0,
    lightness=60.0,
    levels=150,
    zones=0.9,
)
BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("head height", {"skull": 0.20}),
    ("head height", {"skull": 0.055}),
    ("head height", {"chin": 0.80}),
    ("head height", {"chin": 0.93}),
    ("eye line", {"eyes": 0.49}),
    ("eye line", {"eyes": 0.71}),
    ("eye line", {"eyes": 0.30}),
    ("centring", {"centre": 0.44}),
    ("centring", {"centre": 0.56}),
    ("turn to a side", {"yaw_deg": 6.0}),
    ("turn to a side", {"yaw_deg": -6.0}),
    ("turn to a side", {"yaw_deg": 40.0}),
    ("turn up or down", {"pitch_deg": 7.0}),
    ("turn up or down", {"pitch_deg": -7.0}),
    ("tilt", {"roll_deg": 9.0}),
    ("tilt", {"roll_deg": -12.0}),
    ("mouth closed", {"mouth_gap": 0.08}),
    ("mouth closed", {"mouth_gap": 0.4}),
    ("eyes open", {"eye_open": (0.05, 0.38)}),
    ("eyes open", {"eye_open": (0.38, 0.1)}),
    ("neutral expression", {"units": {"mouthSmileLeft": 0.5}}),
    ("neutral expression", {"units": {"browDownRight": 0.8}}),
    ("neutral expression", {"units": {"noseSneerLeft": -0.4}}),
    ("eyes visible", {"eye_contrast": (1.0, 12.0)}),
    ("eyes visible", {"eye_contrast": (11.0, 0.0)}),
    ("background light", {"background_lightness": 60.0}),
    ("background light", {"background_lightness": -1.0}),
    ("background plain", {"background_spread": 9.0}),
    ("background plain", {"background_chroma": 25.0}),
    ("highlights", {"clipped": 0.02}),
    ("exposure", {"lightness": 8.0}),
    ("exposure", {"lightness": 95.0}),
    ("exposure", {"levels": 20}),
    ("exposure", {"crushed": 0.1}),
    ("even light", {"zones": 0.3}),
    ("even light", {"zones": 0.49}),
    ("head not cut", {"hair": -0.02}),
    ("head not cut", {"hair": 0.005}),
    ("head not cut", {"sides": (-0.01, 0.2)}),
    ("head not cut", {"sides": (0.2, -0.01)}),
]


def test_there_are_forty_cases():
    assert len(BROKEN) == 40


def test_a_good_picture_passes_everything():
    assert passes(check_passport(GOOD, PassportRules()))


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_the_broken_rule_and_no_other_fails(rule: str, change: dict[str, Any]):
    checks = check_passport(replace(GOOD, **change), PassportRules())
    assert [one.name for one in checks if not one.passed] == [rule]
    assert all(bool(one.advice) != one.passed for one in checks)
    assert "FAIL" in checklist(checks)


def test_hair_counts_where_the_office_counts_it():
    rules = load_crop("visa-us").passport
    assert rules is not None
    facts = replace(GOOD, eyes=0.6, skull=0.25, hair=0.05, chin=0.8, background_lightness=97.0)
    assert passes(check_passport(facts, rules, top="skull"))
    failed = [one.name for one in check_passport(facts, rules, top="hair") if not one.passed]
    assert failed == ["head height"]


def test_the_list_is_kept_beside_the_picture(tmp_path: Path):
    checks = check_passport(replace(GOOD, yaw_deg=20.0), PassportRules())
    path = write_checks(tmp_path / "front.png", checks, GOOD, preset="passport-eu")
    assert path.name == "front_checks.json" and read_checks(tmp_path / "front.png") == checks


HEIGHT, WIDTH = 450, 350


def drawn(**change: Any) -> tuple[np.ndarray, torch.Tensor, HeadMarks]:
    """A face drawn by hand: skin, two eyes, a grey wall; returns the picture, its alpha and its marks."""
    look = {"wall": 222, "skin": (205, 165, 140), "eyes": True, "shade": 1.0, "tilt": 0.0} | change
    picture = np.full((HEIGHT, WIDTH, 3), look["wall"], np.uint8)
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(alpha, (175, 220), (115, 170), 0, 0, 360, 1.0, -1)
    cv2.rectangle(alpha, (40, 400), (310, HEIGHT), 1.0, -1)
    ramp = np.where(np.arange(WIDTH) < WIDTH // 2, look["shade"], 1.0)[None, :, None]
    texture = np.random.default_rng(0).normal(0, 14, (HEIGHT, WIDTH, 1))
    body = np.clip(np.array(look["skin"]) * ramp + texture, 0, 255).astype(np.uint8)
    picture = np.where(alpha[..., None] > 0, body, picture)
    points = np.full((478, 2), (175.0, 250.0))
    for angle in range(0, 360, 5):  # an outline of the face
        points[200 + angle // 5] = 175 + 85 * np.cos(np.radians(angle)), 250 + 115 * np.sin(np.radians(angle))
    for (x, y), name in zip(((175, 180), (130, 270), (220, 270), (175, 335)), ZONES, strict=True):
        points[ZONES[name]] = x, y
    for ring, x, iris in ((RIGHT_EYE, 137, 468), (LEFT_EYE, 213, 473)):
        angles = np.linspace(0, 2 * np.pi, len(ring), endpoint=False)
        points[list(ring)] = np.stack([x + 18 * np.cos(angles), 213 + 7 * np.sin(angles)], 1)
        points[iris] = x, 213
        if look["eyes"]:
            cv2.ellipse(picture, (x, 213), (18, 7), 0, 0, 360, (235, 230, 225), -1)
            cv2.circle(picture, (x, 213), 6, (60, 40, 30), -1)
    points[13], points[14] = (175, 303), (175, 304)
    turn = np.radians(look["tilt"])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (points - (175, 220)) @ rotation.T + (175, 220)
    marks = HeadMarks(54.0, 50.0, 385.0, 60.0, 290.0, torch.from_numpy(points).float())
    return picture, torch.from_numpy(alpha), marks


def failing(picture: np.ndarray, alpha: torch.Tensor, marks: HeadMarks) -> list[str]:
    facts = passport_facts(picture, alpha, marks, yaw_deg=0.0, pitch_deg=0.0, units={})
    return [one.name for one in check_passport(facts, PassportRules()) if not one.passed]


class TestPictures:
    def test_a_good_picture_passes(self):
        assert failing(*drawn()) == []

    def test_a_dark_wall(self):
        assert failing(*drawn(wall=120)) == ["background light"]

    def test_a_wall_with_stripes(self):
        picture, alpha, marks = drawn()
        picture[::8][alpha.numpy()[::8] == 0] = 180
        assert failing(picture, alpha, marks) == ["background plain"]

    def test_a_shadow_on_one_side_of_the_wall(self):
        picture, alpha, marks = drawn(wall=240)
        picture[:, :175][alpha.numpy()[:, :175] == 0] = 215
        assert failing(picture, alpha, marks) == ["background plain"]

    def test_light_from_one_side_only(self):
        assert failing(*drawn(shade=0.35)) == ["even light"]

    def test_a_beard_is_no_shadow_where_the_albedo_is_known(self):
        picture, alpha, marks = drawn()
        picture[315:356][alpha.numpy()[315:356] > 0] = 70
        albedo = torch.full((HEIGHT, WIDTH, 3), 0.5)
        albedo[315:356] = 0.5 * (70 / 205) ** 2.4
        known = passport_facts(picture, alpha, marks, yaw_deg=0.0, pitch_deg=0.0, units={}, albedo=albedo)
        unknown = passport_facts(picture, alpha, marks, yaw_deg=0.0, pitch_deg=0.0, units={})
        assert unknown.zones < 0.5 < known.zones

    def test_clipped_highlights(self):
        picture, alpha, marks = drawn()
        cv2.circle(picture, (175, 260), 22, (255, 255, 255), -1)
        assert failing(picture, alpha, marks) == ["highlights"]

    def test_a_bar_over_the_eyes(self):
        picture, alpha, marks = drawn()
        picture[200:226, 110:240] = 60
        assert failing(picture, alpha, marks) == ["eyes visible"]

    def test_a_tilted_head(self):
        assert "tilt" in failing(*drawn(tilt=12.0))

    def test_dark_skin_in_good_light_passes_as_light_skin_does(self):
        assert failing(*drawn(skin=(92, 62, 50))) == []

    def test_a_face_without_light(self):
        assert "exposure" in failing(*drawn(skin=(9, 7, 6), eyes=False))
