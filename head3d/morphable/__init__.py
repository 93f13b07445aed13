"""The 3D morphable head model and its joint fit to all photos of a person."""
