"""Options of the fit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FitConfig:
    """Options of the joint fit."""

    focal_ratio: float = 1.5
    """Focal length over the photo's long side where EXIF says nothing; about 0.85 for a selfie, 2 to 3 for a studio."""
    focal_sd: float = 0.2
    """Standard deviation of the log focal length about its start, unknown, where each lens took three photos."""
    lone_focal_sd: float = 0.06
    """The same where a lens took fewer: one photo hardly tells its focal length from its distance."""
    landmark_sigma: float = 0.03
    """Standard deviation of a landmark over the distance between the pupils."""
    silhouette_rounds: int = 6
    """Times the outline is matched again."""
    silhouette_sigma: float = 0.015
    """Standard deviation of an outline point over the distance between the pupils."""
    flow_rounds: int = 5
    """Times the photos are matched against each other again; needs at least two photos."""
    flow_sigma: float = 0.03
    """Standard deviation of a flow point over the distance between the pupils."""
    identity_ridge: float = 6.0
    """Weight of the identity prior."""
    expression_ridge: float = 10.0
    """Weight of the expression prior."""
    seed: int = 0
    """Chooses flow points."""
