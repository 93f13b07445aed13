"""The nets on real pictures: points, people, outline, regions, and every reason to refuse a photo."""

import cv2
import numpy as np
import pytest
import skimage.data

from head3d.capture.decode import decode
from head3d.capture.types import Photo
from head3d.perception import topology
from head3d.perception.config import PerceptionConfig
from head3d.perception.identity import distance
from head3d.perception.landmarks import ibug68
from head3d.perception.observe import FaceReading, observe, read_face
from head3d.perception.overlay import draw_overlay
from head3d.perception.types import Region

pytestmark = pytest.mark.weights


def photo(pixels: np.ndarray, name: str = "photo") -> Photo:
    return Photo(name, np.ascontiguousarray(pixels), None, name)


@pytest.fixture(scope="module")
def astronaut():
    (seen,), _ = observe([photo(skimage.data.astronaut())])
    return seen


@pytest.fixture(scope="module")
def people(data_folder):
    def load(path: str) -> np.ndarray:
        return decode((data_folder / path).read_bytes(), max_side_px=3000, max_pixels=10**8).rgb_srgb

    return {
        "anna": load("openpeople/P001/studio_portrait.jpg"),
        "anna_selfie": load("openpeople/P001/amateur_selfie.jpg"),
        "ben": load("openpeople/P005/studio_portrait.jpg"),
        "sheet": load("openpeople/P006/character_sheet.jpg"),
    }


def read(pixels: np.ndarray) -> FaceReading:
    found = read_face(pixels)
    assert found is not None
    return found


def reason(pixels: np.ndarray) -> str:
    seen, (verdict,) = observe([photo(pixels)])
    assert not seen and not verdict.accepted
    return verdict.reasons[0]


class TestAstronaut:
    def test_eyes_mouth_and_irises_are_where_they_are(self, astronaut):
        points = astronaut.landmarks.points_px
        assert points[33] == pytest.approx((194, 101), abs=4)  # outer corner of her right eye
        assert points[263] == pytest.approx((254, 103), abs=6)
        assert points[13] == pytest.approx((227, 150), abs=8)
        irises = astronaut.landmarks.iris_px
        assert irises[0, 0] == pytest.approx(points[list(topology.RIGHT_EYE)].mean(0), abs=4)
        assert irises[1, 1, 0] > irises[1, 3, 0] and irises[1, 2, 1] < irises[1, 4, 1]  # right of left, top over bottom

    def test_a_frontal_face_is_visible_and_sure(self, astronaut):
        assert astronaut.landmarks.visible.mean() > 0.85
        assert astronaut.landmarks.sigma_px.max() < 3.0

    def test_ibug_points_are_the_same_points(self, astronaut):
        assert (ibug68(astronaut.landmarks).points_px[36] == astronaut.landmarks.points_px[33]).all()

    def test_matte_holds_the_head_and_not_the_wall(self, astronaut):
        matte = astronaut.parsing.matte
        assert matte[60:150, 195:245].min() > 0.95
        assert matte[:60, 380:].max() < 0.1

    def test_regions(self, astronaut):
        labels = astronaut.parsing.labels
        assert labels[25, 225] == Region.HAIR
        assert labels[140, 200] == Region.SKIN
        assert labels[20, 350] == Region.BACKGROUND
        assert len(astronaut.parsing.hairline_px) > 20

    def test_moving_the_picture_moves_the_points_along(self, astronaut):
        shifted = np.roll(skimage.data.astronaut(), (40, -60), axis=(0, 1))
        found = read(shifted)
        step = found.landmarks.points_px - astronaut.landmarks.points_px
        assert np.abs(step - (-60, 40)).max() < 1.5

    def test_overlay_has_four_squares(self, astronaut):
        assert draw_overlay(astronaut, size=128).shape == (128, 512, 3)


