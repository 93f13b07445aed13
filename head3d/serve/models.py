"""What goes over the wire: requests, and answers. A field that is not here is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LightName = Literal["soft-front", "rembrandt", "split", "rim"]
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
ExpressionName = Annotated[str, StringConstraints(pattern=r"^(neutral|smile(:(0(\.\d{1,2})?|1(\.0{1,2})?))?)$")]
Backdrop = BackdropName | Literal[""] | Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Preset = Literal["fast", "cpu", "quality", "test"]
Views = Annotated[list[ViewName], Field(min_length=1, max_length=24)]
Size = Annotated[int, Field(ge=64, le=2048)]


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
    """Further pictures of a finished head."""

    views: Views = Field(default=["front"])
    light: LightName = "soft-front"
    size: Size = 1024
    backdrop: Backdrop = Field(default="", description="Painted, or #rrggbb; that of the run if empty.")
    expression: ExpressionName = "neutral"
    gaze: Literal["own", "camera"] = "own"
    distance_m: Annotated[float, Field(ge=0.5, le=5.0, allow_inf_nan=False)] = 1.5
    focal_mm: Annotated[float, Field(ge=15.0, le=400.0, allow_inf_nan=False)] | None = None


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
