"""Skin is told apart from its light: by pigments, usual exposure and white balance, and the whites of the eyes."""

import pytest
import torch

from head3d.morphable.chromophores import skin_color, typology_angle_deg
from head3d.morphable.skin_tone import Beliefs, anchor_skin

BELIEFS = Beliefs()


def photo(melanin, light, blood=0.01):
    """Albedo, and what a photo shows of such skin and of the white of its eyes, as the beliefs have it."""
    albedo = skin_color(torch.tensor(melanin), torch.tensor(blood))
    shown = (albedo + BELIEFS.gloss) * torch.tensor(BELIEFS.bias).exp()
    white = torch.tensor(BELIEFS.white).exp() * shown.log().mean().mul(BELIEFS.white_slope).exp()
    light = torch.as_tensor(light)
    return albedo, shown * light, white * light


def angle(albedo):
    return float(typology_angle_deg(albedo))


@pytest.mark.parametrize("melanin", [0.01, 0.06, 0.15, 0.35])
def test_exposure_hardly_changes_the_skin(melanin):
    shots = [photo(melanin, exposure) for exposure in (0.5, 0.87, 1.5)]
    found = [anchor_skin([skin], [white]).angle_deg for _, skin, white in shots]
    taken_at_their_word = [angle(skin) for _, skin, _ in shots]
    assert max(found) - min(found) < 0.4 * (max(taken_at_their_word) - min(taken_at_their_word))
    assert all(abs(one - angle(shots[0][0])) < 16 for one in found)


def test_dark_skin_in_bright_light_is_not_light_skin_in_dim_light():
    """Both faces are equally bright in their photos, as a camera that exposes for faces makes them."""
    dark, skin, white = photo(0.35, 0.87)
    light, pale_skin, pale_white = photo(0.02, 0.87)
    level = 0.12 / skin.mean(), 0.12 / pale_skin.mean()
    dark_found = anchor_skin([skin * level[0]], [white * level[0]])
    light_found = anchor_skin([pale_skin * level[1]], [pale_white * level[1]])
    assert light_found.angle_deg - dark_found.angle_deg > 0.5 * (angle(light) - angle(dark))


def test_a_warm_lamp_is_not_all_taken_for_pigment():
    lights = [0.87, 0.87, 0.87], [1.0, 0.85, 0.68]
    found = [anchor_skin([skin], [white]).albedo for _, skin, white in (photo(0.05, light) for light in lights)]
    warmer = float((found[1][0] / found[1][2] * found[0][2] / found[0][0]).log())
    assert 0 <= warmer < 0.85 * float(torch.tensor(1.0 / 0.68).log())


def test_without_eyes_the_usual_exposure_decides():
    albedo, skin, _ = photo(0.05, 0.87)
    found = anchor_skin([skin], [None])
    assert abs(found.angle_deg - angle(albedo)) < 12
    sure = anchor_skin([skin], [photo(0.05, 0.87)[2]])
    assert sure.spread_deg < found.spread_deg


def test_photos_vote_together():
    shots = [photo(0.1, exposure) for exposure in (0.5, 0.87, 1.4)]
    found = anchor_skin([skin for _, skin, _ in shots], [white for *_, white in shots])
    assert abs(found.angle_deg - angle(shots[0][0])) < 8
    assert bool((found.albedo > 0).all()) and bool((found.albedo < 1).all())


def test_a_grey_wall_tells_the_colour_of_the_lamp():
    lights = [torch.tensor([0.87, 0.87, 0.87]), torch.tensor([1.0, 0.85, 0.68])]

    def warmth(greys):
        shots = [photo(0.05, light) for light in lights]
        found = [
            anchor_skin([skin], [white], [grey]).albedo for (_, skin, white), grey in zip(shots, greys, strict=True)
        ]
        return abs(float((found[1][0] / found[1][2] * found[0][2] / found[0][0]).log()))

    assert warmth([0.4 * light for light in lights]) < 0.4 * warmth([None, None])


def test_skin_that_no_pigments_give_keeps_its_colour_before_a_grey_wall():
    _, skin, white = photo(0.05, 0.87)
    rosy = skin * torch.tensor([1.15, 1.0, 1.0])

    def redder(grey):
        plain, red = (anchor_skin([one], [white], [grey]).albedo for one in (skin, rosy))
        return float((red[0] / red[1] * plain[1] / plain[0]).log()) / float(torch.tensor(1.15).log())

    assert redder(None) < redder(torch.full((3,), 0.3)) < 1.1
