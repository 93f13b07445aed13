"""A ball whose back no photo saw gets the back the net imagines, and keeps its front."""

import math

import pytest
import torch

from head3d.field.completion_net import make_completion_net
from head3d.field.config import FieldConfig, GridConfig
from head3d.field.radiance import RadianceField, field_from_state, field_state
from head3d.field.volumes import Volume
from head3d.imaging.color import srgb_from_linear
from head3d.train import imagine
from head3d.train.config import TrainConfig
from head3d.train.fill import SKIN
from head3d.train.kinds import HAIR
from head3d.train.state import TrainState
from tests.stages.ball import RADIUS_M, untrained


@pytest.fixture
def state() -> TrainState:
    """A grey ball; photos saw the half in front (z > 0)."""
    grid = GridConfig(levels=6, coarsest_cells=8, finest_cells=128, table_log2=14)
    field = untrained(FieldConfig(geometry=grid, color=grid, hidden=32), seen=lambda places: places[:, 2] > 0)
    made = TrainState(field, config=TrainConfig())
    made.cache.refresh(field)
    return made


def on_ball(azimuth_deg: float, height: float = 0.2, count: int = 64) -> torch.Tensor:
    a = math.radians(azimuth_deg) + torch.linspace(-0.2, 0.2, count)
    flat = (1 - height**2) ** 0.5
    return RADIUS_M * torch.stack([flat * a.sin(), torch.full((count,), height), flat * a.cos()], dim=-1)


def srgb_at(field: RadianceField, points: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return srgb_from_linear(field.surface_color(points)[0])


class TestImagine:
    def test_the_back_becomes_what_was_imagined_and_the_front_stays(self, state, monkeypatch):
        colour = torch.tensor([0.3, 0.5, 0.7])
        monkeypatch.setattr(imagine, "completion_net", make_completion_net)
        monkeypatch.setattr(imagine, "fill_map", lambda net, given, known, radius: colour[:, None, None] + 0 * given)
        monkeypatch.setattr(imagine, "met", lambda made, given, known: made)
        front = srgb_at(state.field, on_ball(0))
        imagine.imagine_unseen(state, steps=120)
        back = srgb_at(state.field, on_ball(180))
        assert float((back - colour).abs().mean()) < 0.03
        assert float((srgb_at(state.field, on_ball(0)) - front).abs().mean()) < 0.02

    def test_only_hair_is_made_of_strands(self, state, monkeypatch):
        colour = torch.tensor([0.3, 0.5, 0.7])
        monkeypatch.setattr(imagine, "completion_net", make_completion_net)
        monkeypatch.setattr(imagine, "fill_map", lambda net, given, known, radius: colour[:, None, None] + 0 * given)
        monkeypatch.setattr(imagine, "met", lambda made, given, known: made)
        paint = Volume(state.field.paint, state.field.paint_origin, state.field.cells["paint"])
        low = paint.nodes()[:, 1] < 0
        before = srgb_at(state.field, on_ball(180, -0.4))
        imagine.imagine_unseen(state, steps=120, kinds=torch.where(low, SKIN, HAIR))
        assert float((srgb_at(state.field, on_ball(180, 0.5)) - colour).abs().mean()) < 0.04
        assert float((srgb_at(state.field, on_ball(180, -0.4)) - before).abs().mean()) < 0.03

    def test_a_side_seen_at_a_glance_takes_its_mirrors_colours_and_its_own_tone(self, state, monkeypatch):
        monkeypatch.setattr(imagine, "completion_net", lambda: None)
        field = state.field
        volume = Volume(field.paint, field.paint_origin, field.cells["paint"])
        x, y, _ = volume.nodes().unbind(-1)
        stripes = torch.stack([torch.sin(80 * y), torch.cos(60 * y), 0 * y])
        with torch.no_grad():  # wall on the left but for a strip beside the middle, which is darker than the right side
            own = torch.where(x > 0, stripes, torch.where(x > -0.04, stripes - 0.5, stripes.new_full((), -3.0)))
            field.paint[:3] = own.reshape(3, *volume.shape)
            field.paint[3] = 1.0
            field.glimpsed.copy_((x > -0.04).float().reshape(1, *volume.shape))
        right, left = srgb_at(field, on_ball(80)), srgb_at(field, on_ball(-80))
        assert float((left - right).abs().mean()) > 0.2
        strip = srgb_at(field, on_ball(8)) - srgb_at(field, on_ball(-8))
        imagine.imagine_unseen(state, steps=200)
        wanted = right.flip(0) - strip.mean(0)
        assert float((srgb_at(field, on_ball(-80)) - wanted).abs().mean()) < 0.04
        assert float((srgb_at(field, on_ball(80)) - right).abs().mean()) < 0.02

    def test_what_photos_saw_is_remembered(self, state, monkeypatch):
        monkeypatch.setattr(imagine, "completion_net", make_completion_net)
        monkeypatch.setattr(imagine, "fill_map", lambda net, given, known, radius: given)
        state.field.glimpsed.copy_(state.field.paint[3:])
        imagine.imagine_unseen(state, steps=2)
        assert float(state.field.seen(on_ball(180)).min()) > 0.99  # the colour grid counts there now,
        assert float(state.field.photographed(on_ball(180)).max()) < 0.01  # but no photo was there
        back = field_from_state(field_state(state.field))
        assert torch.equal(back.glimpsed, state.field.glimpsed)

    def test_without_steps_nothing_changes(self, state):
        before = field_state(state.field)
        imagine.imagine_unseen(state, steps=0)
        assert all(torch.equal(before[name], value) for name, value in field_state(state.field).items())

    def test_without_weights_a_back_like_its_front_stays_what_it_was(self, state, monkeypatch):
        monkeypatch.setattr(imagine, "completion_net", lambda: None)
        before = srgb_at(state.field, on_ball(180))
        imagine.imagine_unseen(state, steps=60)
        assert float((srgb_at(state.field, on_ball(180)) - before).abs().mean()) < 0.03


class TestMet:
    def test_an_offset_is_taken_off_everywhere(self):
        given = torch.rand(3, 64, 128, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
        known = torch.zeros(64, 128)
        known[:, :40] = 1
        made = imagine.met(given - 0.1, given, known)
        torch.testing.assert_close(made, given, rtol=0, atol=0.01)


def test_a_field_of_before_the_net_takes_its_sight_from_the_paint(state):
    kept = field_state(state.field)
    del kept["glimpsed"]
    assert torch.equal(field_from_state(kept).glimpsed, state.field.paint[3:])
