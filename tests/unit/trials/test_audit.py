"""The small form of the audit that runs in CI: one set of twins, through detection and landmarks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from head3d.quality.fairness import Measured, Metric, compare
from head3d.trials import audit as audits
from head3d.trials.audit import SKIN_AXIS, Audit, AuditConfig, run_audit, summary
from head3d.trials.audit_page import audit_lines, audit_page
from head3d.trials.panel import TONES_DEG, panel

CONFIG = AuditConfig(twins=1, depth="photos", sources=("synthetic",), data=Path("nowhere"))


@pytest.mark.weights
def test_faces_of_all_tones_are_found_with_alike_landmarks(tmp_path, monkeypatch):
    """One set of twins, one photo each. Landmarks within 8 % of the distance between the eyes, the darkest face's
    within a half of the lightest's: measured .."""
    from head3d.trials import panel as panels

    monkeypatch.setattr(panels, "PHOTOS_DEG", (0.0,))
    monkeypatch.setattr(panels, "TONES_DEG", (50.0, 10.0, -50.0))
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
        assert len(people) == 3 * len(TONES_DEG)
        for start in range(0, len(people), len(TONES_DEG)):
            one = people[start : start + len(TONES_DEG)]
            assert len({replace(person, name="", tone_deg=0.0).seed for person in one}) == 1
            assert [person.tone_deg for person in one] == list(TONES_DEG)

    def test_nobody_of_the_truth_data_is_in_it_where_there_is_none(self, tmp_path):
        assert list(panel(twins=0, data=tmp_path, sources=("artists", "photos"))) == []
