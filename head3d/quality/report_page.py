"""The report as one HTML page: no script, no request to anywhere, readable on a phone, light and dark."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from head3d import __version__
from head3d.imaging.color import levels_from_srgb, srgb_from_levels
from head3d.imaging.io import data_uri
from head3d.imaging.warp import resize
from head3d.perception.identity import SAME_PERSON_DISTANCE
from head3d.quality.consistency import Consistency
from head3d.quality.gate import SightVerdict
from head3d.quality.gate_page import gate_badge, gate_section
from head3d.quality.identity import IdentityScore
from head3d.quality.report import InputEntry, Picture, ReportContent, StageCost
from head3d.quality.report_style import STYLE
from head3d.quality.sight_overlay import SightView

GOOD_PAIR = 0.45
"""Descriptor distance that a good pair of photos of one person has."""

_SECURITY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(content: ReportContent) -> str:
    """The whole page."""
    scores = {score.view: score for score in content.identity}
    sections = [
        _hero(content),
        _section("headshots", "Headshots", _headshots(content, scores)),
        _section("sight", "What did the photos see?", _sight(content.sight)),
        _section("gate", "Is every picture whole?", gate_section(content.pictures)),
        _section("turntable", "All round", _turntable(content.turntable)),
        _section("photos", "Your photos", _photos(content.inputs)),
        _section("identity", "Is it the same person?", _identity(content)),
        _section("consistency", "Do the views agree?", _consistency(content.consistency)),
        _section("cost", "Time and memory", _cost(content.stages)),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(content.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{_SECURITY}">'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}"
        f"<footer>Made by head3d {escape(__version__)}. The headshots are AI-generated from the photos above; this "
        "page holds biometric data: share it with care.</footer></body></html>"
    )


def _section(anchor: str, title: str, body: str) -> str:
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def _image(pixels: Picture, alt: str, *, width: int, quality: int = 82, css: str = "") -> str:
    height = max(round(pixels.shape[0] * width / pixels.shape[1]), 1)
    small = pixels
    if width < pixels.shape[1]:
        small = levels_from_srgb(resize(srgb_from_levels(pixels), (height, width)))
    shape = f'width="{small.shape[1]}" height="{small.shape[0]}"'
    kind = f' class="{css}"' if css else ""
    return (
        f'<img{kind} src="{data_uri(small, quality=quality)}" alt="{escape(alt, quote=True)}" {shape} loading="lazy">'
    )


def _name(view: str) -> str:
    return escape(view.replace("-", " ").replace("_", " "))


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
    picture = "" if first is None else _image(first[1], f"Headshot, {first[0]}", width=640, quality=88)
    links = "".join(
        f'<a href="#{anchor}">{title}</a>'
        for anchor, title in (("headshots", "Headshots"), ("photos", "Photos"), ("identity", "Numbers"))
    )
    return (
        f'<header class="hero"><div class="words"><p class="brand">head3d</p><h1>{escape(content.title)}</h1>'
        f'<dl class="facts">{cards}</dl><nav>{links}</nav></div><div class="portrait">{picture}</div></header>'
    )


def _badge(score: IdentityScore | None) -> str:
    if score is None or score.mean is None:
        return '<span class="badge none" title="No face can be compared from this angle">not compared</span>'
    level = "good" if score.mean <= GOOD_PAIR else "fair" if score.mean < SAME_PERSON_DISTANCE else "poor"
    words = {"good": "clearly the same person", "fair": "the same person", "poor": "not the same person"}[level]
    return f'<span class="badge {level}" title="{words}">{score.mean:.2f}</span>'


def _headshots(content: ReportContent, scores: dict[str, IdentityScore]) -> str:
    sights = {one.verdict.view: _sight_badge(one.verdict) for one in content.sight}
    badges = {
        view: f"{sights.get(view, '')} {gate_badge(content.pictures.get(view))} "
        f"{_badge(scores.get(view)) if scores else ''}"
        for view in content.headshots
    }
    cards = "".join(
        f"<figure>{_image(pixels, f'Headshot, {view}', width=480)}"
        f"<figcaption>{_name(view)}<span>{badges[view]}</span></figcaption></figure>"
        for view, pixels in content.headshots.items()
    )
    note = (
        f"<p class=note>The number is the distance of the face to the photos: below {SAME_PERSON_DISTANCE} it is the "
        f"same person, about {GOOD_PAIR} is what two photos of one person have.</p>"
        if scores
        else ""
    )
    return f'<div class="grid">{cards}</div>{note}' if cards else ""


def _sight_badge(verdict: SightVerdict) -> str:
    level = {"good": "good", "warned": "fair", "refused": "poor"}[verdict.level]
    return (
        f'<span class="badge {level}" title="{escape(str(verdict.shares), quote=True)}">'
        f"{verdict.shares.seen:.0%} seen</span>"
    )


def _sight(views: Sequence[SightView]) -> str:
    if not views:
        return ""
    cards = "".join(
        f"<figure>{_image(one.overlay, f'{one.verdict.view}, with what no photo saw marked', width=300)}"
        f"<figcaption>{_name(one.verdict.view)}{_sight_badge(one.verdict)}</figcaption></figure>"
        for one in views
    )
    advice = "".join(
        f'<li class="{"bad" if one.verdict.level == "refused" else "warn"}">{escape(one.verdict.sentence)}</li>'
        for one in views
        if one.verdict.sentence
    )
    return (
        "<p class=note>Amber: seen at a grazing angle, mirrored from the other side, or close to what was seen. Red: "
        "no photo shows it; shape and colour are invented. Shares are of the head, without neck and shoulders.</p>"
        f'<div class="grid small">{cards}</div><ul>{advice}</ul>'
    )


def _turntable(pictures: Sequence[Picture]) -> str:
    frames = "".join(
        _image(pixels, f"The head turned, picture {i + 1} of {len(pictures)}", width=220)
        for i, pixels in enumerate(pictures)
    )
    return f'<div class="strip" tabindex="0" role="group" aria-label="Turntable">{frames}</div>' if frames else ""


def _photos(inputs: Sequence[InputEntry]) -> str:
    ordered = [*(e for e in inputs if e.accepted), *(e for e in inputs if not e.accepted)]
    return "".join(_photo(entry) for entry in ordered)


def _photo(entry: InputEntry) -> str:
    verdict = '<span class="badge good">used</span>' if entry.accepted else '<span class="badge poor">not used</span>'
    picture = "" if entry.picture is None else _image(entry.picture, f"Photo {entry.name}", width=300, css="thumb")
    facts = []
    if entry.yaw_deg is not None:
        side = "left" if entry.yaw_deg > 0 else "right"
        facts.append(
            f"turned {abs(entry.yaw_deg):.0f}° to its {side}" if abs(entry.yaw_deg) >= 5 else "seen from the front"
        )
    if entry.residual_px is not None:
        facts.append(f"landmarks within {entry.residual_px:.1f} px")
    lines = "".join(f'<li class="bad">{escape(reason)}</li>' for reason in entry.reasons)
    lines += "".join(f'<li class="warn">{escape(warning)}</li>' for warning in entry.warnings)
    overlays = "".join(
        f"<figure>{_image(pixels, f'{caption} over {entry.name}', width=300 * pixels.shape[1] // pixels.shape[0])}"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, pixels in entry.overlays.items()
    )
    more = (
        f'<div class="strip small" tabindex="0" role="group" aria-label="What was seen">{overlays}</div>'
        if overlays
        else ""
    )
    return (
        f'<article class="photo">{picture}<div><h3>{escape(entry.name)} {verdict}</h3>'
        f"<p class=note>{escape(', '.join(facts))}</p><ul>{lines}</ul>{more}</div></article>"
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], *, caption: str) -> str:
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(_cell(cell) for cell in row[1:])}</tr>' for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return text if text.startswith("<td") else f"<td>{text}</td>"


def _identity(content: ReportContent) -> str:
    scored = [score for score in content.identity if score.distances]
    if not scored:
        return ""
    photos = list(scored[0].distances)
    rows = [
        (_name(score.view), *(_heat(score.distances[photo]) for photo in photos), _heat(score.mean or 0.0))
        for score in scored
    ]
    kind = "photos that were not trained on" if content.held_out else "photos the head was made from"
    return _table(
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
            f"{_name(pair.source)} → {_name(pair.target)}",
            f"{pair.angle_deg:.0f}°",
            f"{pair.overlap:.0%}",
            f"{pair.psnr_db:.1f}",
            f"{pair.lpips_alex:.3f}",
        )
        for pair in found.pairs
    ]
    caption = "Each view moved into a neighbour through the head's own depth, compared where both see the surface"
    return _table(["pair", "apart", "seen by both", "PSNR, dB", "LPIPS"], rows, caption=caption)


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
    return _table(["stage", "time", "peak memory", "device"], rows, caption="What each stage took")


def _duration(seconds: float) -> str:
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
