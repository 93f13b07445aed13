"""How far eyes turn: apart from what turns them, for whoever only checks what was asked for."""

import math

EASY_RAD, LIMIT_RAD = math.radians(15.0), math.radians(22.0)
"""Eyes turn freely up to the first, and never beyond the second: there the head would turn."""
