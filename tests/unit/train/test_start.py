"""The light of photos is told from skin of one colour: a sky and few lamps, one exposure for each photo."""

import math

import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics
from head3d.geometry.sh import irradiance_basis
from head3d.imaging.color import srgb_from_linear
from head3d.perception.types import Region
from head3d.train.lamp_fit import fit_lamps, lamp_directions, lamp_harmonics, lamp_shading
from head3d.train.rays import TrainPhoto
from head3d.train.start import grey_part, solve_light
from head3d.train.survey import Survey

SKIN = torch.tensor([0.45, 0.27, 0.19])
SIDES = torch.tensor([[0.0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])


def lit(normals, lamps, sky=0.25):
    """Matte white under lamps of (direction, power) and a sky."""
    seen = torch.full((len(normals),), sky)
    for direction, power in lamps:
        toward = torch.nn.functional.normalize(torch.tensor(direction), dim=-1)
        seen = seen + power / math.pi * (normals @ toward).clamp_min(0)
    return seen


def survey(lights, *, gains=None, noise=0.03, seed=0, yaw_deg=70.0):
    """A ball of skin, seen from yaws spread evenly, one photo under each light."""
    generator = torch.Generator().manual_seed(seed)
    columns = []
    yaws = torch.linspace(-yaw_deg, yaw_deg, len(lights))
    for number, (yaw, lamps) in enumerate(zip(yaws.deg2rad(), lights, strict=True)):
        normals = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator), dim=-1)
        facing = normals @ torch.stack([yaw.sin(), torch.zeros(()), yaw.cos()])
        normals, facing = normals[facing > 0.2], facing[facing > 0.2]
        grain = 1 + noise * torch.randn(len(normals), 1, generator=generator)
        colors = lit(normals, lamps)[:, None] * SKIN * grain * (1.0 if gains is None else gains[number])
        photo = torch.full((len(normals),), number)
        columns.append(
            [normals * 0.1, normals, colors, facing, torch.ones_like(photo), photo, torch.ones(len(normals))]
        )
    return Survey(*(torch.cat(column) for column in zip(*columns, strict=True)))


def shown(sh, normals):
    """What a white matte surface shows, per photo and normal."""
    return torch.einsum("pk,nkc->npc", irradiance_basis(normals), sh).mean(-1)


def solved(seen, count):
    return solve_light(seen, SKIN.expand(len(seen.points), 3), count=count, use=seen.label > 0, ridge=0.01)


KEY = ([-0.6, 0.6, 0.7], 2.2), ([0.8, 0.2, 0.6], 0.9), ([0.2, 0.5, -0.9], 1.4)


def test_one_light_is_found_also_where_few_photos_look():
    found = shown(solved(survey([KEY] * 5), 5), SIDES)
    torch.testing.assert_close(found, lit(SIDES, KEY).expand(5, -1), rtol=0.12, atol=0.05)


def test_exposures_do_not_become_lamps():
    gains = [0.6, 1.0, 1.5, 0.8, 1.2]
    found = shown(solved(survey([KEY] * 5, gains=gains), 5), SIDES)
    shape = found / found.mean(1, keepdim=True)
    true = lit(SIDES, KEY)
    torch.testing.assert_close(shape, (true / true.mean()).expand(5, -1), rtol=0.15, atol=0.06)
    ratio = found.mean(1) / found.mean()
    torch.testing.assert_close(ratio, torch.tensor(gains) / torch.tensor(gains).mean(), rtol=0.1, atol=0)


def test_every_photo_may_have_a_light_of_its_own():
    left, right = [([1.0, 0.3, 0.5], 2.5)], [([-1.0, 0.3, 0.5], 2.5)]
    front = SIDES[:3]
    found = shown(solved(survey([left, right, left, right], yaw_deg=15.0), 4), front)
    for number, lamps in enumerate([left, right, left, right]):
        true = lit(front, lamps)
        assert (found[number, 1] > found[number, 2]) == (true[1] > true[2])
        assert float((found[number] - true).abs().max()) < 0.25 * float(true.max())


