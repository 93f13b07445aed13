"""Which photo each place is taken from: one, the best, and the same for features that belong together."""

import torch

from head3d.train.choice import DECISIVE, PRESENT, agreed, decided, photo_quality


def cloud(count: int, *, x: float = 0.001) -> torch.Tensor:
    """Points of one cell."""
    return torch.tensor([[x, 0.001, 0.001]]).repeat(count, 1)


def volume_of(points: torch.Tensor, photo: torch.Tensor, quality: torch.Tensor, *, feature: bool = False):
    return photo_quality(points, photo, quality, torch.full((len(points),), feature), count=3)


def test_a_clearly_worse_photo_is_hardly_drawn_and_an_equal_one_is():
    photo = torch.tensor([0] * 50 + [1] * 50 + [2] * 50)
    points = cloud(150)
    share = decided(volume_of(points, photo, torch.tensor([0.9] * 50 + [0.9] * 50 + [0.6] * 50)), points, photo)
    torch.testing.assert_close(share[:100], torch.ones(100))
    torch.testing.assert_close(share[100:], torch.full((50,), (0.6 / 0.9) ** DECISIVE))


def test_of_two_alike_the_one_with_the_eyes_is_taken():
    points = torch.cat([cloud(100), cloud(100), cloud(40, x=0.1)])
    photo = torch.tensor([0] * 100 + [1] * 100 + [1] * 40)
    quality = torch.tensor([0.9] * 100 + [0.88] * 100 + [0.9] * 40)
    feature = torch.tensor([False] * 200 + [True] * 40)
    share = decided(photo_quality(points, photo, quality, feature, count=2), points, photo)
    assert share[100:200].min() > 0.99 and share[:100].max() < 0.2, "features and what is about them: one photo"


def test_the_choice_changes_smoothly_from_one_photo_to_the_other():
    x = torch.linspace(-0.1, 0.1, 4001)
    points = torch.stack([x, 0 * x, 0 * x], dim=-1).repeat(2, 1)
    photo = torch.tensor([0] * len(x) + [1] * len(x))
    quality = torch.cat([(0.6 - 2 * x), (0.6 + 2 * x)])
    share = decided(volume_of(points, photo, quality), points, photo)[: len(x)]
    assert share[0] > 0.999 and share[-1] < 0.01 and float(share.diff().abs().max()) < 0.02


def test_a_glimpse_has_no_say():
    photo = torch.tensor([0] * 200 + [1])
    points = cloud(201)
    volume = volume_of(points, photo, torch.tensor([0.5] * 200 + [0.9]))
    assert decided(volume, points, photo)[:200].min() > 0.99


def test_a_lock_on_the_cheek_of_a_worse_photo_is_left_out():
    points, photo = cloud(200), torch.tensor([0] * 100 + [1] * 100)
    kind = torch.tensor([0] * 100 + [1] * 50 + [0] * 50)
    quality = torch.tensor([0.9] * 100 + [0.5] * 100)
    fits = agreed(volume_of(points, photo, quality), points, photo, kind)
    assert fits[:100].all() and fits[150:].all() and not fits[100:150].any()
    swapped = agreed(volume_of(points, photo, quality.flip(0)), points, photo, kind)
    assert swapped.all(), "where the best photo shows both, both are there"


def test_a_hairline_within_the_best_photo_stays():
    kind = torch.tensor([0] * 80 + [1] * 20 + [1] * 30)
    assert 20 / 100 > PRESENT
    points, photo = cloud(130), torch.tensor([0] * 100 + [1] * 30)
    assert agreed(volume_of(points, photo, torch.ones(130)), points, photo, kind).all()
