"""Options of perception: what is looked for in photos, and what is refused."""

from dataclasses import dataclass, field
from typing import Literal

SAME_PERSON_DISTANCE = 0.6
"""dlib distance up to which its author takes two faces for one person."""


@dataclass(frozen=True)
class DetectorConfig:
    """How hard faces are looked for."""

    min_score: float = 0.5
    """Score from which a find counts, in [0, 1]."""
    same_face_overlap: float = 0.3
    """Boxes whose intersection over union is larger are one face."""
    tiles: int = 2
    """The picture is also looked at in tiles x tiles overlapping parts; 1 = not."""
    turns_deg: tuple[float, ...] = (-35.0, 35.0, 90.0, -90.0, 180.0)
    """Turned copies tried where an upright look finds nothing, degrees."""


@dataclass(frozen=True)
class LandmarkConfig:
    """How landmarks are judged."""

    good_score: float = 0.9
    """A first look with at least this face score and little yaw is believed at once."""
    steep_yaw_deg: float = 40.0
    """Beyond this yaw several starts are compared even if the score is good, degrees."""


@dataclass(frozen=True)
class JudgeConfig:
    """What a usable photo is."""

    min_eye_distance_px: float = 45.0
    """Outer eye corners closer than this (in a frontal view) refuse a photo, px."""
    good_eye_distance_px: float = 90.0
    """Below this a photo is used with a warning, px."""
    min_score: float = 0.5
    """Face score of the landmark net below which a find is no face, in [0, 1]."""
    max_wobble: float = 0.026
    """Median spread of the landmarks over jittered crops, in face heights (brow to chin), beyond which a find is no
    face: real ones measure 0.004 to 0.008 from the front, up to 0.022 in profile, imagined ones 0.03 and more."""
    min_sharpness: float = 12.0
    """Variance of the Laplacian of the face at 160 px below which it is blurred."""
    good_sharpness: float = 30.0
    """Below this a photo is used with a warning."""
    max_clipped: float = 0.35
    """Share of burnt-out or black skin above which a photo is refused, in [0, 1]."""
    profile_deg: float = 50.0
    """Beyond this estimated yaw a face counts as a profile, degrees."""
    min_eye_shade: float = 0.55
    """Lightness round the eyes over that of the cheeks below which there are sunglasses (bare faces: 0.7 and more)."""
    min_lip_contrast: float = 3.5
    """Colour difference (CIELAB) of lips and skin below which something covers the mouth (bare faces: 5.8 and more)."""
    min_eye_contrast: float = 0.25
    """Spread of lightness in an eye over the skin's below which something covers it (bare faces: 0.5 and more)."""


@dataclass(frozen=True)
class ParsingConfig:
    """How a photo is divided."""

    window_faces: float = 4.2
    """Side of the head-and-shoulders window in brow-to-chin heights."""
    side_px: int = 320
    """Resolution at which regions are decided, px; edges follow the matte at full resolution."""


@dataclass(frozen=True)
class SubjectConfig:
    """How the subject is told from other people."""

    same_person: float = SAME_PERSON_DISTANCE
    """dlib distance up to which two faces are one person."""
    identity_yaw_deg: float = 35.0
    """Beyond this estimated yaw the identity net is not asked, degrees."""
    rival_size: float = 0.5
    """A second face at least this large, relative to the first, makes a lone photo ambiguous."""
    video_frames: int = 12
    """Frames kept of a video."""
    video_step_deg: float = 4.0
    """Frames closer in head pose than this add nothing, degrees."""


@dataclass(frozen=True)
class SecondConfig:
    """A second detector's look at the points (see the README, "Other programs")."""

    use: Literal["never", "installed", "download"] = "never"
    """installed: the package face-alignment and its nets, which must be here; download: fetch its nets if they are not,
    185 MB from its author's site."""
    most: float = 0.08
    """Median distance of its points from ours, in distances between the eyes, from which it disagrees. The two sets do
    not mean quite the same places (0.016 between marks on a head model), and its net errs by some 0.03 to 0.04."""


@dataclass(frozen=True)
class PerceptionConfig:
    """What is looked for in photos, and what is refused."""

    face: int | None = None
    """Which face is the subject where a photo shows several: 0 the largest; None = the one on most photos."""
    subject: SubjectConfig = field(default_factory=SubjectConfig)
    """Who is meant, where there are several people; which frames of a video are kept."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    """Finding faces."""
    landmarks: LandmarkConfig = field(default_factory=LandmarkConfig)
    """Finding points."""
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    """What a usable photo is."""
    parsing: ParsingConfig = field(default_factory=ParsingConfig)
    """Regions of a photo."""
    second: SecondConfig = field(default_factory=SecondConfig)
    """A second detector, to hold the points against."""