def test_a_photo_that_shows_no_skin_gets_the_light_of_nothing():
    seen = survey([KEY] * 2)
    sh = solve_light(seen, SKIN.expand(len(seen.points), 3), count=3, use=seen.label > 0, ridge=0.01)
    assert float(sh[2, 1:].abs().max()) == 0 and float(sh[2, 0].min()) > 0


class TestLamps:
    def test_few_lamps_explain_what_few_lamps_made(self):
        normals = torch.nn.functional.normalize(
            torch.randn(3000, 3, generator=torch.Generator().manual_seed(1)), dim=-1
        )
        shading = lamp_shading(normals)
        true = torch.zeros(shading.shape[1], dtype=torch.float64)
        true[[20, 150]], true[-1] = torch.tensor([2.0, 1.0], dtype=torch.float64), 0.2
        found, weight = fit_lamps(shading, shading @ true, thrift=0.003)
        torch.testing.assert_close(shading @ found, shading @ true, rtol=0.02, atol=0.01)
        assert int((found[:-1] > 0.02).sum()) < 12 and bool((found >= 0).all()) and float(weight.min()) > 0

    def test_an_outlier_is_no_lamp(self):
        normals = torch.nn.functional.normalize(
            torch.randn(3000, 3, generator=torch.Generator().manual_seed(2)), dim=-1
        )
        shading = lamp_shading(normals)
        seen = torch.full((3000,), 0.5, dtype=torch.float64)
        seen[normals[:, 0] > 0.97] = 3.0  # a highlight
        found, weight = fit_lamps(shading, seen, thrift=0.01)
        assert float((shading @ found)[normals[:, 0] < 0.5].sub(0.5).abs().max()) < 0.05
        assert float(weight[normals[:, 0] > 0.97].max()) < 0.1

    @pytest.mark.parametrize("axis", range(3))
    def test_harmonics_shade_as_the_lamps_do(self, axis):
        """Order 2 holds all but a few hundredths of a lamp's light (Ramamoorthi and Hanrahan 2001)."""
        power = torch.zeros(len(lamp_harmonics()))
        power[int((lamp_directions() @ torch.eye(3)[axis]).argmax())] = math.pi
        normals = lamp_directions(500)
        by_lamps = lamp_shading(normals).float() @ power
        by_harmonics = irradiance_basis(normals) @ (power @ lamp_harmonics())
        assert float((by_lamps - by_harmonics).abs().max()) < 0.13


def wall_photo(wall, cloth) -> TrainPhoto:
    """A wall above a shirt, with some noise."""
    height, width = 80, 80
    labels = np.full((height, width), int(Region.BACKGROUND), np.uint8)
    labels[40:] = int(Region.CLOTH)
    matte = np.where(labels == Region.CLOTH, 255, 0).astype(np.uint8)
    rgb = np.where((labels == Region.CLOTH)[..., None], np.array(cloth), np.array(wall))
    rgb = (rgb + np.random.default_rng(0).normal(0, 3, rgb.shape)).clip(0, 255).astype(np.uint8)
    camera = Cameras(torch.eye(4)[None], intrinsics(100.0, (height, width))[None], (height, width))
    full = np.full((height, width), 255, np.uint8)
    return TrainPhoto("wall", rgb, matte, labels, full, full, full, np.zeros_like(labels), camera)


@pytest.mark.parametrize(
    ("wall", "cloth", "found"),
    [
        ((140, 140, 138), (40, 60, 90), (140, 140, 138)),  # a studio's wall
        ((180, 160, 130), (228, 228, 232), (228, 228, 232)),  # a white shirt before a painted one
        ((180, 160, 130), (40, 60, 90), None),
        ((20, 20, 20), (60, 60, 61), None),  # the dark
    ],
)
def test_what_looks_grey_tells_the_light(wall, cloth, found):
    grey = grey_part(wall_photo(wall, cloth))
    if found is None:
        assert grey is None
    else:
        assert grey is not None
        torch.testing.assert_close(srgb_from_linear(grey) * 255, torch.tensor(found).float(), atol=2.5, rtol=0)


def test_a_wall_that_was_put_there_tells_nothing():
    photo = wall_photo((128, 128, 128), (40, 60, 90))
    photo.rgb_srgb[photo.labels == Region.BACKGROUND] = 128
    assert grey_part(photo) is None
