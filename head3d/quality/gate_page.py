"""The gate on the report's page: what it said of each picture, and how well it told whole pictures from broken ones."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from head3d.quality.gate_net import FAULTS, gate_card
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import nets_used, numbers_of, over_set
from head3d.quality.report import ReportContent
from head3d.quality.report_image import table, view_words

WORDS = {
    "blur": "blurred",
    "floaters": "pieces and holes",
    "light": "wrong light",
    "misfit": "misfit",
    "identity": "not the person",
}
COLUMNS = {
    "landmarks": "landmarks off, face heights",
    "sharpness": "sharpness",
    "exposure": "lightness",
    "eye_contact_deg": "eyes off the camera, °",
    "consistency": "agrees with the set",
    "lpips_photo": "LPIPS to the nearest photo",
}
NUMBERS = "What was measured of every finished picture"
PLOT = 150
"""Side of a curve, px."""


def gate_badge(verdict: PictureVerdict | None) -> str:
    """Beside a headshot; nothing where the gate did not look."""
    if verdict is None:
        return ""
    level = {"good": "good", "warned": "fair", "refused": "poor"}[verdict.level]
    words = "whole" if verdict.level == "good" else WORDS.get(verdict.fault, verdict.fault)
    return f'<span class="badge {level}" title="log odds of being broken: {verdict.broken:+.1f}">{escape(words)}</span>'


def gate_section(pictures: Mapping[str, PictureVerdict]) -> str:
    """Advice on what was refused or warned about, and the gate's own curves."""
    if not pictures:
        return ""
    passed = sum(one.level == "good" for one in pictures.values())
    advice = "".join(
        f'<li class="{"bad" if one.level == "refused" else "warn"}">{escape(one.sentence)}</li>'
        for one in pictures.values()
        if one.sentence
    )
    return (
        f"<p>{passed} of {len(pictures)} pictures pass: the same person, sharp, in one piece, in the light of the set, "
        f"features in place.</p><ul>{advice}</ul>{_curves(gate_card().get('trial', {}))}"
    )


def numbers_table(content: ReportContent) -> str:
    """What was measured of every picture, with the set's means and their intervals."""
    rows = {
        view: {**numbers_of(one.numbers), "eye_contact_deg": content.eye_contact_deg.get(view)}
        for view, one in content.pictures.items()
        if one.numbers is not None
    }
    if not rows:
        return ""
    lines = [(view_words(view), *(_number(row[name]) for name in COLUMNS)) for view, row in rows.items()]
    means = over_set(list(rows.values()))
    lines.append(("mean, 95 % interval", *(_mean(means.get(name)) for name in COLUMNS)))
    nets = ", ".join(f"{name} ({words})" for name, words in nets_used().items())
    return f"{table(['view', *COLUMNS.values()], lines, caption=NUMBERS)}<p class=note>{escape(nets)}</p>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _mean(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    low, high = found["interval"]
    return f"{found['mean']:.3g} ({low:.3g} to {high:.3g})"


def _curves(trial: Mapping[str, Any]) -> str:
    """Share of broken pictures refused over the share of whole ones, on people the gate had never seen."""
    plots = []
    for fault in FAULTS:
        entry = trial.get("faults", {}).get(fault, {})
        lines = [(kind, entry[kind]) for kind in ("taught", "untaught") if kind in entry]
        if lines:
            plots.append(_plot(WORDS[fault], [(kind, one["roc"], one["area"]) for kind, one in lines]))
    swapped = trial.get("swapped", {})
    if swapped:
        plots.append(_plot("another person", [("", swapped["roc"], swapped["area"])]))
    if not plots:
        return ""
    whole = trial["whole"]
    note = (
        f"How well it tells: {len(trial['people'])} people that it had never seen, {whole['pictures']} whole pictures, "
        f"of which it refuses {whole['refused']:.0%}. Across: whole pictures refused; up: broken ones refused. Dashed: "
        "broken in ways it was not taught."
    )
    return f'<p class=note>{escape(note)}</p><div class="grid small">{"".join(plots)}</div>'


def _plot(title: str, curves: Sequence[tuple[str, Sequence[Sequence[float]], float]]) -> str:
    lines = []
    for kind, points, _ in curves:
        path = " ".join(f"{PLOT * x:.1f},{PLOT * (1 - y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if kind == "untaught" else ""
        lines.append(f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="2"{dash}/>')
    areas = ", ".join(f"{area:.3f}" for _, _, area in curves)
    label = escape(f"{title}, area under the curve {areas}", quote=True)
    return (
        f'<figure><svg viewBox="-4 -4 {PLOT + 8} {PLOT + 8}" width="{PLOT}" height="{PLOT}" role="img" '
        f'aria-label="{label}">'
        f'<rect width="{PLOT}" height="{PLOT}" fill="none" stroke="currentColor" stroke-opacity=".3"/>'
        f'<line x1="0" y1="{PLOT}" x2="{PLOT}" y2="0" stroke="currentColor" stroke-opacity=".2"/>{"".join(lines)}</svg>'
        f"<figcaption>{escape(title)}<span>area {areas}</span></figcaption></figure>"
    )
