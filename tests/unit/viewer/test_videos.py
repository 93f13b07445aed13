"""Videos of the viewer and of `head3d live`: signed, and marked as what they are."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from head3d.export.certificate import own_identity
from head3d.export.provenance import COMPOSITE_SOURCE_TYPE, DIGITAL_SOURCE_TYPE
from head3d.export.signing import verify
from head3d.looks import Look
from head3d.viewer.live_video import write_live  # pyright: ignore[reportMissingImports]
from head3d.viewer.render_loop import Turns  # pyright: ignore[reportMissingImports]
from head3d.viewer.videos import VideoMaker, VideoPlan  # pyright: ignore[reportMissingImports]
from tests.unit.grey_studio import GreyStudio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))


def made(studio: GreyStudio, plan: Any, folder: Path) -> Path:
    """The file of a video, once it is there."""
    maker = VideoMaker(folder, Turns(), lambda event: None)
    ident = maker.start(studio, plan)
    end = time.monotonic() + 60
    while maker.current and time.monotonic() < end:
        time.sleep(0.01)
    return maker.file(ident)


@pytest.mark.parametrize(
    "plan",
    [
        VideoPlan("turntable", (Look(),), size=128, seconds=1.0, fps=8),
        VideoPlan("path", (Look(), Look(yaw_deg=30.0)), size=128, seconds=1.0, fps=8),
    ],
    ids=["turntable", "path"],
)
def test_both_kinds_are_signed_as_machine_made(tmp_path: Path, plan: Any):
    found = verify(made(GreyStudio(None, sign=True), plan, tmp_path))
    assert (found.state, found.source_type) == ("trusted", DIGITAL_SOURCE_TYPE)


def test_who_wants_no_signature_gets_none(tmp_path: Path):
    plan = VideoPlan("turntable", (Look(),), size=128, seconds=1.0, fps=8)
    assert verify(made(GreyStudio(None), plan, tmp_path)).state == "unsigned"


@pytest.mark.parametrize(("beside", "source_type"), [(False, DIGITAL_SOURCE_TYPE), (True, COMPOSITE_SOURCE_TYPE)])
def test_a_filmed_face_beside_the_head_makes_it_a_composite(tmp_path: Path, beside: bool, source_type: str):
    frames = iter([np.zeros((33, 33, 3), np.uint8)] * 4)
    path = write_live(tmp_path / "live.mp4", frames, fps=25.0, light="rim", signer=own_identity(), beside=beside)
    assert (verify(path).state, verify(path).source_type) == ("trusted", source_type)
