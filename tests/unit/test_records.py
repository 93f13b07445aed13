"""Dataclasses come back from JSON exactly as they were."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from head3d.capture.types import Photo, Verdict
from head3d.errors import CorruptPart
from head3d.geometry.cameras import Cameras
from head3d.records import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    points: np.ndarray
    weight: float


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    many: tuple[Inner, ...]
    by_name: dict[str, np.ndarray]
    size: tuple[int, int]
    tensor: Tensor | None = None
    nothing: float | None = None


def through_json(value: object) -> object:
    return json.loads(json.dumps(to_plain(value)))


def sample() -> Outer:
    inner = Inner(np.array([[0.1, 1 / 3]], dtype=np.float32), 1.0)
    return Outer(
        "ü", inner, (inner, inner), {"left": np.zeros((0, 2))}, (3, 4), torch.tensor([1e-8], dtype=torch.float64)
    )


def test_arrays_keep_bits_type_and_shape():
    read = from_plain(Outer, through_json(sample()))
    assert read.inner.points.dtype == np.float32 and np.array_equal(read.inner.points, sample().inner.points)
    assert read.by_name["left"].shape == (0, 2)
    assert read.tensor is not None and read.tensor.dtype == torch.float64 and read.tensor.item() == 1e-8


def test_tuples_stay_tuples_and_none_stays_none():
    read = from_plain(Outer, through_json(sample()))
    assert isinstance(read.many, tuple) and isinstance(read.many[1], Inner)
    assert read.size == (3, 4) and read.nothing is None


def test_an_integer_where_a_float_belongs_becomes_one():
    plain = to_plain(sample())
    plain["inner"]["weight"] = 2
    assert isinstance(from_plain(Outer, plain).inner.weight, float)


def test_arrays_put_aside_are_taken_from_what_is_stored():
    stored = {}
    plain = to_plain(sample(), aside=lambda name, array: stored.setdefault(name, array) is array)
    assert set(stored) == {"inner.points", "many.0.points", "many.1.points", "by_name.left", "tensor"}
    assert from_plain(Outer, plain, stored=stored).inner.points is stored["inner.points"]


def test_fields_with_a_default_may_be_absent():
    photo = {"name": "a", "rgb_srgb": {"aside": "p"}, "focal_px": None, "sha256": "0"}
    assert from_plain(Photo, photo, stored={"p": np.zeros((2, 2, 3), np.uint8)}).camera == ""
    assert from_plain(Verdict, {"name": "a", "accepted": True}).reasons == ()


@pytest.mark.parametrize("broken", [{"name": "x"}, {"c2w": 3, "K": 4, "size": [1, 2]}, [], "text", 5])
def test_what_does_not_fit_is_named_with_its_file(broken: object):
    with pytest.raises(CorruptPart, match=r"fit\.json"):
        from_plain(Cameras, broken, where="fit.json")
