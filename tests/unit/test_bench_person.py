"""Leaving photos out: the head of the others must not have seen the one that is compared with it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from head3d import bench_person
from head3d.config import Config
from head3d.errors import TooFewPhotos

NAMES = ("front", "left", "profile")
SQUARE = np.zeros((8, 8, 3), np.uint8)


def described(name: str) -> np.ndarray:
    """A descriptor that tells which photo it belongs to."""
    vector = np.zeros(128, np.float32)
    vector[NAMES.index(name)] = 0.5
    return vector


@pytest.fixture
def people() -> list[Any]:
    """Three photos; the profile cannot be described."""
    return [SimpleNamespace(photo=SimpleNamespace(name=name)) for name in NAMES]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[str, ...]]]:
    """What fit and field were given, with both replaced by something quick."""
    seen: dict[str, list[tuple[str, ...]]] = {"fit": [], "field": []}
    camera = SimpleNamespace(yaw_pitch=torch.tensor([[0.5, 0.0]]))

    def fit_head(observations: list[Any], **_: Any) -> Any:
        seen["fit"].append(tuple(one.photo.name for one in observations))
        return SimpleNamespace(cameras=[camera] * len(observations))

    def train_field(_: Any, observations: list[Any], **__: Any) -> Any:
        seen["field"].append(tuple(one.photo.name for one in observations))
        return SimpleNamespace()

    cut = SimpleNamespace(camera=camera, rgb_srgb=SQUARE)
    stand_ins: dict[str, Any] = {
        "fit_head": fit_head,
        "train_field": train_field,
        "describe_photos": lambda ones: {
            one.photo.name: described(one.photo.name) for one in ones if one.photo.name != "profile"
        },
        "describe_picture": lambda *_: described("left"),
        "load_face_nets": lambda: None,
        "ShellCache": lambda _: SimpleNamespace(refresh=lambda _: None),
        "render_view": lambda *_, **__: None,
        "rendered_consistency": lambda *_: SimpleNamespace(psnr_db=33.0),
        "show": lambda *_: SQUARE,
        "_cut": lambda *_: cut,
        "_bent": lambda *_: None,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(bench_person, name, stand_in)
    return seen


def test_the_head_never_saw_the_photo_that_is_left_out(people: list[Any], used: dict[str, list[tuple[str, ...]]]):
    rows = bench_person.leave_one_out(people, config=Config())
    assert [row.photo for row in rows] == ["front", "left"], "a photo that cannot be described is not compared"
    assert used["field"] == [("left", "profile"), ("front", "profile")]
    assert used["fit"] == [NAMES, *used["field"]], "the fit of all says where from; each head has a fit of its own"
    table = bench_person.as_table(rows)
    assert table["left_out"][0]["identity"] == pytest.approx(0.5**0.5)
    assert table["left_out"][1]["identity"] == 0.0
    assert table["identity_mean"] == pytest.approx(0.5**0.5 / 2) and table["consistency_db"] == 33.0
    assert table["left_out"][0]["photos"] == {"left": pytest.approx(0.5**0.5)}
    assert table["left_out"][0]["yaw_deg"] == pytest.approx(28.65, abs=0.01)
    assert "picture" not in table["left_out"][0] and rows[0].picture.shape == rows[1].picture.shape == (512, 1024, 3)


def test_of_a_single_photo_none_can_be_left_out(people: list[Any], used: dict[str, list[tuple[str, ...]]]):
    with pytest.raises(TooFewPhotos):
        bench_person.leave_one_out(people[:1], config=Config())
    assert not used["fit"]
