"""What goes over the wire: requests, and answers. A field that is not here is refused."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from head3d.errors import ConfigError
from head3d.garments.names import OWN, GarmentName, garment_colors

LightName = Literal["soft-front", "rembrandt", "loop", "butterfly", "split", "rim"]
BackdropName = Literal["studio-grey", "charcoal", "white", "warm", "blue", "plain-grey"]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
ViewName = Annotated[
    str,
    StringConstraints(
        max_length=32,
        pattern=r"^(front|back|(left|right)-20|(three-quarter|profile)-(left|right)|slightly-(above|below)"
        r"|[-+]?\d{1,3}(\.\d{1,2})?(/[-+]?\d{1,2}(\.\d{1,2})?)?)$",
    ),
]
"""A named angle, or yaw or yaw/pitch in degrees."""
PHOTO = r"photo:pho_[0-9a-f]{20}\.[a-z]{3,4}"
"""One of the subject's photos, by the name the server gave it."""
ExpressionName = Annotated[
    str, StringConstraints(pattern=rf"^(neutral|smile(:(0(\.\d{{1,2}})?|1(\.0{{1,2}})?))?|{PHOTO})$")
]
Light = LightName | Literal["photo", "backdrop"] | Annotated[str, StringConstraints(pattern=rf"^{PHOTO}$")]
Crop = Literal[
    "",
    "banner",
    "linkedin",
    "passport-eu",
    "portrait-3x4",
    "portrait-4x5",
    "square",
    "team-grid",
    "visa-us",
    "wide-3x2",
]
Exposure = Annotated[str, StringConstraints(pattern=r"^(auto|[-+]?(1?\d|20)(\.\d{1,2})?)$")]
Dyes = Annotated[
    str, StringConstraints(max_length=80, pattern=r"^((#[0-9a-fA-F]{6}|[a-z-]+)(,(#[0-9a-fA-F]{6}|[a-z-]+))*)?$")
]
Backdrop = BackdropName | Literal[""] | Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Preset = Literal["fast", "cpu", "quality", "test"]
Views = Annotated[list[ViewName], Field(min_length=1, max_length=24)]
Size = Annotated[int, Field(ge=64, le=2048)]
EyeTurn = Annotated[float, Field(ge=-22.0, le=22.0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConsentIn(_Strict):
    """Who agreed to a head being made, and to what."""

    by: Text = Field(description="Name of the person shown, or of whoever vouches for them.")
    scope: Text = Field(description="What was agreed to, in their words.")
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None = Field(
        default=None, description="ISO date; today if absent."
    )


class SubjectIn(_Strict):
    """A new subject."""

    consent: ConsentIn
    label: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", description="What you call it; nothing depends on it."
    )


class RunIn(_Strict):
    """Photos to head and headshots."""

    preset: Preset = "cpu"
    views: Views | None = Field(default=None, description="Headshots to make; ten angles if absent.")
    light: LightName = "soft-front"
    size: Size = Field(default=1024, description="Height and width of the headshots, px.")
    steps: Annotated[int, Field(ge=1, le=20000)] | None = Field(default=None, description="Of training.")


class RenderIn(_Strict):
    """Further pictures of a finished head: the options of `head3d render`, those aside that are files."""

    views: Views = Field(default=["front"])
    light: Light = Field(default="soft-front", description="A rig; of a photo; or of the place behind the person.")
    light_yaw: Annotated[float, Field(ge=-360.0, le=360.0, allow_inf_nan=False)] = Field(
        default=0.0, description="Carry it round the head, degrees; > 0 towards the subject's left."
    )
    light_frame: Literal["head", "camera"] = Field(
        default="head", description="What a photo's light keeps to: the camera walks, or the person turns."
    )
    light_exposure: Exposure = Field(default="auto", description="auto, or stops.")
    gloss: Annotated[float, Field(ge=0.0, le=4.0, allow_inf_nan=False)] | None = Field(
        default=None, description="Sheen of the skin: 1 as skin is, 0 matte."
    )
    backdrop: Backdrop = Field(default="", description="Painted, or #rrggbb; that of the run if empty.")
    backdrop_f: Annotated[float, Field(ge=0.0, le=64.0, allow_inf_nan=False)] | None = Field(
        default=None, description="F-number of the lens before a picture of a place; as in the run if null."
    )
    match: Literal["", "backdrop"] = Field(default="", description="Take on the look of the place behind the person.")
    retouch: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = Field(
        default=None, description="How far blotches of the skin are evened; as in the run if null."
    )
    enlarge: bool | None = Field(default=None, description="Large heads drawn anew by a net; as in the run if null.")
    garment: GarmentName | Literal["", "own"] = Field(
        default="", description="Worn instead of the photos' clothes; own: those; empty: that of the run."
    )
    garment_color: Dyes = Field(default="", description="Of its parts, with commas, by name or as #rrggbb.")
    crop: Crop = Field(default="", description="A frame around the head; passport frames are checked.")
    size: Size | None = Field(
        default=None, description="Height and width, px: 1024; of a crop the longer side, by default its own."
    )
    expression: ExpressionName = "neutral"
    gaze: Literal["own", "camera"] = "own"
    gaze_yaw: EyeTurn = Field(default=0.0, description="Turn the eyes on from there; > 0 to the person's own left.")
    gaze_pitch: EyeTurn = Field(default=0.0, description="The same, > 0 up.")
    distance_m: Annotated[float, Field(ge=0.5, le=5.0, allow_inf_nan=False)] = 1.5
    focal_mm: Annotated[float, Field(ge=15.0, le=400.0, allow_inf_nan=False)] | None = None
    lens_mm: Annotated[float, Field(ge=35.0, le=135.0, allow_inf_nan=False)] | None = Field(
        default=None, description="At equal framing: the camera moves so that the head keeps its size."
    )
    confidence: bool = Field(default=False, description="Beside each picture, which places photos saw.")
    format: Literal["png", "jpg", "webp", "avif"] = "png"

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """What the fields alone do not tell: colours belong to a garment, a crop chooses its own focal length."""
        if self.crop and self.focal_mm is not None:
            raise ValueError("A crop chooses the focal length itself: leave out crop or focal_mm.")
        if self.lens_mm is not None and (self.focal_mm is not None or self.distance_m != 1.5):
            raise ValueError("A lens says itself how far the camera stands: leave out lens_mm, or the other two.")
        if self.garment or self.garment_color:
            try:
                garment_colors(self.garment or OWN, self.garment_color)
            except ConfigError as error:
                raise ValueError(f"{error.message} {error.hint}") from error
        return self


class PhotoOut(BaseModel):
    """A stored photo. Its name is the server's."""

    id: str
    sha256: str
    bytes: int
    width: int
    height: int
    format: str


class SubjectOut(BaseModel):
    """A subject."""

    id: str
    label: str
    consent: ConsentIn
    created: float = Field(description="Unix seconds.")
    touched: float = Field(description="When it was last used; retention counts from here.")
    deleted_after: float | None = Field(description="When retention deletes it; null: never.")
    photos: int


class SubjectPage(BaseModel):
    """Subjects in the order of their ids."""

    subjects: list[SubjectOut]
    next: str | None = Field(description="Give it as `after` for the next page.")


class Trouble(BaseModel):
    """Why a job was given up."""

    kind: str
    message: str
    hint: str


class JobOut(BaseModel):
    """A job."""

    id: str
    subject: str
    kind: Literal["run", "render"]
    state: Literal["waiting", "running", "done", "dead", "cancelled"]
    ahead: int = Field(description="Jobs that wait before this one.")
    failures: int
    created: float
    started: float | None
    ended: float | None
    error: Trouble | None
    files: list[str] = Field(description="Pictures it made, as paths of /files.")


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobOut]
    next: int | None = Field(description="Give it as `before` for the next page.")


class FileOut(BaseModel):
    """A result."""

    path: str
    bytes: int
    media_type: str


class ErasedOut(BaseModel):
    """What a deletion removed."""

    files: int
    bytes: int
    verified: bool = Field(description="A search of everything that is left found none of its names.")


class Health(BaseModel):
    """Alive."""

    status: Literal["ok"]
    version: str


class Ready(BaseModel):
    """Ready for work, or why not."""

    ready: bool
    reasons: list[str]


class Problem(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
    hint: str = ""
    where: list[Any] = Field(default=[], description="The fields that were wrong.")
