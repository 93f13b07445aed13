"""The report as one HTML page: one script, no request to anywhere, readable on a phone and on paper, light and dark."""

from collections.abc import Sequence
from html import escape

import numpy as np

from head3d import __version__
from head3d.perception.config import SAME_PERSON_DISTANCE
from head3d.quality.consistency import Consistency
from head3d.quality.gate_page import gate_section, numbers_table
from head3d.quality.report import Picture, ReportContent, StageCost
from head3d.quality.report_image import image, table, view_words
from head3d.quality.report_photos import photos_section
from head3d.quality.report_pictures import GOOD_PAIR, headshots_section, sight_section
from head3d.quality.report_script import SCRIPT, SECURITY
from head3d.quality.report_style import STYLE


def page(content: ReportContent) -> str:
    """The whole page."""
    sections = [
        _hero(content),
        _section("headshots", "Headshots", headshots_section(content)),
        _section("sight", "What did the photos see?", sight_section(content)),
        _section("gate", "Is every picture whole?", gate_section(content.pictures)),
        _section("numbers", "How good is every picture?", numbers_table(content)),
        _section("turntable", "All round", _turntable(content.turntable)),
        _section("photos", "Your photos", photos_section(content.inputs)),
        _section("identity", "Is it the same person?", _identity(content)),
        _section("consistency", "Do the views agree?", _consistency(content.consistency)),
        _section("later", "Made and judged since", _extras(content)),
        _section("cost", "Time and memory", _cost(content.stages)),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(content.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{SECURITY}">'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}"
        f"<footer>Made by head3d {escape(__version__)}. The headshots are AI-generated from the photos above; this "
        f"page holds biometric data: share it with care.</footer><script>{SCRIPT}</script></body></html>"
    )


def _section(anchor: str, title: str, body: str) -> str:
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def _hero(content: ReportContent) -> str:
    used = sum(entry.accepted for entry in content.inputs)
    means = [score.mean for score in content.identity if score.mean is not None]
    facts = [("photos used", f"{used} of {len(content.inputs)}"), ("headshots", str(len(content.headshots)))]
    if means:
        facts.append(("identity distance", f"{np.mean(means):.2f}"))
    if content.consistency is not None and content.consistency.pairs:
        facts.append(("views agree to", f"{content.consistency.psnr_db:.1f} dB"))
    if content.stages:
        facts.append(("time", _duration(sum(stage.seconds for stage in content.stages))))
    cards = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    first = next(iter(content.headshots.items()), None)
    picture = "" if first is None else image(first[1], f"Headshot, {first[0]}", width=640, quality=88)
    links = "".join(
        f'<a href="#{anchor}">{title}</a>'
        for anchor, title in (("headshots", "Headshots"), ("photos", "Photos"), ("identity", "Numbers"))
    )
    return (
        f'<header class="hero"><div class="words"><p class="brand">head3d</p><h1>{escape(content.title)}</h1>'
        f'<dl class="facts">{cards}</dl><nav>{links}</nav></div><div class="portrait">{picture}</div></header>'
    )


def _turntable(pictures: Sequence[Picture]) -> str:
    frames = "".join(
        image(pixels, f"The head turned, picture {i + 1} of {len(pictures)}", width=220)
        for i, pixels in enumerate(pictures)
    )
    return f'<div class="strip" tabindex="0" role="group" aria-label="Turntable">{frames}</div>' if frames else ""


def _identity(content: ReportContent) -> str:
    scored = [score for score in content.identity if score.distances]
    if not scored:
        return ""
    photos = list(scored[0].distances)
    rows = [
        (view_words(score.view), *(_heat(score.distances[photo]) for photo in photos), _heat(score.mean or 0.0))
        for score in scored
    ]
    kind = "photos that were not trained on" if content.held_out else "photos the head was made from"
    return table(
        ["view", *(escape(photo) for photo in photos), "mean"], rows, caption=f"Distance of each headshot to the {kind}"
    )


def _heat(distance: float) -> str:
    level = "good" if distance <= GOOD_PAIR else "fair" if distance < SAME_PERSON_DISTANCE else "poor"
    return f'<td class="{level}">{distance:.2f}</td>'


def _consistency(found: Consistency | None) -> str:
    if found is None or not found.pairs:
        return ""
    rows = [
        (
            f"{view_words(pair.source)} → {view_words(pair.target)}",
            f"{pair.angle_deg:.0f}°",
            f"{pair.overlap:.0%}",
            f"{pair.psnr_db:.1f}",
            f"{pair.lpips_alex:.3f}",
        )
        for pair in found.pairs
    ]
    caption = "Each view moved into a neighbour through the head's own depth, compared where both see the surface"
    return table(["pair", "apart", "seen by both", "PSNR, dB", "LPIPS"], rows, caption=caption)


def _extras(content: ReportContent) -> str:
    return "".join(
        table(map(escape, one.head), [[escape(cell) for cell in row] for row in one.rows], caption=one.caption)
        for one in content.extras
    )


def _cost(stages: Sequence[StageCost]) -> str:
    if not stages:
        return ""
    longest = max(stage.seconds for stage in stages) or 1.0
    rows = [
        (
            escape(stage.name),
            f'<td><span class="bar" style="width:{140 * stage.seconds / longest:.0f}px"></span>'
            f"{_duration(stage.seconds)}</td>",
            f"{stage.peak_rss_mb / 1024:.1f} GB",
            escape(stage.device),
        )
        for stage in stages
    ]
    return table(["stage", "time", "peak memory", "device"], rows, caption="What each stage took")


def _duration(seconds: float) -> str:
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
