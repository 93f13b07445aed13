"""What photos saw of a ball: its visibility can be computed."""

import math

import pytest
import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.quality.config import GateConfig
from head3d.quality.gate import deliverable, judge_sight, missing_side
from head3d.quality.sight_overlay import draw_sight
from head3d.render.confidence import EXTRAPOLATED, SEEN, Shares, sight_volume, view_confidence
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.volume import render_view
from tests.stages.ball import RADIUS_M, camera, lamp, untrained

PHOTO_PX = 256


@pytest.fixture(scope="module")
def field() -> RadianceField:
    """The untrained ball, its paint taken from everywhere."""
    small = GridConfig(levels=2, coarsest_cells=8, finest_cells=16, table_log2=8)
    return untrained(FieldConfig(geometry=small, color=small, hidden=8), seen=lambda places: torch.ones(len(places)))


@pytest.fixture(scope="module")
def cache(field: RadianceField) -> ShellCache:
    made = ShellCache(field)
    made.refresh(field)
    return made


def at(sight: Volume, azimuth_deg: float) -> float:
    """Confidence on the equator; azimuth 0 is in front, > 0 towards the subject's left."""
    a = math.radians(azimuth_deg)
    place = RADIUS_M * torch.tensor([[math.sin(a), 0.0, math.cos(a)]])
    node = ((place - sight.origin) / sight.cell_m).round().long()[0]
    return float(sight.values[0, node[2], node[1], node[0]])


def shares_from(field: RadianceField, cache: ShellCache, sight: Volume, yaw_deg: float) -> Shares:
    view = View("any", camera(yaw_deg, size=128), lamp(1.0))
    output = render_view(field, view, config=RenderConfig(mirror_unseen=False), cache=cache)
    return view_confidence(sight, output, view).shares


