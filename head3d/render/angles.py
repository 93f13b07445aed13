"""Angles by name, and as people write their own. Without torch: whoever checks what was asked for needs no more."""

import re

ANGLES: dict[str, tuple[float, float]] = {
    "front": (0.0, 0.0),
    "left-20": (20.0, 0.0),
    "right-20": (-20.0, 0.0),
    "three-quarter-left": (40.0, 0.0),
    "three-quarter-right": (-40.0, 0.0),
    "profile-left": (85.0, 0.0),
    "profile-right": (-85.0, 0.0),
    "slightly-above": (0.0, -15.0),
    "slightly-below": (0.0, 15.0),
    "back": (180.0, 0.0),
}
"""Yaw and pitch (degrees) of the head by name; yaw > 0 turns the face to its own left, a camera above sees it pitched
down."""

OWN_ANGLE = re.compile(r"([-+]?\d+(?:\.\d+)?)(?:/([-+]?\d+(?:\.\d+)?))?")
"""Yaw, or yaw/pitch, in degrees: ``30``, ``-25/10``."""
