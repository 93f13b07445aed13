"""The small form of the audit that runs in CI: one set of twins, through detection and landmarks."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from head3d.perception.types import Region
from head3d.prior.skin import SkinTexture
from head3d.quality.fairness import Measured, Metric, compare
from head3d.quality.skin_groups import monk_albedo, monk_tone
from head3d.trials import audit as audits
from head3d.trials.audit import SKIN_AXIS, Audit, AuditConfig, run_audit, summary
from head3d.trials.audit_page import audit_lines, audit_page
from head3d.trials.panel import HAIR, LOOKS, TONES, crossed, in_tone, panel

CONFIG = AuditConfig(twins=1, depth="photos", sources=("synthetic",), data=Path("nowhere"))


@pytest.mark.weights
def test_faces_of_all_tones_are_found_with_alike_landmarks(tmp_path, monkeypatch):
    """One set of twins, one photo each. Landmarks within 8 % of the distance between the eyes, the darkest face's
    within a half of the lightest's: measured .."""
    from head3d.trials import panel as panels

    monkeypatch.setattr(panels, "PHOTOS_DEG", (0.0,))
    monkeypatch.setattr(panels, "TONES", (1, 6, 10))
    found = run_audit(tmp_path, CONFIG)
    assert [one.values["photos refused"] for one in found.people] == [0.0, 0.0, 0.0]
    errors = [one.values["landmark error"] for one in found.people]
    assert max(errors) < 8.0 and max(errors) < 1.5 * min(errors)
    lines = (tmp_path / audits.LINES).read_text().splitlines()
    assert len(lines) == 3 and set(found.faces) == {one.person for one in found.people}
    monkeypatch.setattr(audits, "_measure", lambda *_: pytest.fail("what was measured is not measured again"))
    (tmp_path / audits.LINES).write_text("\n".join(lines) + '\n{"person": "half a li')
    assert [one.values for one in run_audit(tmp_path, CONFIG).people] == [one.values for one in found.people]


def planted(gap: float) -> Audit:
    """An audit of twins whose darker halves are worse by a share."""
    people = []
    for number in range(6):
        for tone, worse in (("Monk 05", 0.0), ("Monk 09", gap)):
            values = {"error": (2.0 + 0.1 * number) * (1 + worse)}
            people.append(
                Measured(f"{number} {tone}", str(number), {SKIN_AXIS: tone, "sex": "x" if number % 2 else "y"}, values)
            )
    return Audit(tuple(people), tuple(compare(people, [Metric("error", "mm", 0.1)], resamples=100)), 0.1)


class TestBound:
    def test_a_gap_above_the_bound_fails_and_is_named(self):
        found = planted(0.3)
        assert [one.metric.name for one in found.failed] == ["error"]
        entry = summary(found)["surely_above"][0]
        assert entry["group"] == "Monk 09" and entry["gap"] == pytest.approx(0.3, abs=1e-6)
        page = audit_page(found)
        assert "1 metrics are more than 10% worse" in page and "+30% for Monk 09" in page
        assert any(line.startswith("!!") for line in audit_lines(found))

    def test_a_gap_below_it_passes(self):
        found = planted(0.05)
        assert not found.failed and not found.above and "No metric is more than 10% worse" in audit_page(found)

    def test_the_command_ends_with_one_if_it_fails(self, tmp_path, monkeypatch, capsys):
        from head3d.commands.audit import audit_command

        for gap, code in ((0.3, 1), (0.0, 0)):
            monkeypatch.setattr(audits, "run_audit", lambda *_, gap=gap, **__: planted(gap))
            assert audit_command([str(tmp_path)]) == code
            assert json.loads((tmp_path / "audit.json").read_text())["bound"] == 0.1
            assert (tmp_path / "audit.html").is_file() and "audit.html" in capsys.readouterr().out


class TestPanel:
    def test_twins_differ_in_tone_only_and_sets_are_whole(self):
        people = list(panel(twins=3, data=Path("nowhere"), sources=("synthetic",)))
        assert len(people) == 3 * len(TONES)
        for start in range(0, len(people), len(TONES)):
            one = people[start : start + len(TONES)]
            assert len({replace(person, name="", tone=0).seed for person in one}) == 1
            assert [person.tone for person in one] == list(TONES)
        assert (TONES[0], TONES[-1]) == (1, 10), "the whole scale"

    def test_any_two_of_sex_age_and_hair_are_crossed_equally_often(self):
        for block in (LOOKS[:8], LOOKS[8:]):
            for first, second in ((0, 1), (0, 2), (1, 2)):
                counts = Counter((row[first], row[second]) for row in block)
                assert len(counts) == (4 if second == 1 else 8) and len(set(counts.values())) == 1
        assert len({row[:2] for row in crossed(HAIR[0])[:4]}) == 4 and len(set(LOOKS)) == 16

    @pytest.mark.parametrize("tone", [1, 5, 10])
    def test_skin_is_of_the_swatch_and_keeps_its_pattern(self, tone: int):
        labels = torch.full((8, 8), int(Region.SKIN), dtype=torch.uint8)
        labels[0], labels[1] = int(Region.EYES), int(Region.LIPS)
        pattern = 0.4 + 0.02 * torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
        found = in_tone(SkinTexture(pattern, labels), monk_albedo(tone))
        bare = found.albedo[:, 2:]
        assert torch.allclose(bare.mean((1, 2)), monk_albedo(tone), atol=1e-3) and monk_tone(bare.mean((1, 2))) == tone
        assert torch.equal(found.albedo[:, 0], pattern[:, 0]), "eyes are no skin"
        ratio = bare / pattern[:, 2:]
        assert torch.allclose(ratio, ratio.mean((1, 2), keepdim=True).expand_as(ratio), atol=0.05)

    def test_nobody_of_the_truth_data_is_in_it_where_there_is_none(self, tmp_path):
        assert list(panel(twins=0, data=tmp_path, sources=("artists", "photos"))) == []
