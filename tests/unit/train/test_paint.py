"""The coarse albedo of a ball in a collar, also where no photo looks."""

import math

import torch

from head3d.field.volumes import Volume
from head3d.train.fill import SKIN
from head3d.train.kinds import CLOTH, node_kinds
from head3d.train.paint import paint_nodes
from tests.stages.ball import RADIUS_M
from tests.unit.train.test_kinds import NEAR, NODES, PAINT, front

COLLAR_M, DARK, BRIGHT = -0.0313, 0.2, 0.8


def collared() -> Volume:
    seen = front(COLLAR_M)
    albedo = torch.where(seen.points[:, 1:2] < COLLAR_M, BRIGHT, DARK).expand(-1, 3)
    likely = torch.eye(3)[torch.where(NODES[NEAR, 1] < COLLAR_M, CLOTH, SKIN)]  # as the lift says, by nodes
    kinds = node_kinds(seen, PAINT, NEAR, likely, chin_y_m=-1.0)
    surface = ((NODES.norm(dim=-1) - RADIUS_M).abs() < 0.010).numpy()
    return paint_nodes(PAINT, seen, albedo, kinds=kinds, near_surface=surface)


def test_an_unseen_collar_is_sharp_and_straight():
    paint = collared()
    heights = torch.linspace(COLLAR_M - 0.012, COLLAR_M + 0.012, 97)
    found = []
    for azimuth in range(98, 160, 3):  # behind the outline
        flat = (RADIUS_M**2 - heights**2).sqrt()
        x, z = flat * math.sin(math.radians(azimuth)), flat * math.cos(math.radians(azimuth))
        level = torch.sigmoid(paint.at(torch.stack([x, heights, z], dim=-1))[:, 0])
        assert level[0] > BRIGHT - 0.1 and level[-1] < DARK + 0.1
        assert int(((level > DARK + 0.15) & (level < BRIGHT - 0.15)).sum()) < 30, "within 7.5 mm"
        found.append(float(heights[(level > (DARK + BRIGHT) / 2).sum() - 1]))
    middle = torch.tensor(found)
    assert float(middle.diff().abs().max()) < 0.0006, "nodes are 4 mm apart"
    assert float((middle - COLLAR_M).abs().max()) < 0.004
