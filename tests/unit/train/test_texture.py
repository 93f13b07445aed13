"""Kinds of things in photos, and that photos' tints leave the albedo alone."""

import torch

from head3d.perception.types import Region
from head3d.train.kinds import kind_of
from head3d.train.texture import PhotoTints


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
