"""The face of a picture against a photo of the same head: shape is compared, light is not."""

import numpy as np
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.quality.photo_match import MATCH_SIGNS, SIDE_PX, SeenPhoto, face_camera, match_photo


def camera(yaw_deg: float = 0.0) -> Cameras:
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.0)
    return Cameras(pose[None], intrinsics(1000.0, (SIDE_PX, SIDE_PX))[None], (SIDE_PX, SIDE_PX))


def plane() -> torch.Tensor:
    """Depth of a wall through the head's middle, facing the camera."""
    return torch.ones(SIDE_PX, SIDE_PX)


def texture(seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    grid = draw.uniform(60, 190, (40, 40, 1)).repeat(3, 2).astype(np.float32)
    return np.kron(grid, np.ones((4, 4, 1), np.float32)).astype(np.uint8)[:SIDE_PX, :SIDE_PX]


def matched(pixels: np.ndarray, *photos: np.ndarray) -> dict[str, float]:
    return match_photo(pixels, plane(), camera(), [SeenPhoto(one, plane(), camera()) for one in photos])


class TestMatch:
    def test_a_picture_is_like_itself(self):
        found = matched(texture(), texture())
        assert found["match_mean"] > 0.95 and found["match_worst"] > 0.8
        assert abs(found["match_fine"]) < 1e-3 and found["match_shift"] == 0
        assert set(found) == set(MATCH_SIGNS)

    def test_another_exposure_is_no_other_shape(self):
        darker = (texture() * 0.55).astype(np.uint8)
        assert matched(darker, texture())["match_mean"] > 0.9

    def test_another_face_is_not_like_it(self):
        assert matched(texture(1), texture(0))["match_mean"] < 0.3

    def test_features_in_another_place_lower_the_worst_places_first(self):
        moved = texture()
        moved[60:100, 60:100] = np.roll(moved, 7, axis=1)[60:100, 60:100]
        found = matched(moved, texture())
        assert found["match_worst"] < 0.3 < found["match_mean"]

    def test_a_blurred_picture_has_less_fine_structure(self):
        import cv2

        found = matched(cv2.GaussianBlur(texture(), (0, 0), 3.0), texture())
        assert found["match_fine"] < -0.7

    def test_the_best_of_the_photos_counts(self):
        assert matched(texture(1), texture(0), texture(1))["match_mean"] > 0.9

    def test_photos_of_another_side_say_nothing(self):
        assert match_photo(texture(), plane(), camera(), [SeenPhoto(texture(), plane(), camera(90.0))]) == {}


def test_the_window_follows_the_head():
    near = face_camera(camera(), ((0.0, 0.0, 0.0), 0.1))
    assert near.size == (100, 100)
    assert abs(float(near.K[0, 0, 2]) - 50) <= 0.5
