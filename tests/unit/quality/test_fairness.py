"""Gaps between groups: planted ones are found with their size, chance is not taken for one."""

import numpy as np
import pytest
import torch

from head3d.imaging.color import parse_color
from head3d.morphable.chromophores import melanin_of_angle, skin_color
from head3d.quality.fairness import Comparison, Measured, Metric, compare, worst_of
from head3d.quality.skin_groups import MONK, monk_tone, typology_class

ERROR = Metric("error", "mm", 0.1)


def twins(sets: int, *, gap: float, noise: float, spread: float = 0.5, seed: int = 0) -> list[Measured]:
    """Sets of a light, a brown and a dark twin around 2 mm; the dark one is worse by a share."""
    draw = np.random.default_rng(seed)
    people = []
    for number in range(sets):
        own = 2.0 + spread * draw.normal()
        for tone in ("light", "brown", "dark"):
            value = own * (1 + gap * (tone == "dark")) + noise * draw.normal()
            people.append(Measured(f"{number} {tone}", str(number), {"tone": tone}, {"error": value}))
    return people


class TestCompare:
    def test_means_are_those_of_the_groups(self):
        people = [Measured(str(i), str(i), {"tone": "a" if i % 2 else "b"}, {"error": float(i)}) for i in range(8)]
        (found,) = compare(people, [ERROR], resamples=50)
        means = {one.group: one.mean for one in found.groups}
        assert means == {"a": 4.0, "b": 3.0} and found.overall == 3.5

    def test_a_planted_gap_is_found_with_its_size_and_surely(self):
        (found,) = compare(twins(12, gap=0.3, noise=0.05), [ERROR])
        assert found.worst is not None and found.worst.group == "dark"
        assert found.worst.gap == pytest.approx(0.3, abs=0.05)
        assert found.fails(0.1) and found.exceeds(0.1)

    def test_twins_tell_a_gap_that_the_spread_between_people_would_hide(self):
        """The same numbers drawn person by person are all noise: the interval of the gap is many times wider."""
        people = twins(12, gap=0.15, noise=0.02, spread=0.6)
        alone = [Measured(one.person, one.person, one.groups, one.values) for one in people]
        (paired,), (single,) = compare(people, [ERROR]), compare(alone, [ERROR])
        assert paired.fails(0.05) and not single.fails(0.05)

    def test_chance_fails_no_audit(self):
        failed = sum(
            compare(twins(8, gap=0.0, noise=0.1, seed=seed), [ERROR], resamples=200)[0].fails(0.1) for seed in range(30)
        )
        assert failed == 0

    def test_gaps_of_values_that_do_not_matter_are_small(self):
        people = [
            Measured(str(i), str(i), {"tone": "a" if i % 2 else "b"}, {"error": 0.002 if i % 2 else 0.001})
            for i in range(8)
        ]
        (found,) = compare(people, [ERROR], resamples=50)
        assert found.worst is not None and found.worst.gap == pytest.approx(0.01)

    def test_too_small_groups_are_listed_and_not_compared(self):
        people = [*twins(4, gap=0.0, noise=0.1), Measured("x", "x", {"tone": "rare"}, {"error": 9.0})]
        (found,) = compare(people, [ERROR], resamples=50)
        rare = next(one for one in found.groups if one.group == "rare")
        assert rare.count == 1 and rare.gap is None and found.worst is not None and found.worst.group != "rare"

    def test_worst_come_first(self):
        people = twins(10, gap=0.3, noise=0.02)
        found = compare([*people], [ERROR, Metric("error", "mm", 10.0)])
        broken = worst_of(found, 0.1, axis="tone", test=Comparison.exceeds)
        assert [one.metric.floor for one in broken] == [0.1]


class TestTones:
    @pytest.mark.parametrize("number", range(1, 11))
    def test_every_swatch_is_its_own_tone(self, number: int):
        assert monk_tone(parse_color(MONK[number - 1])) == number

    def test_skin_is_classed_by_its_typology_angle(self):
        classes = [typology_class(torch.tensor([0.62, 0.55, 0.50]))]
        for angle in (48.0, 34.0, 18.0, -10.0, -50.0):
            melanin = torch.tensor(melanin_of_angle(angle, 0.008))
            classes.append(typology_class(skin_color(melanin, torch.tensor(0.008))))
        assert classes == ["very light", "light", "intermediate", "tan", "brown", "dark"]
