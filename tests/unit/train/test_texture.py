"""What the colour pass draws from, and that photos' tints leave the albedo alone."""

import torch

from head3d.perception.types import Region
from head3d.train.texture import PRESENT, PhotoTints, SurfacePixels, agreed, kind_of


def pixels(photo: list[int]) -> SurfacePixels:
    """Pixels of one place."""
    count = len(photo)
    flat = torch.zeros(count, 3)
    return SurfacePixels(flat + 0.001, flat, flat, flat, torch.tensor(photo), flat, torch.ones(count))


def test_a_lock_on_the_cheek_of_a_worse_photo_is_left_out():
    found = pixels([0] * 10 + [1] * 10)
    kind = torch.tensor([0] * 10 + [1] * 5 + [0] * 5)
    quality = torch.tensor([0.9] * 10 + [0.5] * 10)
    agree = agreed(found, quality, kind)
    assert (agree[:10] == 1).all() and (agree[15:] == 1).all() and (agree[10:15] < 0.05).all()
    swapped = agreed(found, quality.flip(0), kind)
    assert (swapped == 1).all(), "where the best photo shows both, both are there"


def test_a_hairline_within_the_best_photo_stays():
    kind = torch.tensor([0] * 8 + [1] * 2 + [1] * 3)
    assert 2 / 10 > PRESENT
    assert (agreed(pixels([0] * 10 + [1] * 3), torch.ones(13), kind) == 1).all()


def test_kinds_are_skin_hair_and_cloth():
    labels = torch.tensor([int(Region.SKIN), int(Region.HAIR), int(Region.CLOTH), int(Region.EYES)])
    assert kind_of(labels).tolist() == [0, 1, 2, 0]


def test_tints_are_of_each_photo_and_smooth_in_space():
    tints = PhotoTints(2)
    with torch.no_grad():
        tints.log[1, 0] = torch.linspace(-0.2, 0.2, tints.log.shape[-1])
    points = torch.tensor([[-0.3, 0.0, 0.0], [0.0, 0.1, 0.0], [0.3, 0.0, 0.1]])
    still = tints(points, torch.zeros(3, dtype=torch.long)).detach()
    moved = tints(points, torch.ones(3, dtype=torch.long)).detach()
    assert torch.equal(still, torch.ones(3, 3)) and torch.equal(moved[:, 1:], torch.ones(3, 2))
    assert moved[0, 0] < 0.85 and abs(float(moved[1, 0]) - 1) < 1e-4 and moved[2, 0] > 1.15
