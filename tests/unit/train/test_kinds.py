"""A ball in a collar: what photos show of it goes on round the back."""

import torch

from head3d.field.volumes import Volume, box_grid
from head3d.perception.types import Region
from head3d.train.fill import SKIN
from head3d.train.kinds import CLOTH, HAIR, learned_kinds, node_kinds
from head3d.train.survey import Survey
from tests.stages.ball import RADIUS_M

GRID, ORIGIN = box_grid(torch.full((3,), -0.11), torch.full((3,), 0.11), 0.004)
PAINT = Volume(torch.zeros(4, *GRID), ORIGIN, 0.004)
NODES = PAINT.nodes()
NEAR = torch.nonzero((NODES.norm(dim=-1) - RADIUS_M).abs() < 0.012)[:, 0]


def survey_of(points: torch.Tensor, label: torch.Tensor) -> Survey:
    count = len(points)
    ones = torch.ones(count)
    normals = torch.nn.functional.normalize(points, dim=-1)
    return Survey(points, normals, torch.full((count, 3), 0.5), ones, label, torch.zeros(count, dtype=torch.long), ones)


def front(collar_m: float) -> Survey:
    """The front half: clothes below a height, skin above it."""
    ways = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    points = RADIUS_M * torch.nn.functional.normalize(ways, dim=-1)
    points = points[points[:, 2] > 0]
    return survey_of(points, torch.where(points[:, 1] < collar_m, int(Region.CLOTH), int(Region.SKIN)))


def usual(kind: int) -> torch.Tensor:
    return torch.eye(3)[kind].expand(len(NEAR), 3)


def test_labels_are_kept_to_a_node_where_a_photo_looks():
    found = node_kinds(front(-0.03), PAINT, NEAR, usual(SKIN), chin_y_m=-1.0).kind[NEAR]
    at = NODES[NEAR]
    seen = (at[:, 2] > 0.01) & ((at[:, 1] + 0.03).abs() > 0.004)
    wanted = torch.where(at[:, 1] < -0.03, CLOTH, SKIN)
    assert float((found == wanted)[seen].float().mean()) > 0.995


def test_a_collar_goes_on_round_the_back_before_what_is_usual_takes_over():
    found = node_kinds(front(-0.03), PAINT, NEAR, usual(HAIR), chin_y_m=-1.0).kind[NEAR]
    at = NODES[NEAR]
    beside = (at[:, 2] < 0) & (at[:, 2] > -0.012)
    assert float((found == torch.where(at[:, 1] < -0.03, CLOTH, SKIN))[beside].float().mean()) > 0.9
    behind = at[:, 2] < -0.06
    assert float((found[behind] == HAIR).float().mean()) > 0.95


def test_the_mirrored_place_speaks_where_no_photo_looks():
    ways = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    points = RADIUS_M * torch.nn.functional.normalize(ways, dim=-1)
    right = points[points[:, 0] > 0.01]
    seen = survey_of(right, torch.full((len(right),), int(Region.CLOTH)))
    found = node_kinds(seen, PAINT, NEAR, usual(SKIN), chin_y_m=-1.0).kind
    left = NEAR[NODES[NEAR, 0] < -0.02]
    assert (found[left] == CLOTH).all()
    outside = NODES[:, 0] < -RADIUS_M - 0.012
    assert (found[outside] == CLOTH).all(), "off the surface as what is nearest"


def test_wall_says_nothing():
    seen = front(-0.03)
    wall = Survey(**{**seen.__dict__, "label": torch.zeros_like(seen.label)})
    assert (node_kinds(wall, PAINT, NEAR, usual(HAIR), chin_y_m=-1.0).kind[NEAR] == HAIR).all()


def test_a_body_that_moved_tells_of_the_collar_and_not_of_the_arms():
    seen = front(-0.03)
    moved = Survey(**{**seen.__dict__, "weight": torch.zeros(len(seen.weight))})
    found = node_kinds(moved, PAINT, NEAR, usual(HAIR), chin_y_m=0.04).kind[NEAR]
    at = NODES[NEAR]
    front_ = at[:, 2] > 0.02
    collar, arms = front_ & (at[:, 1] > -0.02), front_ & (at[:, 1] < -0.07)
    assert float((found[collar] == SKIN).float().mean()) > 0.95
    assert float((found[arms] == HAIR).float().mean()) > 0.9


def test_hair_hangs_no_lower_than_photos_show_it():
    ways = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    points = RADIUS_M * torch.nn.functional.normalize(ways, dim=-1)
    beard = (points[:, 0].abs() < 0.05) & (points[:, 2] > 0.03)
    points = points[(points[:, 2] > 0) & ((points[:, 1] > 0) | beard)]
    seen = survey_of(points, torch.full((len(points),), int(Region.HAIR)))
    likely = torch.tensor([0.1, 0.6, 0.3]).expand(len(NEAR), 3)
    found = node_kinds(seen, PAINT, NEAR, likely, chin_y_m=-1.0).kind[NEAR]
    at = NODES[NEAR]
    assert (found[at[:, 1] > 0.01] == HAIR).all()
    assert (found[(at[:, 1] < -0.06) & (at[:, 2] < -0.03)] == CLOTH).all()


def test_training_that_moved_the_surface_moves_its_kinds_with_it():
    lock = survey_of(1.1 * front(-0.03).points, torch.full((len(front(-0.03).points),), int(Region.HAIR)))
    before = node_kinds(front(-0.03), PAINT, NEAR, usual(SKIN), chin_y_m=-1.0).kind
    found = learned_kinds(lock, PAINT, NODES.norm(dim=-1) - 1.1 * RADIUS_M, before)
    on = (NODES.norm(dim=-1) - 1.1 * RADIUS_M).abs() < 0.004
    assert (found[on & (NODES[:, 2] > 0.01)] == HAIR).all()
    assert (found[on & (NODES[:, 2] < -0.08)] == SKIN).all()
