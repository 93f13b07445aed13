"""Pictures of a head in training: when they are made, what they show, and that training does not notice."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from head3d.events import Event, Preview
from head3d.field.config import FieldConfig, GridConfig
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.train import preview as module
from head3d.train.config import TrainConfig
from head3d.train.preview import EVERY_S, SHARE, Previews, preview
from head3d.train.state import TrainState
from tests.stages import ball

SMALL = FieldConfig(
    GridConfig(levels=2, finest_cells=32, table_log2=10), GridConfig(levels=2, finest_cells=32, table_log2=10)
)


@pytest.fixture
def grey_ball() -> RadianceField:
    made = ball.untrained(SMALL, seen=lambda points: torch.ones(len(points)))
    with torch.no_grad():
        made.sh[0] = ball.lamp(0.8).sh
    return made


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made_while(clock: Clock, previews: Previews, *, seconds: float, step_s: float) -> None:
    """Offer after every step of a training."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += step_s
        previews.offer(cast(TrainState, None))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Clock, Previews, list[float]]]:
    """Previews whose pictures take some seconds, and when they were made."""

    def make(cost_s: float) -> tuple[Clock, Previews, list[float]]:
        clock, at = Clock(), []
        previews = Previews(lambda event: at.append(clock.now), clock=clock)

        def draw(*_: object) -> bytes:
            clock.now += cost_s
            return b""

        state = type("State", (), {"step": 1, "sh": torch.zeros(1, 9, 3), "field": None, "cache": None})
        monkeypatch.setattr(module, "preview", draw)
        offer = previews.offer
        monkeypatch.setattr(previews, "offer", lambda _: offer(cast(TrainState, state)))
        return clock, previews, at

    return make


def test_the_first_comes_at_once_and_then_they_take_less_than_two_percent(slow: Callable):
    clock, previews, at = slow(0.3)
    made_while(clock, previews, seconds=300.0, step_s=0.1)
    assert at[0] == pytest.approx(0.4) and len(at) > 10
    assert previews.spent_s == pytest.approx(0.3 * len(at)) and previews.spent_s <= SHARE * clock.now + 1e-6 < 6.0


def test_where_they_cost_nothing_there_are_still_seconds_between_them(slow: Callable):
    clock, previews, at = slow(0.001)
    made_while(clock, previews, seconds=60.0, step_s=0.01)
    assert np.diff(at).min() >= EVERY_S and len(at) > 20


def test_a_preview_shows_the_head_before_grey(grey_ball: RadianceField):
    picture = opened(preview(grey_ball, ShellCache(grey_ball), ball.lamp(0.8), size_px=96)).astype(int)
    assert picture.shape == (96, 96, 3)
    assert (abs(picture[:4] - 128) < 6).all()  # JPEG
    left, right = picture[48, 33].mean(), picture[48, 63].mean()
    assert right > left + 10  # the lamp stands on that side


def test_the_event_carries_step_and_picture(grey_ball: RadianceField):
    heard: list[Event] = []
    state = TrainState(grey_ball, config=TrainConfig(field=SMALL))
    state.step = 30
    Previews(heard.append).offer(state)
    (event,) = heard
    assert isinstance(event, Preview) and event.step == 30
    assert opened(base64.b64decode(event.jpeg_base64)).shape == (module.SIZE_PX, module.SIZE_PX, 3)


def test_nothing_of_a_training_is_touched(grey_ball: RadianceField):
    state = TrainState(grey_ball, config=replace(TrainConfig(field=SMALL), seed=3))
    before = {name: value.clone() for name, value in (state.checkpoint() | grey_ball.state_dict()).items()}
    cached, drawn = state.cache.values.clone(), torch.get_rng_state()
    Previews(lambda event: None).offer(state)
    after = state.checkpoint() | grey_ball.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(cached, state.cache.values) and torch.equal(drawn, torch.get_rng_state())
    assert all(value.grad is None for value in state.learned().values())
