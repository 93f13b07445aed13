"""A passport office's look at a picture: every rule, passed or failed, with what was found and what helps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from head3d import store
from head3d.finish.passport_facts import PassportFacts
from head3d.finish.passport_rules import PassportRules
from head3d.records import from_plain, to_plain

PASSPORT_VERSION = 1
"""Of the file beside the picture."""


@dataclass(frozen=True)
class Check:
    """One rule, looked at.

    Attributes:
        name: What is looked at.
        passed: Whether the picture keeps it.
        found: What was measured, in words.
        wanted: What is demanded, in words.
        advice: What helps; empty if it passed.
    """

    name: str
    passed: bool
    found: str
    wanted: str
    advice: str = ""


def check_passport(
    facts: PassportFacts, rules: PassportRules, *, top: Literal["skull", "hair"] = "skull"
) -> list[Check]:
    """Hold what a picture shows against what an office demands.

    Args:
        facts: Of the picture.
        rules: Of the office.
        top: What the head's height counts from.
    """
    return [look(facts, rules, top) for look in _LOOKS]


def passes(checks: Sequence[Check]) -> bool:
    """Whether every rule is kept."""
    return all(one.passed for one in checks)


def checklist(checks: Sequence[Check]) -> str:
    """The list as people read it."""
    width = max(len(one.name) for one in checks)
    lines = []
    for one in checks:
        lines.append(f"  {'pass' if one.passed else 'FAIL'}  {one.name:<{width}}  {one.found}; wanted: {one.wanted}")
        if one.advice:
            lines.append(f"        {'':<{width}}  {one.advice}")
    return "\n".join(lines)


def write_checks(picture: Path, checks: Sequence[Check], facts: PassportFacts, *, preset: str) -> Path:
    """Write the list beside a picture, as NAME_checks.json."""
    payload = {
        "picture": picture.name,
        "preset": preset,
        "passed": passes(checks),
        "checks": to_plain(list(checks)),
        "facts": to_plain(facts),
    }
    path = checks_path(picture)
    store.write_json(path, payload, kind="head3d.passport", version=PASSPORT_VERSION)
    return path


def read_checks(picture: Path) -> list[Check]:
    """Read what :func:`write_checks` wrote."""
    path = checks_path(picture)
    payload = store.read_json(path, kind="head3d.passport", version=PASSPORT_VERSION)
    return [from_plain(Check, one, where=str(path)) for one in payload["checks"]]


def checks_path(picture: Path) -> Path:
    """Where the list of a picture lies."""
    return picture.with_name(f"{picture.stem}_checks.json")


def _within(name: str, value: float, bounds: tuple[float, float], advice: str) -> Check:
    low, high = bounds
    inside = low <= value <= high
    return Check(name, inside, f"{value:.1%}", f"{low:.0%} to {high:.0%}", "" if inside else advice)


def _most(name: str, value: float, most: float, unit: str, advice: str, *, digits: int = 1) -> Check:
    inside = abs(value) <= most
    return Check(
        name,
        inside,
        f"{round(value, digits) + 0.0:.{digits}f}{unit}",
        f"at most {most:g}{unit}",
        "" if inside else advice,
    )


def _least(name: str, value: float, least: float, advice: str, *, digits: int = 2) -> Check:
    inside = value >= least
    return Check(name, inside, f"{value:.{digits}f}", f"at least {least:g}", "" if inside else advice)


Top = Literal["skull", "hair"]


def _head(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    height = facts.chin - (facts.skull if top == "skull" else facts.hair)
    return _within("head height", height, rules.head, "Frame the head larger or smaller.")


def _eyes(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _within("eye line", facts.eyes, rules.eyes, "Move the frame up or down.")


def _centre(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _within("centring", facts.centre, rules.centre, "Move the frame sideways.")


def _yaw(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _most("turn to a side", facts.yaw_deg, rules.yaw_deg, " degrees", "Render the view `front`.")


def _pitch(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _most("turn up or down", facts.pitch_deg, rules.pitch_deg, " degrees", "Render the view `front`.")


def _roll(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _most("tilt", facts.roll_deg, rules.roll_deg, " degrees", "Hold the head upright.")


def _mouth(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    advice = "Render with --expression neutral."
    return _most("mouth closed", facts.mouth_gap, rules.mouth_gap, " of the eyes' distance", advice, digits=3)


def _open(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _least(
        "eyes open", min(facts.eye_open), rules.eye_open, "Use a photo with open eyes, or a neutral expression."
    )


def _neutral(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    weights = {name: weight for name, weight in facts.units.items() if not name.startswith("eyeLook")}
    name = max(weights, key=lambda one: abs(weights[one]), default="")
    weight = weights.get(name, 0.0)
    passed = abs(weight) <= rules.unit
    found = f"{name} {weight:.2f}" if name and abs(weight) > 0.005 else "neutral"
    wanted = f"no unit above {rules.unit:g}"
    return Check("neutral expression", passed, found, wanted, "" if passed else "Render with --expression neutral.")


def _visible(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    advice = "Use photos without dark glasses or hair over the eyes, and soft light."
    return _least("eyes visible", min(facts.eye_contrast), rules.eye_contrast, advice, digits=1)


def _light(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    name, advice = "background light", "Use --backdrop white, or a light colour."
    if facts.background_lightness < 0:
        return Check(
            name, False, "none to be seen", f"at least {rules.background_lightness:g}", "Frame the head smaller."
        )
    return _least(name, facts.background_lightness, rules.background_lightness, advice, digits=1)


def _plain(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    spread, chroma = facts.background_spread, facts.background_chroma
    passed = spread <= rules.background_spread and chroma <= rules.background_chroma
    wanted = f"spread at most {rules.background_spread:g}, chroma at most {rules.background_chroma:g}"
    advice = "" if passed else "Use a backdrop of one pale colour (--backdrop '#e4e6e8')."
    return Check("background plain", passed, f"spread {spread:.1f}, chroma {chroma:.1f}", wanted, advice)


def _highlights(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    passed = facts.clipped <= rules.clipped
    advice = "" if passed else "Use softer or less light (--light soft-front, --gloss 0.5)."
    return Check("highlights", passed, f"{facts.clipped:.2%} clipped", f"at most {rules.clipped:.1%}", advice)


def _exposure(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    low, high = rules.lightness
    enough = facts.levels >= rules.levels and facts.crushed <= rules.crushed
    passed = low <= facts.lightness <= high and enough
    found = f"face L* {facts.lightness:.0f}, {facts.levels} levels, {facts.crushed:.1%} black"
    wanted = f"L* {low:g} to {high:g}, {rules.levels} levels, at most {rules.crushed:.0%} black"
    return Check("exposure", passed, found, wanted, "" if passed else "Use --light-exposure auto.")


def _shadows(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    return _least("even light", facts.zones, rules.evenness, "Use --light soft-front: no side may lie in shadow.")


def _whole(facts: PassportFacts, rules: PassportRules, top: Top) -> Check:
    room = min(facts.hair - rules.margin, 1 - facts.chin - rules.margin, *facts.sides)
    passed = room >= 0
    advice = "" if passed else "Frame the head smaller or lower."
    found = "whole" if passed else "cut by the edge"
    return Check("head not cut", passed, found, f"{rules.margin:.0%} free above the hair", advice)


_LOOKS: tuple[Callable[[PassportFacts, PassportRules, Top], Check], ...] = (
    _head,
    _eyes,
    _centre,
    _yaw,
    _pitch,
    _roll,
    _mouth,
    _open,
    _neutral,
    _visible,
    _light,
    _plain,
    _highlights,
    _exposure,
    _shadows,
    _whole,
)
