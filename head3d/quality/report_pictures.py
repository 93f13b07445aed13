"""The report's pictures by angle: what becomes of each, what photos saw of it, and filters over them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Literal

from head3d.perception.config import SAME_PERSON_DISTANCE
from head3d.quality.gate import SightVerdict, delivery, most_helpful
from head3d.quality.gate_page import gate_badge
from head3d.quality.identity import IdentityScore
from head3d.quality.report import Picture, ReportContent
from head3d.quality.report_image import image, view_words
from head3d.quality.sight_overlay import SightView
from head3d.render.confidence import Shares

GOOD_PAIR = 0.45
"""Descriptor distance that a good pair of photos of one person has."""
NOTABLE = 0.1
"""Part of the head that makes a picture one with extrapolated or invented places."""

State = Literal["delivered", "warned", "aside"]
STATES: Mapping[State, tuple[str, str, str]] = {
    "delivered": ("Delivered", "good", "deliver"),
    "warned": ("With a warning", "fair", "warning"),
    "aside": ("Put aside", "poor", "refused"),
}
"""What became of a picture: name of the filter, colour and word of the badge."""
Kind = Literal["seen", "extrapolated", "invented"]
KINDS: Mapping[Kind, str] = {
    "seen": "Seen by photos",
    "extrapolated": "Partly extrapolated",
    "invented": "Partly invented",
}


def headshots_section(content: ReportContent) -> str:
    """All finished pictures, those put aside too, with filters over them."""
    pictures = _in_order(content)
    scores = {score.view: score for score in content.identity}
    cards = "".join(_card(view, pixels, content, scores) for view, pixels in pictures.items())
    note = (
        f"<p class=note>The number is the distance of the face to the photos: below {SAME_PERSON_DISTANCE} it is the "
        f"same person, about {GOOD_PAIR} is what two photos of one person have.</p>"
        if scores
        else ""
    )
    none = "" if content.headshots else f"<p class=note>{escape(_none_delivered(content))}</p>"
    return f'{none}{_filters(content, pictures)}<div class="grid">{cards}</div>{note}' if cards else ""


def _none_delivered(content: ReportContent) -> str:
    sights = {one.verdict.view: one.verdict for one in content.sight}
    return f"None of these pictures is good enough to be delivered. {most_helpful(sights, content.pictures)}"


def sight_section(content: ReportContent) -> str:
    """Every view with what no photo saw marked on it, and the photos that would help."""
    views = content.sight
    if not views:
        return ""
    cards = "".join(_marked(one, content) for one in views)
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


def state_of(view: str, content: ReportContent) -> State:
    """What became of a view's picture."""
    if view not in content.headshots:
        return "aside"
    return "delivered" if delivery(_sight_of(view, content), content.pictures.get(view)) == "good" else "warned"


def kind_of(shares: Shares) -> Kind:
    """The least certain kind of place that makes up a notable part of a head."""
    if shares.invented > NOTABLE:
        return "invented"
    return "extrapolated" if shares.invented + shares.extrapolated > NOTABLE else "seen"


def _in_order(content: ReportContent) -> dict[str, Picture]:
    """Delivered pictures and those put aside, in the order in which the views were made."""
    pictures = {**content.headshots, **content.aside}
    made = [one.verdict.view for one in content.sight if one.verdict.view in pictures]
    return {view: pictures[view] for view in dict.fromkeys([*made, *pictures])}


def _sight_of(view: str, content: ReportContent) -> SightVerdict | None:
    return next((one.verdict for one in content.sight if one.verdict.view == view), None)


def _filters(content: ReportContent, pictures: Iterable[str]) -> str:
    """Boxes to choose pictures with; the script shows them."""
    views = list(pictures)
    sights = [sight for view in views if (sight := _sight_of(view, content))]
    states = Counter(state_of(view, content) for view in views)
    kinds = Counter(kind_of(sight.shares) for sight in sights)
    groups = [_boxes("Delivery", "state", [(state, words[0], states[state]) for state, words in STATES.items()])]
    if sights:
        groups.append(_boxes("What photos saw", "kind", [(kind, words, kinds[kind]) for kind, words in KINDS.items()]))
    note = f"Partly: more than {NOTABLE:.0%} of the head." if sights else ""
    return (
        f'<form class="filters" aria-label="Choose pictures">{"".join(groups)}'
        f'<p class=note>{note} <output aria-live="polite"></output></p></form>'
    )


def _boxes(legend: str, name: str, choices: Sequence[tuple[str, str, int]]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="{name}" value="{value}" checked autocomplete="off">'
        f"{words} ({count})</label>"
        for value, words, count in choices
    )
    return f"<fieldset><legend>{legend}</legend>{boxes}</fieldset>"


def _card(view: str, pixels: Picture, content: ReportContent, scores: Mapping[str, IdentityScore]) -> str:
    badges = [_delivery_badge(view, content), gate_badge(content.pictures.get(view))]
    if view in scores:
        badges.append(_identity_badge(scores[view]))
    contact = content.eye_contact_deg.get(view)
    if contact is not None:
        badges.append(f'<span class="badge none">eyes {contact:.0f}° off the camera</span>')
    return (
        f"<figure{_marks(view, content)}>{image(pixels, f'Headshot, {view}', width=480)}"
        f'<figcaption>{view_words(view)}<span class="badges">{"".join(badges)}</span></figcaption></figure>'
    )


def _marked(one: SightView, content: ReportContent) -> str:
    view = one.verdict.view
    picture = image(one.overlay, f"{view}, with what no photo saw marked", width=300)
    return (
        f"<figure{_marks(view, content)}>{picture}"
        f"<figcaption>{view_words(view)}{_seen_badge(one.verdict)}</figcaption></figure>"
    )


def _marks(view: str, content: ReportContent) -> str:
    """What the filters go by."""
    sight = _sight_of(view, content)
    kind = f' data-kind="{kind_of(sight.shares)}"' if sight else ""
    return f' data-state="{state_of(view, content)}"{kind}'


def _delivery_badge(view: str, content: ReportContent) -> str:
    """What becomes of an angle, and how much of it photos saw."""
    _, level, word = STATES[state_of(view, content)]
    sight = _sight_of(view, content)
    seen, why = (f" · {sight.shares.seen:.0%} seen", str(sight.shares)) if sight else ("", "")
    return f'<span class="badge {level}" title="{escape(why, quote=True)}">{word}{seen}</span>'


def _seen_badge(verdict: SightVerdict) -> str:
    level = {"good": "good", "warned": "fair", "refused": "poor"}[verdict.level]
    return (
        f'<span class="badge {level}" title="{escape(str(verdict.shares), quote=True)}">'
        f"{verdict.shares.seen:.0%} seen</span>"
    )


def _identity_badge(score: IdentityScore) -> str:
    if score.mean is None:
        return '<span class="badge none" title="No face can be compared from this angle">not compared</span>'
    level = "good" if score.mean <= GOOD_PAIR else "fair" if score.mean < SAME_PERSON_DISTANCE else "poor"
    words = {"good": "clearly the same person", "fair": "the same person", "poor": "not the same person"}[level]
    return f'<span class="badge {level}" title="{words}">{score.mean:.2f}</span>'