class TestPeople:
    def test_the_same_person_is_near_another_far(self, people):
        anna, selfie, ben = (read(people[name]) for name in ("anna", "anna_selfie", "ben"))
        assert distance(anna.embedding, selfie.embedding) < 0.45
        assert distance(anna.embedding, ben.embedding) > 0.7
        assert 1.2 < np.linalg.norm(anna.embedding) < 1.8  # dlib's own scale, not unit length

    def test_profiles_are_found_and_the_back_of_a_head_is_not(self, people):
        views = [photo(people["sheet"][140:642, left : left + 484], str(left)) for left in (68, 662, 1256, 1850)]
        seen, verdicts = observe(views)
        assert [verdict.accepted for verdict in verdicts] == [True, True, False, True]
        assert "profile" in verdicts[1].warnings[0]
        assert "no" in verdicts[2].reasons[0]
        sides = [np.sign(len(one.parsing.ears_px["left"]) - len(one.parsing.ears_px["right"])) for one in seen[1:]]
        assert sides == [-1, 1] or sides == [1, -1]  # each profile shows one ear

    def test_two_people_are_unclear_alone_and_clear_in_company(self, people):
        both = np.concatenate([people["anna"], people["ben"]], axis=1)
        assert "2 people" in reason(both)
        crowd = observe([photo(both, "both")])[1][0]
        assert crowd.rivals == 2 and crowd.face is None
        sides = [0 if right < 0.55 else 1 for _, _, right, _ in crowd.faces]
        assert sorted(sides) == [0, 1] and all(0 <= part <= 1 for box in crowd.faces for part in box)
        chosen = observe([photo(both, "both")], config=PerceptionConfig(face=1))[1][0]
        assert chosen.accepted and chosen.face == 1 and chosen.faces == crowd.faces
        _, verdicts = observe([photo(both, "both"), photo(people["ben"], "ben")])
        assert all(verdict.accepted for verdict in verdicts)
        assert "face" in verdicts[0].warnings[0]

    def test_lying_and_upside_down_photos_are_found(self, people):
        upright = read(people["anna"])
        seen, _ = observe([photo(np.rot90(people["anna"], 2))])
        turned = 1024 - seen[0].landmarks.points_px
        assert np.abs(turned - upright.landmarks.points_px)[:468].max() < 25

    def test_cut_out_keeps_its_own_edge(self, data_folder):
        data = (data_folder / "lps_renders/lps/images/000.png").read_bytes()
        render = decode(data, max_side_px=3000, max_pixels=10**8)
        (seen,), _ = observe([Photo("render", render.rgb_srgb, None, "", alpha=render.alpha)])
        assert render.alpha is not None
        assert seen.parsing.matte == pytest.approx(render.alpha / 255.0)
        assert not (seen.parsing.labels == Region.HAIR).any()  # bald


class TestRefusals:
    def test_a_cat(self):
        assert "no face" in reason(skimage.data.chelsea())

    def test_blurred(self, people):
        assert "blurred" in reason(cv2.GaussianBlur(people["anna"], (0, 0), 9))

    def test_over_exposed(self, people):
        assert "over-exposed" in reason(np.clip(people["anna"].astype(int) * 3 + 60, 0, 255).astype(np.uint8))

    def test_too_dark(self, people):
        assert "dark" in reason(people["anna"] // 16)

    def test_too_small(self, people):
        scene = np.full((700, 700, 3), 128, np.uint8)
        small = cv2.resize(people["anna"], (160, 160), interpolation=cv2.INTER_AREA)
        scene[300:460, 300:460] = small
        assert "too small" in reason(scene)

    def test_sunglasses(self, people):
        dark = people["anna"].copy()
        points = read(dark).landmarks.points_px
        for ring in (topology.RIGHT_EYE, topology.LEFT_EYE):
            x, y = points[list(ring)].mean(0).astype(int)
            cv2.ellipse(dark, (int(x), int(y)), (62, 48), 0, 0, 360, (25, 25, 30), -1)
        assert "sunglasses" in reason(dark)

    def test_hand_over_the_mouth(self, people):
        covered = people["anna"].copy()
        points = read(covered).landmarks.points_px
        x, y = points[13].astype(int)
        cheek = points[205].astype(int)
        patch = cv2.resize(covered[cheek[1] - 15 : cheek[1] + 15, cheek[0] - 15 : cheek[0] + 15], (220, 140))
        covered[y - 70 : y + 70, x - 110 : x + 110] = patch
        assert "mouth" in reason(covered)

    def test_somebody_else(self, people):
        photos = [photo(people[name], name) for name in ("anna", "anna_selfie", "ben")]
        _, verdicts = observe(photos)
        assert [verdict.accepted for verdict in verdicts] == [True, True, False]
        assert "another person" in verdicts[2].reasons[0]