class TestSight:
    def test_a_frontal_photo_sees_the_front_grazes_the_sides_and_knows_nothing_of_the_back(self, field, cache):
        sight = sight_volume(field, cache, [camera(0, size=PHOTO_PX)])
        # seen from 0.6 m the ball's horizon lies at acos(0.09 / 0.6) = 81 degrees
        assert at(sight, 0) > 0.9 and at(sight, 40) > SEEN and at(sight, -40) > SEEN
        assert EXTRAPOLATED <= at(sight, 68) < SEEN
        assert at(sight, 110) < EXTRAPOLATED and at(sight, 180) == 0

    def test_the_other_half_is_carried_over_from_a_photo_of_one_side(self, field, cache):
        sight = sight_volume(field, cache, [camera(-60, size=PHOTO_PX)])  # it shows the subject's left
        assert at(sight, 60) > SEEN and EXTRAPOLATED <= at(sight, -60) < SEEN

    def test_coarse_photos_say_less(self, field, cache):
        fine, coarse = (sight_volume(field, cache, [camera(0, size=size)]) for size in (PHOTO_PX, 48))
        assert at(coarse, 0) < at(fine, 0)

    def test_places_outside_the_picture_are_not_seen(self, field, cache):
        half = camera(0, size=PHOTO_PX).cropped(0.6 * PHOTO_PX, 0, (PHOTO_PX, PHOTO_PX // 2))
        sight = sight_volume(field, cache, [half])
        assert at(sight, 40) > SEEN and at(sight, -40) < SEEN

    def test_what_another_part_hides_is_not_seen(self, field, cache):
        """A camera behind the ball would show the front, were the ball not in the way."""
        behind = sight_volume(field, cache, [camera(180, size=PHOTO_PX)])
        assert at(behind, 180) > 0.9 and at(behind, 0) == 0

    def test_pixels_that_training_did_not_use_do_not_count(self, field, cache):
        before = field.glimpsed[0].clone()
        field.glimpsed[0] = 0.0
        sight = sight_volume(field, cache, [camera(0, size=PHOTO_PX)])
        field.glimpsed[0] = before
        assert sight.values.abs().max() == 0


class TestShares:
    def test_they_add_up_and_follow_the_angle(self, field, cache):
        sight = sight_volume(field, cache, [camera(0, size=PHOTO_PX)])
        found = [shares_from(field, cache, sight, yaw) for yaw in (0, 60, 120, 180)]
        for one in found:
            assert one.seen + one.extrapolated + one.invented == pytest.approx(1.0)
        assert found[0].seen > 0.8 and found[0].invented < 0.02 and found[3].invented > 0.8
        seen = [one.seen for one in found]
        assert seen == sorted(seen, reverse=True)

    def test_a_turned_head_shows_as_much_as_geometry_says(self, field, cache):
        """Seen from 90 degrees, half of the disc lies before the plane through the axis, minus the grazing rim."""
        sight = sight_volume(field, cache, [camera(0, size=PHOTO_PX)])
        one = shares_from(field, cache, sight, 90)
        # cos > 0.28 (half confidence) to a camera 0.6 m away ends 63 degrees from the front; in the side view that is
        # the cap z > 0.45 R of the disc: (acos(0.45) - 0.45 sin(acos 0.45)) / pi = 0.22
        assert one.seen == pytest.approx(0.22, abs=0.05)
        assert one.unseen_towards[0] < -0.8
        assert one.invented_towards[0] < -0.8 and one.invented_towards[2] < -0.2  # the subject's right, and behind

    def test_no_head_no_shares(self, field, cache):
        sight = sight_volume(field, cache, [])
        assert shares_from(field, cache, sight, 0).invented == 1.0


class TestGate:
    @pytest.mark.parametrize(("invented", "level"), [(0.0, "good"), (0.2, "warned"), (0.7, "refused")])
    def test_levels(self, invented, level):
        verdict = judge_sight("front", Shares(1 - invented, 0.0, invented, (1.0, 0.0, 0.0)), config=GateConfig())
        assert verdict.level == level and bool(verdict.sentence) == (level != "good")

    def test_a_view_that_is_mostly_extrapolated_comes_with_a_warning(self):
        half = judge_sight("right-20", Shares(0.5, 0.45, 0.05), config=GateConfig())
        towards = (0.9, 0.0, 0.2)
        most = judge_sight("profile-right", Shares(0.2, 0.73, 0.07, unseen_towards=towards), config=GateConfig())
        assert half.level == "good" and most.level == "warned"
        assert most.sentence.startswith("profile-right: photos show 20% of the head")
        assert most.sentence.endswith("Add a photo from their left.")
        old = judge_sight("profile-right", Shares(0.2, 0.8, 0.0), config=GateConfig())
        assert old.sentence.endswith("Add a photo from that side."), "an older view does not say where"
        assert judge_sight("x", Shares(0.0, 1.0, 0.0), config=GateConfig(warn_unseen=1.0)).level == "good"

    def test_it_says_which_photo_would_help(self):
        verdict = judge_sight("profile-right", Shares(0.3, 0.3, 0.4, (0.9, 0.1, 0.3)), config=GateConfig())
        assert "40% of the head" in verdict.sentence and "Add a photo from their left." in verdict.sentence

    @pytest.mark.parametrize(
        ("towards", "words"),
        [
            ((-1.0, 0.0, 0.1), "from their right"),
            ((0.8, 0.0, -0.7), "from their left and behind"),
            ((0.0, 0.1, -1.0), "from behind"),
            ((0.1, 0.0, 1.0), "from the front"),
            ((0.0, 1.0, 0.1), "from above"),
            ((0.0, -1.0, 0.1), "from below"),
        ],
    )
    def test_sides_are_the_persons_own(self, towards, words):
        assert missing_side(towards) == words

    def test_refused_views_are_put_aside_even_if_nothing_is_left(self):
        bad = judge_sight("back", Shares(0.0, 0.0, 1.0), config=GateConfig())
        good = judge_sight("front", Shares(1.0, 0.0, 0.0), config=GateConfig())
        assert deliverable(["front", "back"], {"front": good, "back": bad}) == {"front"}
        assert deliverable(["back"], {"back": bad}) == set()
        assert deliverable(["old"], {}) == {"old"}


def test_the_overlay_marks_what_was_not_seen(field, cache):
    view = View("any", camera(180, size=96), lamp(1.0))
    output = render_view(field, view, config=RenderConfig(), cache=cache)
    seen = draw_sight(output, torch.ones(96, 96), size=48).astype(int)
    made_up = draw_sight(output, torch.zeros(96, 96), size=48).astype(int)
    assert seen.shape == (48, 48, 3) and abs(seen[0, 0] - made_up[0, 0]).max() <= 1
    middle = made_up[24, 24]
    assert middle[0] > middle[1] + 40 and middle[0] > middle[2] + 40
