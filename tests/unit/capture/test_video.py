"""Sharp frames, spread in time, come out of a video; what is no video says so."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from head3d.capture.config import VideoConfig
from head3d.capture.photos import gather
from head3d.capture.video import sharp_frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds at 10 frames a second; every frame is blurred but numbers 3, 8, 13, 18, and all differ."""
    path = tmp_path / "turn.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    rng = np.random.default_rng(0)
    for index in range(20):
        frame = np.kron(rng.integers(0, 255, (24, 32, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        writer.write(frame if index % 5 == 3 else cv2.GaussianBlur(frame, (0, 0), 6))
    writer.release()
    return path


def broken_clip(folder: Path) -> Path:
    """Four frames of which the last is broken, in a codec that FFmpeg does not know: OpenCV's own reader takes it."""
    path = folder / "broken.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (32, 24))
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    for _ in range(4):
        writer.write(pixels)
    writer.release()
    data = bytearray(path.read_bytes())
    data[data.rfind(b"MJPG") + 3] = ord("C")
    data[data.rfind(b"\xff\xc4") + 19] = 1  # of the last frame's Huffman table
    path.write_bytes(data)
    return path


class TestSharpFrames:
    def test_takes_the_sharpest_of_each_piece(self, clip):
        frames, verdict = sharp_frames(clip, "turn.avi", config=VideoConfig(candidates=4))
        assert verdict.accepted
        assert [frame.name for frame in frames] == [f"turn.avi@{second}s" for second in (0.3, 0.8, 1.3, 1.8)]

    def test_frames_share_a_camera_and_know_their_video(self, clip):
        frames, _ = sharp_frames(clip, "turn.avi", config=VideoConfig(candidates=3))
        assert {frame.camera for frame in frames} == {"video turn.avi"}
        assert {frame.video for frame in frames} == {"turn.avi"}
        assert len({frame.sha256 for frame in frames}) == 3

    def test_large_frames_are_scaled_down(self, clip):
        frames, _ = sharp_frames(clip, "turn.avi", config=VideoConfig(candidates=1, max_side_px=160))
        assert frames[0].size == (120, 160)

    def test_a_frame_that_is_broken_inside_is_left_out(self, tmp_path):
        frames, verdict = sharp_frames(broken_clip(tmp_path), "broken.avi")
        assert verdict.accepted and [one.name[-4:] for one in frames] == ["0.0s", "0.1s", "0.2s"]

    def test_not_a_video(self, tmp_path):
        path = tmp_path / "fake.mp4"
        path.write_text("no film")
        photos, verdicts = gather([path])
        assert not photos
        assert "cannot be read" in verdicts[0].reasons[0]
