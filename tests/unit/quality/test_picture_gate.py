"""What the gate says of a picture: three outcomes, the reason, and the photo that would help."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d.quality import picture_gate
from head3d.quality.config import GateConfig
from head3d.quality.gate import deliverable, delivery, most_helpful, settle, worst
from head3d.quality.gate_net import (
    FACTS,
    FAULTS,
    MOST,
    Finding,
    GateNet,
    Thresholds,
    alone,
    facts_of,
    gate_card,
    load_gate,
    load_thresholds,
    usual_signs,
)
from head3d.quality.picture_gate import (
    ADVICE,
    PictureGate,
    PictureVerdict,
    Reference,
    inspect_pictures,
    judge_picture,
)
from head3d.quality.picture_signs import SIGNS, Expected, Signs, seen_window
from head3d.quality.set_match import SeenPicture
from head3d.render.types import View
from head3d.render.views import named_view

LIMITS = Thresholds(broken_warn=1.0, broken_refuse=2.0, identity_warn=0.5, identity_refuse=0.6)


def found(broken: float, fault: str = "blur") -> Finding:
    return Finding(fault, tuple(broken if one == fault else broken - 2 for one in FAULTS))  # type: ignore[arg-type]


def judged(broken: float, identity: float | None = 0.4, *, fault: str = "blur", view: str = "front") -> PictureVerdict:
    return judge_picture(named_view(view, size=(64, 64)), found(broken, fault), identity, limits=LIMITS)


class TestOutcomes:
    @pytest.mark.parametrize(("broken", "level"), [(-3.0, "good"), (1.5, "warned"), (2.5, "refused")])
    def test_follow_the_odds_of_being_broken(self, broken: float, level: str):
        assert judged(broken).level == level

    @pytest.mark.parametrize(("identity", "level"), [(0.4, "good"), (0.55, "warned"), (0.7, "refused")])
    def test_follow_the_face(self, identity: float, level: str):
        verdict = judged(-3.0, identity)
        assert verdict.level == level and verdict.fault == ("" if level == "good" else "identity")

    def test_a_face_that_cannot_be_compared_is_no_fault(self):
        assert judged(-3.0, None).level == "good"

    def test_the_worse_of_both_counts(self):
        assert judged(1.5, 0.7).fault == "identity" and judged(1.5, 0.7).level == "refused"
        assert judged(2.5, 0.55).fault == "blur" and judged(2.5, 0.55).level == "refused"

    def test_good_pictures_need_no_words(self):
        assert judged(-3.0).sentence == ""

    @pytest.mark.parametrize("fault", FAULTS)
    def test_refusals_give_the_reason_and_the_photo_that_would_help(self, fault: str):
        sentence = judged(2.5, fault=fault, view="three-quarter-left").sentence
        assert sentence.startswith("three-quarter-left: refused, ") and ADVICE[fault][0] in sentence
        assert sentence.endswith(judged(2.5, fault=fault, view="three-quarter-left").advice)
        assert "photo from their right" in sentence  # who turns to the left shows the right side

    def test_warnings_say_perhaps(self):
        assert "perhaps it is blurred" in judged(1.5).sentence


class TestSets:
    """Without nets: what is measured is put in by hand."""

    @pytest.fixture
    def compared(self, monkeypatch) -> dict[str, int]:
        """With how many others each picture is compared; every picture that is judged is blurred."""
        found: dict[str, int] = {}
        blank = Signs(np.zeros(len(SIGNS), np.float32), None)

        def beside(signs: Signs, picture: SeenPicture, others: list[SeenPicture]) -> Signs:
            found[f"{picture.face.rgb_srgb[0, 0, 0]}"] = len(others)
            return signs

        def seen_picture(pixels: np.ndarray, output: None, view: View) -> SeenPicture:
            depth = torch.ones(160, 160)
            face = seen_window(pixels, view, depth)
            return SeenPicture(face, depth, face.camera, torch.zeros(9, 3))

        monkeypatch.setattr(picture_gate, "load_face_nets", lambda: None)
        monkeypatch.setattr(picture_gate, "expected_in", lambda view, reference: Expected(None, torch.ones(160, 160)))
        monkeypatch.setattr(picture_gate, "own_window", seen_picture)
        monkeypatch.setattr(picture_gate, "read_signs", lambda *args, **how: blank)
        monkeypatch.setattr(picture_gate, "beside", beside)
        monkeypatch.setattr(picture_gate, "find_faults", lambda net, signs: [Finding("blur", (9.0,) * 4)] * len(signs))  # type: ignore[arg-type]
        return found

    def gate(self, *, pictures: bool = True) -> PictureGate:
        config = GateConfig(pictures=pictures)
        return PictureGate(lambda: Reference(torch.zeros(1, 3), None, []), config=config)  # type: ignore[arg-type]

    def see(self, gate: PictureGate, name: str, level: int, **how) -> None:
        view = named_view(name, size=(256, 256), **how.pop("view", {}))
        gate.see(np.full((256, 256, 3), level, np.uint8), None, view, **how)  # type: ignore[arg-type]

    def test_pictures_are_compared_within_their_set_and_told_in_their_order(self, compared):
        gate = self.gate()
        for level, (name, among) in enumerate([("front", 1), ("back", 2), ("left-20", 1), ("right-20", 1)]):
            self.see(gate, name, level, among=among)
        verdicts = gate.verdicts()
        assert [one.view for one in verdicts if one] == ["front", "back", "left-20", "right-20"]
        assert compared == {"0": 2, "1": 0, "2": 2, "3": 2}

    def test_a_head_too_small_to_judge_is_still_one_to_compare_with(self, compared):
        gate = self.gate()
        self.see(gate, "front", 0)
        self.see(gate, "left-20", 1, view={"distance_m": 1.5, "focal_mm": 12.0})
        first, second = gate.verdicts()
        assert first is not None and first.level == "refused" and second is None
        assert compared == {"0": 1}

    def test_a_gate_that_is_off_looks_at_nothing(self):
        def never() -> Reference:
            raise AssertionError("the subject is read for nothing")

        gate = PictureGate(never, config=GateConfig(pictures=False))
        self.see(gate, "front", 0)
        assert gate.verdicts() == [None]
        assert inspect_pictures(self.gate(pictures=False), [], [], []) == {}


class TestDelivery:
    def test_the_strictest_verdict_counts_and_of_equals_the_first(self):
        good, bad, worse = judged(-3.0), judged(1.5), judged(2.5)
        assert worst(good, bad, worse) is worse and worst(bad, good) is bad
        assert worst(bad, judged(1.7)) is bad

    def test_the_strictest_level_counts_and_what_nobody_judged_is_good(self):
        assert delivery(judged(1.5), None) == "warned" and delivery(judged(1.5), judged(2.5)) == "refused"
        assert delivery(None, None) == "good"

    def test_a_picture_goes_where_the_strictest_sends_it_and_all_that_was_found_is_told(self):
        path, refused, warned = Path("out/front.png"), judged(2.5), judged(1.5)
        assert settle(path, judged(-3.0), None) == (path, [])
        assert settle(path, warned, None) == (path, [warned.sentence])
        place, said = settle(path, warned, refused)
        assert place == Path("out/refused/front.png")
        assert said == [warned.sentence, f"{refused.sentence} It lies in {place}."]

    def test_any_verdict_refuses(self):
        sight = {"front": judged(-3.0), "back": judged(2.5)}
        pictures = {"front": judged(-3.0), "left-20": judged(2.5)}
        assert deliverable(["front", "left-20", "back"], sight, pictures) == {"front"}

    def test_if_all_are_refused_none_is_delivered(self):
        assert deliverable(["front"], {"front": judged(2.5)}) == set()

    def test_the_photo_that_helps_most_pictures_helps_most(self):
        sides = {view: judged(2.5, view=view) for view in ("profile-left", "three-quarter-left")}
        pictures = {"front": judged(2.5), **sides, "back": judged(1.5, fault="floaters", view="back")}
        assert most_helpful({}, pictures) == "Add a sharper or larger photo from their right."
        assert most_helpful({"back": judged(-3.0)}) == ""


class TestEvidence:
    def net(self) -> GateNet:
        net = GateNet()
        net.get_buffer("high").fill_(1.0)
        net.get_buffer("low").fill_(-1.0)
        with torch.no_grad():
            net.weight.fill_(0.5)
        return net

    def test_usual_pictures_give_none(self):
        assert float(self.net().evidence(torch.rand(5, FACTS) * 2 - 1).sum()) == 0

    def test_more_of_it_never_speaks_for_a_picture(self):
        facts = torch.zeros(1, FACTS)
        before = self.net()(facts)
        facts[0, 3] = 4.0
        assert bool((self.net()(facts) > before).all())
        facts[0, 3] = -4.0
        assert bool((self.net()(facts) > before).all())

    def test_one_sign_alone_is_held_at_its_border(self):
        facts = torch.zeros(1, FACTS)
        facts[0, 0] = 1e6
        assert float(self.net().evidence(facts).max()) == MOST

    def test_what_is_missing_is_no_evidence(self):
        usual, values = np.ones(len(SIGNS), np.float32), np.zeros(len(SIGNS), np.float32)
        facts = facts_of([values], usual)
        for name in ("match_mean", "points_rms", "near_fine", "shade_match"):  # this picture was compared with no photo
            assert np.isnan(facts[0, [SIGNS.index(name), SIGNS.index(name) + len(SIGNS)]]).all()
        assert facts[0, SIGNS.index("stray") + len(SIGNS)] == -1
        net = self.net()
        net.get_buffer("low").fill_(0.5)  # zeros would be evidence
        evidence = net.evidence(torch.from_numpy(facts))[0].reshape(4, len(SIGNS))
        assert not evidence[:, SIGNS.index("near_fine")].any() and evidence[:, SIGNS.index("stray")].any()

    def test_a_lone_picture_has_no_set_and_profiles_are_none_of_the_front(self):
        front, profile = np.ones(len(SIGNS), np.float32), np.ones(len(SIGNS), np.float32)
        profile[SIGNS.index("away")] = 1.9
        assert usual_signs(front, [front]) is None
        assert usual_signs(profile, [front, front]) is None
        assert usual_signs(front, [front, front, profile]) is not None
        assert np.isnan(facts_of([front], None)[0, len(SIGNS) :]).all()

    def test_a_lone_picture_has_weights_of_its_own(self):
        net, facts = self.net(), np.zeros((1, FACTS), np.float32)
        with torch.no_grad():
            net.weight[1] = 0.0
            net.bias[1] = 7.0
        facts[0, [SIGNS.index("near_matched"), SIGNS.index("near_fine"), SIGNS.index("stray")]] = 1.0, 9.0, 3.0
        assert bool((net(torch.from_numpy(facts)) == 7.0).all())
        odds = net(torch.from_numpy(alone(facts)))
        assert bool((odds == 0.5 * 2.0).all())  # what stray tells, nothing of what others told


class TestShipped:
    def test_weights_are_small_and_their_card_tells_where_thresholds_come_from(self):
        from head3d.networks.files import shipped

        path = shipped("gate")
        assert path is not None and path.stat().st_size < 1_000_000
        card = gate_card()
        assert load_gate() is not None and card["licence"] == "Apache-2.0"
        assert card["thresholds"]["calibration"]["whole_pictures"] >= 20
        limits = load_thresholds()
        assert limits.broken_warn <= limits.broken_refuse and limits.identity_warn <= limits.identity_refuse

    def test_nobody_was_learned_from_and_tried_on(self):
        assert not set(gate_card()["trial"]["people"]) & set(gate_card()["learned_people"])

    def test_a_card_without_thresholds_is_told(self, monkeypatch):
        from head3d.errors import FormatError
        from head3d.quality import gate_net

        monkeypatch.setattr(gate_net, "gate_card", lambda: {})
        with pytest.raises(FormatError, match="no thresholds"):
            gate_net.load_thresholds()


def test_a_look_from_below_asks_for_such_a_photo():
    view = replace(named_view("front", size=(64, 64), pitch_deg=75.0, yaw_deg=0.0), name="under")
    assert "from below" in judge_picture(view, found(2.5), 0.4, limits=LIMITS).sentence
