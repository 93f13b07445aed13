"""The audit as one HTML page: faces of the panel, every metric by group with its interval, the gaps by name."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from head3d.imaging.io import data_uri
from head3d.quality.fairness import Comparison, GroupValue
from head3d.quality.report_style import STYLE
from head3d.trials.audit import SKIN_AXIS, Audit

WIDE = 300
"""Pixels of the widest bar."""
_SECURITY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def audit_page(audit: Audit) -> str:
    """The whole page; no script, no request to anywhere."""
    axes = [SKIN_AXIS, *sorted({one.axis for one in audit.comparisons} - {SKIN_AXIS})]
    sections = [_summary(audit), _faces(audit)]
    for axis in axes:
        mine = [one for one in audit.comparisons if one.axis == axis]
        if mine:
            sections.append(
                f"<section><h2>By {escape(axis)}</h2>{''.join(_metric(one, audit.bound) for one in mine)}</section>"
            )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fairness audit</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{_SECURITY}"><style>{STYLE}</style></head>'
        f"<body>{''.join(sections)}<footer>Made by head3d {escape(str(audit.facts.get('head3d', '')))}. The faces on "
        "this page are drawn; people in photos are measured and not shown.</footer></body></html>"
    )


def _summary(audit: Audit) -> str:
    facts = audit.facts
    words = (
        f"{facts.get('people', 0)} people in {facts.get('sets', 0)} sets. Twins have the same face, hair, light and "
        "cameras; only their skin differs. Groups of drawn people are those they were made with; tones of others are "
        "of the albedo that was recovered, never of the lit photo."
    )
    above, sure = audit.above, audit.failed
    verdict = (
        f"No metric is more than {audit.bound:.0%} worse for a skin tone than for the others."
        if not above
        else f"{len(above)} metrics are more than {audit.bound:.0%} worse for some skin tone, {len(sure)} surely."
    )
    rows = "".join(
        f'<li class="{"bad" if one in sure else "warn"}">{escape(one.metric.name)}: {escape(_gap(one.worst))}</li>'
        for one in above
    )
    told = f"<p>{escape(words)}</p><p><b>{escape(verdict)}</b></p><ul>{rows}</ul>"
    return f"<section><h1>Fairness audit</h1>{told}</section>"


def _gap(worst: GroupValue | None) -> str:
    if worst is None or worst.gap is None:
        return ""
    return f"{worst.gap:+.0%} for {worst.group} (95 % interval {worst.gap_low:+.0%} to {worst.gap_high:+.0%})"


def _faces(audit: Audit) -> str:
    if not audit.faces:
        return ""
    rows = []
    twins = {one.person: one.twins for one in audit.people}
    for name, ones in groupby(audit.faces.items(), key=lambda item: twins.get(item[0], "")):
        images = "".join(
            f'<figure><img src="{data_uri(pixels)}" alt="{escape(person, quote=True)}" width="{pixels.shape[1]}" '
            f'height="{pixels.shape[0]}" loading="lazy"><figcaption>{escape(person)}</figcaption></figure>'
            for person, pixels in ones
        )
        rows.append(
            f'<div class="strip" tabindex="0" role="group" aria-label="{escape(name, quote=True)}">{images}</div>'
        )
    return f"<section><h2>The panel</h2>{''.join(rows)}</section>"


def _metric(one: Comparison, bound: float) -> str:
    top = max((value.high for value in one.groups if value.high == value.high), default=1.0) or 1.0
    rows = "".join(_row(value, one, bound, top) for value in one.groups)
    caption = f"{one.metric.name}, {one.metric.unit}; overall {one.overall:.3g}; less is better"
    head = "".join(
        f'<th scope="col">{text}</th>' for text in ("group", "people", "mean, 95 % interval", "against the others")
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(value: GroupValue, one: Comparison, bound: float, top: float) -> str:
    bar = f'<span class="bar" style="width:{max(WIDE * value.mean / top, 1):.0f}px"></span>'
    numbers = f"{value.mean:.3g} ({value.low:.3g} to {value.high:.3g})"
    if value.gap is None:
        gap, level = "too few to compare", ""
    else:
        gap = f"{value.gap:+.0%} ({value.gap_low:+.0%} to {value.gap_high:+.0%})"
        surely = (value.gap_low or 0.0) > bound
        level = "poor" if surely else "fair" if value.gap > bound else "good"
    return (
        f'<tr><th scope="row">{escape(value.group)}</th><td>{value.count}</td><td>{bar}{escape(numbers)}</td>'
        f'<td class="{level}">{escape(gap)}</td></tr>'
    )


def audit_lines(audit: Audit) -> Sequence[str]:
    """The gaps between skin tones as lines for a terminal."""
    lines = []
    for one in audit.comparisons:
        if one.axis == SKIN_AXIS and one.worst is not None:
            mark = "!!" if one in audit.failed else " !" if one in audit.above else "  "
            lines.append(f"{mark} {one.metric.name:<30} {one.overall:8.3g}   worst: {_gap(one.worst)}")
    return lines
