"""From a render to a headshot: framing, backdrop, exposure, tone."""
