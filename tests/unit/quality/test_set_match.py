"""A face against the others of its set: one head, one light; what disagrees with all of them is told."""

import cv2
import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.quality.photo_match import SIDE_PX, SeenPhoto
from head3d.quality.set_match import SET_SIGNS, SeenPicture, before, match_set

LIGHT = torch.ones(9, 3)


def camera(yaw_deg: float = 0.0) -> Cameras:
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.0)
    return Cameras(pose[None], intrinsics(1000.0, (SIDE_PX, SIDE_PX))[None], (SIDE_PX, SIDE_PX))


@pytest.fixture
def face() -> np.ndarray:
    """Features of several sizes and colours on skin."""
    draw, found = np.random.default_rng(3), np.full((SIDE_PX, SIDE_PX, 3), 150, np.float32)
    for cell, strength in ((16, 40), (6, 20), (1, 6)):
        noise = draw.normal(0, strength, (SIDE_PX // cell, SIDE_PX // cell, 3)).astype(np.float32)
        found += cv2.resize(noise.mean(-1, keepdims=True).repeat(3, 2) + 0.3 * noise, (SIDE_PX, SIDE_PX))
    return found.clip(10, 245).astype(np.uint8)


def seen(pixels: np.ndarray, *, depth_m: float = 1.0, yaw_deg: float = 0.0, light: torch.Tensor = LIGHT) -> SeenPicture:
    """A wall through the head's middle."""
    depth = torch.full((SIDE_PX, SIDE_PX), depth_m)
    return SeenPicture(SeenPhoto(pixels, depth, camera(yaw_deg)), depth, camera(yaw_deg), light)


def against(pixels: np.ndarray, *others: np.ndarray) -> dict[str, float]:
    return match_set(seen(pixels), [seen(one) for one in others])


class TestAgreement:
    def test_a_picture_agrees_with_itself(self, face):
        found = against(face, face)
        assert tuple(sorted(found)) == tuple(sorted(SET_SIGNS))
        assert found["worst"] > 0.7 and found["away"] < 0.2 and found["hidden"] < 0.05
        assert max(found[name] for name in ("cast", "slope", "uneven", "spots", "hue")) < np.log(0.011)

    def test_one_exposure_for_another_is_no_fault(self, face):
        found = against((face * 0.8).astype(np.uint8), face)
        assert found["cast"] < np.log(0.03) and found["uneven"] < np.log(0.04)

    def test_a_picture_that_agrees_with_any_of_them_is_whole(self, face):
        broken = face.copy()
        broken[:, :80] //= 2
        assert against(face, broken, face)["uneven"] < np.log(0.011)
        assert against(broken, face, face)["uneven"] > np.log(0.2)

    def test_pictures_from_the_other_side_say_nothing(self, face):
        assert match_set(seen(face), [seen(face, yaw_deg=80.0)]) == {}
        assert match_set(seen(face), []) == {}

    def test_another_surface_is_not_compared(self, face):
        assert match_set(seen(face), [seen(face, depth_m=0.95)]) == {}


class TestFaults:
    def test_a_cast_is_a_cast_and_nothing_else(self, face):
        found, tint = against((face * (0.75, 1.0, 1.0)).astype(np.uint8), face), np.log(0.2)
        assert found["cast"] > tint and found["hue"] < tint and found["away"] < 0.2

    def test_light_from_the_side_slopes(self, face):
        side = np.linspace(0.6, 1.3, SIDE_PX)[None, :, None]
        assert against((face * side).clip(0, 255).astype(np.uint8), face)["slope"] > np.log(0.2)

    def test_a_camera_that_moved_blurs_one_way(self, face):
        kernel = np.full((1, 7), 1 / 7, np.float32)
        found = against(cv2.filter2D(face, -1, kernel), face)
        assert found["weakest"] < -0.5 and found["weakest"] < found["fine"]

    def test_skin_wiped_smooth_is_told_by_its_quiet_places(self, face):
        edges = face.copy()
        edges[::40] = 100
        wiped = cv2.medianBlur(edges, 7)
        wiped[::40] = 100
        found = against(wiped, edges)
        assert found["quiet"] < -0.4 and found["quiet"] < found["fine"]

    def test_features_in_another_place_are_found_there(self, face):
        moved = face.copy()
        moved[:, 80:] = np.roll(face, 8, axis=0)[:, 80:]
        found = against(moved, face)
        assert 3.0 < found["away"] < 6.0 and 7.0 <= found["away_most"] <= 9.0

    def test_light_is_compared_under_the_same_light_only(self, face):
        other = (face * np.linspace(0.6, 1.3, SIDE_PX)[None, :, None]).clip(0, 255).astype(np.uint8)
        mine, moved = seen(face), seen(other, light=2 * LIGHT)
        assert match_set(mine, [moved])["same_light"] == 0
        both = match_set(mine, [moved, seen(face)])
        assert both["same_light"] == 1 and both["slope"] < np.log(0.02)


class TestFreeSpace:
    def scene(self, *, lump: bool = False, hole: bool = False, beyond: bool = False) -> SeenPicture:
        """A disc before a backdrop, as two cameras of the same place see it."""
        y, x = torch.meshgrid(torch.arange(SIDE_PX), torch.arange(SIDE_PX), indexing="ij")
        depth = torch.where((x - 80) ** 2 + (y - 80) ** 2 < 50**2, 1.0, torch.inf)
        if lump:
            depth[10:25, 10:25] = 1.0
        if hole:
            depth[70:90, 70:90] = torch.inf
        if beyond:
            depth[:40] = 0.0
        return SeenPicture(
            SeenPhoto(np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8), depth, camera()), depth, camera(), LIGHT
        )

    def test_what_both_see_is_not_in_the_way(self):
        assert before(self.scene(), self.scene()) == 0

    def test_a_lump_in_the_air_is_where_the_other_sees_through(self):
        assert before(self.scene(lump=True), self.scene()) > 0.01
        assert before(self.scene(), self.scene(lump=True)) == 0

    def test_a_hole_sees_through_what_the_other_shows(self):
        assert before(self.scene(), self.scene(hole=True)) > 0.01

    def test_what_is_beyond_the_picture_says_nothing(self):
        assert before(self.scene(lump=True), self.scene(beyond=True)) == 0
