"""What the page offers: angles, lights, backdrops, expressions, frames of this subject."""

from typing import Any

from head3d.finish.background import BACKDROPS
from head3d.finish.windows import CROPS
from head3d.garments.catalogue import COLORS, OWN, PARTS
from head3d.looks import BOUNDS, Look, look_payload
from head3d.render.rigs import LIGHTS
from head3d.render.views import ANGLES
from head3d.studio import Studio

LIGHT_WORDS = {
    "soft-front": "Soft, from the front",
    "rembrandt": "Rembrandt",
    "split": "Split, from the side",
    "rim": "Rim, from behind",
}
CROP_WORDS = {"as-rendered": "As the lens sees it", "square": "Square", "portrait-3x4": "Portrait 3:4",
              "portrait-4x5": "Portrait 4:5", "wide-3x2": "Wide 3:2"}  # fmt: skip
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
    return {
        "angles": [{"value": name, "yaw_deg": yaw, "pitch_deg": pitch} for name, (yaw, pitch) in ANGLES.items()],
        "lights": lights,
        "backdrops": [{"value": name, "centre": one.centre, "corner": one.corner} for name, one in BACKDROPS.items()],
        "backdrop": studio.config.finish.backdrop,
        "garments": [{"value": name, "label": GARMENT_WORDS[name]} for name in (OWN, *PARTS)],
        "colors": [{"value": name, "paint": color} for name, color in COLORS.items()],
        "expressions": expressions,
        "units": units,
        "crops": [{"value": name, "label": CROP_WORDS.get(name, name), "aspect": _aspect(name)}
                  for name in ("as-rendered", *CROPS)],
        "bounds": {name: list(pair) for name, pair in BOUNDS.items()},
        "look": look_payload(Look()),
        "outline": [[round(x, 4) for x in point] for point in studio.outline.tolist()],
        "frames": {name: [crop.aspect, crop.head_height, crop.crown] for name, crop in CROPS.items()},
    }  # fmt: skip


def _aspect(name: str) -> float:
    return CROPS[name].aspect if name in CROPS else 1.0  # type: ignore[index]
