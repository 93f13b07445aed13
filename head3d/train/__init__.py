"""Learning a person's field from the photos."""
