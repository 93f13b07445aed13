"""The head does what a face does: on the page with a webcam, and without a screen from a video file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.browser.conftest import say, until
from tests.end_to_end.conftest import head3d


def test_the_webcam_moves_the_head_on_the_page(open_page: Callable[..., Any]):
    page = open_page("/live")
    page.click("#webcam")
    until(page, "head3d.live.face === 'followed' && head3d.live.pictures > 20")
    assert page.evaluate("document.querySelector('#head').naturalHeight") == 384
    say(f"live on the page: {page.inner_text('#pace')}")
    page.click("#rest")
    until(page, "head3d.live.face === 'rest'")
    page.click("#stop")
    assert not page.evaluate("head3d.live.on")


def test_a_video_file_moves_the_head_without_a_screen(finished: Path, webcam: Path, photo: Path, tmp_path: Path):
    pytest.importorskip("imageio_ffmpeg")
    source, out = tmp_path / "me.avi", tmp_path / "live.mp4"
    reading = cv2.VideoCapture(str(webcam))
    writing = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 12, (640, 480))
    for _ in range(12):
        writing.write(reading.read()[1])
    reading.release()
    writing.release()
    done = head3d("live", finished, "--source", source, "--out", out, "--size", "128")
    assert done.returncode == 0, done.stderr
    say(f"live without a screen: {done.stdout.splitlines()[0]}")
    assert done.stdout.startswith("12 pictures, ") and "a second" in done.stdout
    capture = cv2.VideoCapture(str(out))
    good, frame = capture.read()
    capture.release()
    assert good and frame.shape == (128, 128, 3) and 20 < np.asarray(frame).mean() < 235
    nobody = head3d("live", finished, "--source", tmp_path / "none.mp4")
    assert nobody.returncode == 3 and "no such video" in nobody.stderr
