"""The user's photos on the report's page: the verdict on each, what was seen in it, and the head beside it."""

from collections.abc import Sequence
from html import escape

from head3d.quality.photo_pair import PAIR_PX
from head3d.quality.report import InputEntry, Picture
from head3d.quality.report_image import image


def photos_section(inputs: Sequence[InputEntry]) -> str:
    """All photos, those that were used first."""
    ordered = [*(e for e in inputs if e.accepted), *(e for e in inputs if not e.accepted)]
    return "".join(_photo(entry) for entry in ordered)


def _photo(entry: InputEntry) -> str:
    verdict = '<span class="badge good">used</span>' if entry.accepted else '<span class="badge poor">not used</span>'
    picture = "" if entry.picture is None else image(entry.picture, f"Photo {entry.name}", width=300, css="thumb")
    lines = "".join(f'<li class="bad">{escape(reason)}</li>' for reason in entry.reasons)
    lines += "".join(f'<li class="warn">{escape(warning)}</li>' for warning in entry.warnings)
    return (
        f'<article class="photo">{picture}<div><h3>{escape(entry.name)} {verdict}</h3>'
        f"<p class=note>{escape(', '.join(_facts(entry)))}</p><ul>{lines}</ul>{_pair(entry)}{_overlays(entry)}"
        "</div></article>"
    )


def _facts(entry: InputEntry) -> list[str]:
    facts = []
    if entry.yaw_deg is not None:
        side = "left" if entry.yaw_deg > 0 else "right"
        facts.append(
            f"turned {abs(entry.yaw_deg):.0f}° to its {side}" if abs(entry.yaw_deg) >= 5 else "seen from the front"
        )
    if entry.residual_px is not None:
        facts.append(f"landmarks within {entry.residual_px:.1f} px")
    return facts


def _pair(entry: InputEntry) -> str:
    """The photo and the head from the same camera: side by side, or one over the other where the script runs."""
    if entry.picture is None or entry.rendered is None:
        return ""
    before = image(entry.picture, f"Photo {entry.name}, the head in it", width=PAIR_PX)
    after = image(entry.rendered, f"The head from the camera of {entry.name}", width=PAIR_PX, css="after")
    label = escape(f"How much of the photo {entry.name} is shown; the rest is the head", quote=True)
    return (
        f'<figure class="compare"><div class="pair">{before}{after}</div><div class="cut"><span>head</span>'
        f'<input type="range" min="0" max="100" value="50" autocomplete="off" aria-label="{label}"><span>photo</span>'
        "</div><figcaption>The photo, and the head from the same camera in the same light</figcaption></figure>"
    )


def _overlays(entry: InputEntry) -> str:
    figures = "".join(_overlay(caption, pixels, entry.name) for caption, pixels in entry.overlays.items())
    if not figures:
        return ""
    return f'<div class="strip small" tabindex="0" role="group" aria-label="What was seen">{figures}</div>'


def _overlay(caption: str, pixels: Picture, name: str) -> str:
    picture = image(pixels, f"{caption} over {name}", width=300 * pixels.shape[1] // pixels.shape[0])
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"
