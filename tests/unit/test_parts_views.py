"""What is kept beside pictures: where those put aside lie, how far views agree, where eyes look."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d import store
from head3d.errors import CorruptPart, NothingDelivered
from head3d.imaging.formats import PictureFormat, encode_picture
from head3d.parts_views import (
    check_delivered,
    read_confidence,
    read_consistency,
    read_eye_contact,
    read_headshots,
    write_headshots,
    write_view,
)
from head3d.quality.consistency import Consistency, PairScore
from head3d.render.confidence import Confidence, Shares
from head3d.render.types import RenderOutput
from head3d.render.views import named_view

AGREED = Consistency(38.2, 0.02, (PairScore("front", "left-20", 20.0, 0.8, 38.2, 0.02),))


def picture(level: int) -> np.ndarray:
    return np.full((4, 4, 3), level, np.uint8)


def edited(path: Path, **changes: object) -> None:
    payload = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in payload.items() if value != "gone"}))


def view_folder(folder: Path, eye_contact_deg: float | None) -> Path:
    flat = torch.zeros(16, 16, 3)
    output = RenderOutput(flat, flat, flat, flat[..., 0], flat[..., 0])
    write_view(folder, output, named_view("front", size=(16, 16)), eye_contact_deg=eye_contact_deg)
    return folder


def test_pictures_put_aside_are_read_apart_from_the_others(tmp_path: Path):
    store.write_png(tmp_path / "soft" / "front.png", picture(10))
    store.write_png(tmp_path / "refused" / "soft" / "back.png", picture(20))
    write_headshots(tmp_path, {"front": "soft/front.png"}, aside={"back": "refused/soft/back.png"})
    assert {view: one[0, 0, 0] for view, one in read_headshots(tmp_path).items()} == {"front": 10}
    assert {view: one[0, 0, 0] for view, one in read_headshots(tmp_path, aside=True).items()} == {"back": 20}


def test_agreement_comes_back_as_it_was_measured(tmp_path: Path):
    write_headshots(tmp_path, {}, consistency=AGREED)
    assert read_consistency(tmp_path) == AGREED


def test_views_too_far_apart_to_compare_have_no_agreement(tmp_path: Path):
    write_headshots(tmp_path, {}, consistency=Consistency(math.nan, math.nan, ()))
    assert read_consistency(tmp_path) is None
    assert "NaN" not in (tmp_path / "headshots.json").read_text()


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_headshots_of_any_format_come_back_with_eight_bits(tmp_path: Path, kind: PictureFormat):
    levels = np.full((16, 16, 3), 90, np.uint16) * 257 if kind == "tiff" else np.full((16, 16, 3), 90, np.uint8)
    (tmp_path / f"a.{kind}").write_bytes(encode_picture(levels, kind))
    write_headshots(tmp_path, {"front": f"a.{kind}"})
    found = read_headshots(tmp_path)["front"]
    assert found.dtype == np.uint8 and int(np.abs(found.astype(int) - 90).max()) <= 1


def test_folders_of_before_know_neither(tmp_path: Path):
    write_headshots(tmp_path, {})
    edited(tmp_path / "headshots.json", aside="gone", consistency="gone")
    assert read_headshots(tmp_path, aside=True) == {} and read_consistency(tmp_path) is None


@pytest.mark.parametrize("angle", [3.25, None])
def test_where_eyes_look_is_kept_with_the_view(tmp_path: Path, angle: float | None):
    assert read_eye_contact(view_folder(tmp_path, angle)) == angle


def test_a_view_of_before_tells_no_gaze(tmp_path: Path):
    edited(view_folder(tmp_path, 3.0) / "view.json", eye_contact_deg="gone")
    assert read_eye_contact(tmp_path) is None


def test_what_photos_saw_of_a_view_comes_back_to_a_level_of_eight_bits(tmp_path: Path):
    flat, seen = torch.zeros(16, 16, 3), torch.linspace(0, 1, 256).reshape(16, 16)
    output, view = RenderOutput(flat, flat, flat, flat[..., 0], flat[..., 0]), named_view("front", size=(16, 16))
    write_view(tmp_path, output, view, confidence=Confidence(seen, Shares(0.5, 0.25, 0.25)))
    found = read_confidence(tmp_path)
    assert found is not None and found.shares == Shares(0.5, 0.25, 0.25)
    torch.testing.assert_close(found.map, seen, atol=0.5 / 255, rtol=0)


def test_without_a_map_nothing_is_known_of_what_photos_saw(tmp_path: Path):
    flat = torch.zeros(16, 16, 3)
    output, view = RenderOutput(flat, flat, flat, flat[..., 0], flat[..., 0]), named_view("front", size=(16, 16))
    saw = Confidence(flat[..., 0], Shares(0.5, 0.25, 0.25))
    write_view(tmp_path, output, view, confidence=saw, map_png=False)
    assert read_confidence(tmp_path) is None
    assert read_confidence(view_folder(tmp_path / "older", None)) is None


def test_an_edited_agreement_is_told(tmp_path: Path):
    write_headshots(tmp_path, {}, consistency=AGREED)
    edited(tmp_path / "headshots.json", consistency={"psnr_db": 3.0})
    with pytest.raises(CorruptPart, match=r"headshots\.json"):
        read_consistency(tmp_path)


def test_a_run_that_delivered_nothing_says_which_photo_helps_most(tmp_path: Path):
    write_headshots(tmp_path, {"front": "soft/front.png"}, aside={"back": "refused/soft/back.png"}, advice="Add.")
    check_delivered(tmp_path)
    write_headshots(tmp_path, {}, aside={"a": "refused/a.png", "b": "refused/b.png"}, advice="Add a photo from behind.")
    with pytest.raises(NothingDelivered, match="None of the 2 pictures is good enough") as caught:
        check_delivered(tmp_path)
    assert caught.value.hint == "Add a photo from behind." and caught.value.exit_code == 3
