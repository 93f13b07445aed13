"""Who is meant when there are several people, and which frames of a video are kept."""

import numpy as np

from head3d.perception.config import SubjectConfig
from head3d.perception.landmarks import FacePoints
from head3d.perception.subject import Candidate, choose_subject, spread_frames
from head3d.perception.topology import CHIN, GLABELLA

ANNA, BEN = np.zeros(128, np.float32), np.full(128, 0.08, np.float32)  # 0.9 apart


def face(person: np.ndarray, size: float = 100.0, *, turned: bool = False) -> Candidate:
    """A face of a person, frontal or turned far away, with a little noise in the descriptor."""
    points = np.zeros((468, 3))
    points[GLABELLA], points[CHIN] = (0.0, 0.0, 0.0), (0.0, size, 0.0)
    points[454], points[234] = (size / 2, size / 2, size / 3), (-size / 2, size / 2, size / 3)
    if turned:
        points[454], points[234] = (size / 10, size / 2, size / 2), (-size / 10, size / 2, -size / 2)
    noise = np.random.default_rng(int(size)).normal(0.0, 0.01, 128).astype(np.float32)
    return Candidate(FacePoints(points, np.ones(468), 1.0), person + noise)


class TestChooseSubject:
    def test_the_person_on_most_photos_is_the_subject(self):
        choices = choose_subject([[face(ANNA)], [face(BEN, 150.0)], [face(ANNA, 90.0)]])
        assert [choice.index for choice in choices] == [0, None, 0]
        assert choices[1].why == "other"

    def test_three_of_ten_are_somebody_else(self):
        groups = [
            [face(BEN, 200.0 + index)] if index in (1, 4, 5) else [face(ANNA, 100.0 + index)] for index in range(10)
        ]
        assert [choice.index is None for choice in choose_subject(groups)] == [
            index in (1, 4, 5) for index in range(10)
        ]

    def test_a_group_photo_is_told_apart_by_the_others(self):
        choices = choose_subject([[face(BEN, 150.0), face(ANNA)], [face(ANNA, 90.0)]])
        assert [choice.index for choice in choices] == [1, 0]

    def test_two_people_on_a_lone_photo_are_unclear(self):
        assert choose_subject([[face(ANNA), face(BEN, 90.0)]])[0].why == "unclear"

    def test_a_small_bystander_does_not_matter(self):
        assert choose_subject([[face(ANNA), face(BEN, 20.0)]])[0].index == 0

    def test_the_users_choice_decides(self):
        assert choose_subject([[face(ANNA), face(BEN, 90.0)]], face=1)[0].index == 1

    def test_a_turned_face_that_was_chosen_is_taken_although_the_net_cannot_tell_it(self):
        group = [face(ANNA), face(BEN, 90.0, turned=True)]
        assert choose_subject([group], face=1)[0].index == 1
        assert choose_subject([group, [face(BEN, 80.0)]], face=1)[0].index == 1

    def test_the_choice_is_that_of_the_first_photo_that_shows_so_many(self):
        groups = [[face(ANNA, 80.0)], [face(ANNA), face(BEN, 90.0)], [face(BEN, 110.0), face(ANNA, 70.0)]]
        choices = choose_subject(groups, face=1)
        assert [choice.index for choice in choices] == [None, 1, 0]

    def test_no_face(self):
        assert choose_subject([[]])[0].why == "nobody"


class TestSpreadFrames:
    def test_extremes_and_the_front_are_kept(self):
        poses = [(float(yaw), 0.0) for yaw in range(-40, 41)]
        kept = spread_frames(poses, [1.0] * 81, config=SubjectConfig(video_frames=3))
        assert [poses[index][0] for index in kept] == [-40.0, 0.0, 40.0]

    def test_standing_still_gives_one_frame_the_sharpest(self):
        assert spread_frames([(0.0, 0.0)] * 3, [1.0, 9.0, 2.0]) == [1]

    def test_nothing(self):
        assert spread_frames([], []) == []
