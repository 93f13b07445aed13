"""Pictures of a video to follow: those that can be read, and words where there are none."""

from pathlib import Path

import pytest

from head3d.errors import InputError
from head3d.viewer.live_video import pictures_of  # pyright: ignore[reportMissingImports]
from tests.unit.capture.test_video import broken_clip


def test_a_frame_that_is_broken_inside_is_left_out(tmp_path: Path):
    pictures, rate = pictures_of(str(broken_clip(tmp_path)))
    assert [one.shape for one in pictures] == [(24, 32, 3)] * 3 and rate == 10.0


def test_no_such_video_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"gone\.mp4: no such video"):
        pictures_of(str(tmp_path / "gone.mp4"))
