"""Videos: the way from look to look, one size, one exposure."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.looks import Look
from head3d.moving import Moment, path, turntable, video_frames
from head3d.studio import Studio


def test_a_turn_starts_at_the_look_and_goes_round_evenly():
    yaws = [one.look.yaw_deg for one in turntable(Look(yaw_deg=90), 8)]
    assert yaws[0] == 90 and len(set(yaws)) == 8
    steps = (np.diff(yaws) + 180) % 360 - 180
    assert np.allclose(steps, 45)


def test_a_path_takes_the_short_way_and_arrives():
    looks = [Look(yaw_deg=170, distance_m=1.0), Look(yaw_deg=-170, distance_m=2.0), Look(yaw_deg=-90, focal_mm=85)]
    moments = path(looks, 21)
    yaws = [one.look.yaw_deg for one in moments]
    assert yaws[0] == 170 and yaws[10] == pytest.approx(-170) and yaws[20] == pytest.approx(-90)
    assert all(abs(yaw) >= 170 - 1e-6 for yaw in yaws[:11])  # over the back, not round the front
    assert moments[10].look.distance_m == pytest.approx(2.0) and moments[20].look.focal_mm == pytest.approx(85)
    assert all(one.other is None for one in moments)


def test_eyes_are_moved_from_look_to_look():
    moments = path([Look(gaze_yaw_deg=-10), Look(gaze_yaw_deg=10, gaze_pitch_deg=4)], 3)
    assert [(one.look.gaze_yaw_deg, one.look.gaze_pitch_deg) for one in moments] == [(-10, 0), (0, 2), (10, 4)]
    assert all(one.other is None for one in moments)


def test_what_words_say_is_faded():
    moments = path([Look(light="rim", crop="square"), Look(light="split", crop="banner", yaw_deg=20)], 5)
    assert [round(one.share, 3) for one in moments] == [0, 0.156, 0.5, 0.844, 1]
    assert all(one.other is not None and one.other.light == "split" and one.look.light == "rim" for one in moments)
    assert {one.look.crop for one in moments} == {"square"} and moments[2].look.yaw_deg == moments[2].other.yaw_deg  # type: ignore[union-attr]


def test_one_look_is_no_path_and_a_video_has_an_end():
    with pytest.raises(ConfigError, match="two looks"):
        path([Look()], 10)
    for frames in (1, 10**6):
        with pytest.raises(ConfigError, match="pictures is not made"):
            turntable(Look(), frames)


class Grey:
    """A studio whose pictures are as grey as the light's name is long."""

    def __init__(self) -> None:
        self.gains: list[str] = []

    def gain(self, pictures: Any) -> float:
        self.gains.append(pictures[0].look.light)
        return 1.0

    def picture(self, look: Look, height_px: int, *, turn: Any) -> Any:
        return SimpleNamespace(look=look, output=SimpleNamespace(alpha=torch.ones(height_px, height_px + 1)))

    def finish(self, picture: Any, *, size: int, gain: float) -> Any:
        shape = picture.output.alpha.shape
        return SimpleNamespace(rgb_srgb=np.full((*shape, 3), 20 * len(picture.look.light), np.uint8))


def test_pictures_are_even_mixed_in_light_and_metered_once_a_light():
    studio, done = Grey(), []
    moments = [Moment(Look(light="rim")), Moment(Look(light="rim"), Look(light="soft-front"), 0.5)]
    frames = list(video_frames(cast(Studio, studio), moments, size=65, tell=done.append))
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 2 and done == [1, 2]
    assert studio.gains == ["rim", "soft-front"]
    assert frames[0].max() == 60 and 60 < frames[1][0, 0, 0] < 200
    linear = (((60 / 255 + 0.055) / 1.055) ** 2.4 + ((200 / 255 + 0.055) / 1.055) ** 2.4) / 2
    assert frames[1][0, 0, 0] == pytest.approx(255 * (1.055 * linear ** (1 / 2.4) - 0.055), abs=1)
