"""Videos as ffmpeg and OpenCV read them."""

import re
import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from head3d.errors import ConfigError
from head3d.export.certificate import own_identity
from head3d.export.provenance import NOTE
from head3d.export.video import write_video

FACTS = {"view": "turntable", "light": "rim"}


def frames(count: int = 12):
    """A grey ramp over time."""
    for k in range(count):
        yield np.full((64, 96, 3), 40 + 15 * k, np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_length_size_and_brightness(tmp_path: Path, suffix: str):
    path = write_video(tmp_path / f"turn{suffix}", frames(), fps=12, facts=FACTS, signer=None)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 12 and seconds == pytest.approx(1.0, abs=0.1)
    capture = cv2.VideoCapture(str(path))
    levels = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        assert frame.shape == (64, 96, 3)
        levels.append(float(frame.mean()))
    capture.release()
    assert np.abs(np.array(levels) - (40 + 15 * np.arange(12))).max() < 6
    assert [one.name for one in tmp_path.iterdir()] == [path.name], "no draft is left"


def test_mp4_starts_with_its_index(tmp_path: Path):
    data = write_video(tmp_path / "turn.mp4", frames(), fps=12, facts=FACTS, signer=None).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert NOTE.encode() in data


def test_ffmpegs_own_reader_comes_upon_the_index_before_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What ffprobe is made of tells every box of the file as it comes to it; signing moves them and must keep this."""
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    path = write_video(tmp_path / "turn.mp4", frames(), fps=12, facts=FACTS, signer=own_identity())
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "trace", "-i", str(path), "-f", "null", "-"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stderr
    boxes = re.findall(r"type:'(\w+)' parent:'root'", told)
    assert {"ftyp", "moov", "mdat"} <= set(boxes)
    assert boxes.index("moov") < boxes.index("mdat")


def test_facts_that_could_be_personal_are_refused_and_nothing_is_left(tmp_path: Path):
    with pytest.raises(ConfigError, match="subject"):
        write_video(tmp_path / "turn.mp4", frames(), fps=12, facts={"subject": "somebody"}, signer=None)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_coded_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"as \.gif"):
        write_video(tmp_path / "turn.gif", frames(), fps=12, facts=FACTS, signer=None)
    with pytest.raises(ConfigError, match="no pictures"):
        write_video(tmp_path / "turn.mp4", frames(0), fps=12, facts=FACTS, signer=None)
    with pytest.raises(ConfigError, match="even size"):
        write_video(tmp_path / "turn.mp4", iter([np.zeros((5, 6, 3), np.uint8)]), fps=12, facts=FACTS, signer=None)
