"""What the page offers: angles, lights, backdrops, expressions, frames, photos of this subject."""

from typing import Any

from head3d.finish.background import BACKDROPS
from head3d.finish.crops import UNFRAMED, CropPreset, crop_names, load_crop
from head3d.finish.framing import HeadPoints
from head3d.garments.names import COLORS, OWN, PARTS
from head3d.looks import BOUNDS, Look, look_payload
from head3d.render.angles import ANGLES
from head3d.render.rigs import LIGHTS
from head3d.studio import Studio

from .photo_views import photo_views

LIGHT_WORDS = {
    "soft-front": "Soft, from the front",
    "rembrandt": "Rembrandt",
    "loop": "Loop, a little aside",
    "butterfly": "Butterfly, from above",
    "split": "Split, from the side",
    "rim": "Rim, from behind",
}
CROP_WORDS = {
    UNFRAMED: "None",
    "square": "Square",
    "portrait-3x4": "3 : 4",
    "portrait-4x5": "4 : 5",
    "wide-3x2": "3 : 2",
    "linkedin": "LinkedIn",
    "banner": "Banner",
    "team-grid": "Team page",
    "passport-eu": "Passport, ID",
    "visa-us": "US visa",
}
"""In the order the page shows them."""
GARMENT_WORDS = {OWN: "As in the photos", "crew-neck": "Crew neck", "open-collar": "Shirt, open collar",
                 "shirt-tie": "Shirt and tie", "blazer": "Blazer over a shirt", "suit": "Suit and tie"}  # fmt: skip
SLIDERS = {
    "mouthSmile": "Smile",
    "browInnerUp": "Brows up",
    "browDown": "Brows down",
    "eyeSquint": "Squint",
    "eyeBlink": "Close the eyes",
    "jawOpen": "Open the mouth",
}
"""Units of the head model that a headshot may want, and what they are called."""


def panel_of(studio: Studio) -> dict[str, Any]:
    """Everything the page builds its controls from."""
    photos = studio.photos
    lights = [{"value": name, "label": LIGHT_WORDS.get(name, name)} for name in LIGHTS]
    lights += [{"value": f"photo:{name}", "label": f"As in {name}"} for name in photos]
    lights += [{"value": "backdrop", "label": "As the backdrop glows"}]
    known = studio.fitted.model.expression_names
    units = [
        {"value": name, "label": label}
        for name, label in SLIDERS.items()
        if any(one in (name, f"{name}Left", f"{name}Right") for one in known)
    ]
    expressions = [{"value": "neutral", "label": "Neutral"}, {"value": "smile:0.5", "label": "Half a smile"},
                   {"value": "smile", "label": "Smile"}]  # fmt: skip
    expressions += [{"value": f"photo:{name}", "label": f"As in {name}"} for name in photos]
    known_crops = (UNFRAMED, *sorted(crop_names(), key=lambda name: list(CROP_WORDS).index(name)))
    return {
        "angles": [{"value": name, "yaw_deg": yaw, "pitch_deg": pitch} for name, (yaw, pitch) in ANGLES.items()],
        "lights": lights,
        "backdrops": [{"value": name, "centre": one.centre, "corner": one.corner} for name, one in BACKDROPS.items()],
        "backdrop": studio.config.finish.backdrop,
        "garments": [{"value": name, "label": GARMENT_WORDS[name]} for name in (OWN, *PARTS)],
        "colors": [{"value": name, "paint": color} for name, color in COLORS.items()],
        "expressions": expressions,
        "units": units,
        "crops": [{"value": name, "label": CROP_WORDS[name]} for name in known_crops],
        "frames": {name: _frame(load_crop(name)) for name in crop_names()},
        "points": points_of(studio.points),
        "bounds": {name: list(pair) for name, pair in BOUNDS.items()},
        "look": look_payload(Look()),
        "photos": photo_views(studio),
    }  # fmt: skip


def points_of(points: HeadPoints) -> dict[str, Any]:
    """The head's places that frames are measured on, for the page."""

    def rounded(values: Any) -> Any:
        return [[round(x, 5) for x in point] for point in values.tolist()]

    return {
        "bare": rounded(points.bare), "hair": rounded(points.hair), "chin": rounded(points.chin[None])[0],
        "eyes": rounded(points.eyes),
    }  # fmt: skip


def _frame(crop: CropPreset) -> dict[str, Any]:
    """A frame as the page puts it up (page/camera.js does the sum of ``head3d.finish.crops.frame``)."""
    fields = ("title", "size_px", "head", "eyes", "across", "top", "head_least", "keep_hair", "eyes_most", "backdrop")
    rules = crop.passport
    wanted = None if rules is None else {"head": rules.head, "eyes": rules.eyes}
    return {**{name: getattr(crop, name) for name in fields}, "rules": wanted}
