"""Every way of breaking breaks, and only what it says; the gate sees it on a person it has never seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.perception.nets import load_face_nets
from head3d.quality.gate_net import FAULTS, load_gate, load_thresholds
from head3d.render.rigs import studio_light
from head3d.render.types import RenderOutput
from head3d.render.views import named_view
from head3d.trials.breakage import TAUGHT, UNTAUGHT
from head3d.trials.exposed import Exposed
from head3d.trials.gate_bench import roc, wilson
from head3d.trials.gate_training import odds_of
from head3d.trials.lessons import rows_of
from head3d.trials.sittings import drawn_sittings, sitter_of, with_neighbours

SIZE = 160
WAYS = [(fault, way) for group in (TAUGHT, UNTAUGHT) for fault in FAULTS for way in group[fault]]


def ball() -> Exposed:
    """A textured ball in the place of a head."""
    view = named_view("front", size=(SIZE, SIZE), light=studio_light("soft-front"))
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(-1, 1, SIZE), indexing="ij")
    far = (x**2 + y**2) / 0.45**2
    z = (1 - far).clamp_min(0).sqrt()
    normal = torch.stack([x / 0.45, -y / 0.45, z], dim=-1) * (far < 1)[..., None]
    paint = 0.4 + 0.2 * torch.sin(40 * x) * torch.sin(33 * y)
    albedo = torch.stack([paint, 0.7 * paint, 0.6 * paint], dim=-1) * (far < 1)[..., None]
    depth = torch.where(far < 1, 1.5 - 0.1 * z, torch.zeros_like(z))
    output = RenderOutput(albedo * (0.6 + 0.3 * z)[..., None], albedo, normal, (far < 1).float(), depth)
    turned = replace(output, rgb_linear=output.rgb_linear.roll(6, 1), alpha=output.alpha.roll(6, 1))
    relit = replace(output, rgb_linear=albedo * (0.6 + 0.4 * x)[..., None].clamp_min(0.1))
    return Exposed(output, view, turned, relit)


def on_white(output: RenderOutput) -> torch.Tensor:
    alpha = output.alpha[..., None]
    return output.rgb_linear * alpha + 1 - alpha


@pytest.mark.parametrize(("fault", "way"), WAYS, ids=lambda one: getattr(one, "__name__", one))
def test_every_way_changes_the_picture_and_keeps_it_a_picture(fault: str, way):
    shown = ball()
    draw = np.random.default_rng(1)
    # a lump may hang behind the ball: lessons draw again, too
    tries = [way(shown, draw) for _ in range(5)]
    changes = [float((on_white(one) - on_white(shown.output)).abs().mean()) for one in tries]
    broken = tries[int(np.argmax(changes))]
    for name in ("rgb_linear", "alpha"):
        values = getattr(broken, name)
        assert values.shape == getattr(shown.output, name).shape and bool(torch.isfinite(values).all())
    assert float(broken.alpha.min()) >= 0 and float(broken.alpha.max()) <= 1
    assert max(changes) > 0.002
    if fault == "light":
        assert torch.equal(broken.alpha, shown.output.alpha)


def test_no_way_is_both_taught_and_untaught():
    for fault in FAULTS:
        assert TAUGHT[fault] and UNTAUGHT[fault] and not set(TAUGHT[fault]) & set(UNTAUGHT[fault])


class TestRoc:
    def test_of_scores_that_never_overlap_is_a_corner(self):
        curve, area = roc(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
        assert area == 1.0 and curve[0] == [0.0, 1.0]

    def test_area_is_the_chance_that_the_broken_one_scores_higher(self):
        good, bad = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0])
        wins = np.mean([(b > g) + 0.5 * (b == g) for b in bad for g in good])
        assert roc(good, bad)[1] == pytest.approx(wins)

    def test_interval_of_a_share_is_wilsons(self):
        low, high = wilson(95, 100)
        assert (low, high) == pytest.approx((0.8882, 0.9785), abs=1e-3)


@pytest.mark.weights
def test_a_person_nobody_has_seen_passes_whole_and_is_refused_broken():
    """The shipped net on a synthetic person of a seed that no training uses, in ways it was not taught."""
    draw, nets, net = np.random.default_rng(0), load_face_nets(), load_gate()
    assert net is not None
    person = sitter_of("syn777001", Path("nowhere"))
    sittings = with_neighbours(
        list(drawn_sittings(person, ["front", "left-20", "right-20"], draw, size_px=448, nets=nets))
    )
    rows = list(rows_of("somebody", sittings[0], draw, ways=("untaught",), nets=nets, each=1))
    for one in sittings[1:]:
        rows += list(rows_of("somebody", one, draw, ways=(), nets=nets))
    odds = odds_of(net, rows).max(1)
    whole = [value for value, row in zip(odds, rows, strict=True) if not row.fault]
    broken = [value for value, row in zip(odds, rows, strict=True) if row.fault]
    assert len(whole) == 3 and len(broken) >= 3
    assert max(whole) < np.median(broken) and np.median(broken) > load_thresholds().broken_refuse
