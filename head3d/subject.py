"""A subject: one folder that holds a person's photos and everything made from them.

The ledger, subject.json, says which stages are done, from what and with which files; it is written last, so a stage
that was killed half-way is simply not in it. Reading a part needs no ledger.
"""

import getpass
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING

from head3d import store
from head3d.errors import ConfigError, ConsentMissing, CorruptPart, InputError

if TYPE_CHECKING:
    import numpy as np

    from head3d.capture.types import Photo, Verdict
    from head3d.field.radiance import RadianceField
    from head3d.morphable.types import HeadFit
    from head3d.perception.types import Observation
    from head3d.quality.consistency import Consistency
    from head3d.quality.picture_gate import PictureVerdict
    from head3d.render.types import RenderOutput, View

FORMAT_VERSION = 1
FOLDERS = ("photos", "perception", "fit", "field", "views", "refined", "headshots", "report", "exports")
"""Everything head3d may write into, beside subject.json, config.yaml and .lock."""
DELIVERIES = "deliveries.json"
"""Where copies went that lie outside the folder."""
VAULT_FILES = ("subject.age", "key.age")
"""What a locked subject is (see vault.py)."""
FILES = (
    "subject.json",
    "config.yaml",
    DELIVERIES,
    ".lock",
    "blind.json",
    "ratings.jsonl",
    "preference_likeness.json",
    "preference_professionalism.json",
    "preference_appeal.json",
    *VAULT_FILES,
)


@dataclass(frozen=True)
class Consent:
    """Who agreed to a head being made from these photos.

    Attributes:
        by: Name of the person shown, or of whoever vouches for them.
        date: ISO date.
        scope: What was agreed to, in the person's words; "self" if the person made it themselves.
    """

    by: str
    date: str
    scope: str


def consent_of(by: str = "", scope: str = "", *, date: str = "") -> Consent:
    """A record; without a name, of the person who runs the program, about themselves.

    Args:
        by: Who agreed.
        scope: To what, in their words; needed with a name that is another's.
        date: ISO; today if empty.

    Raises:
        ConsentMissing: Somebody else is named, and not what they agreed to.
        ConfigError: The date is none, or not yet.
    """
    today = datetime.now(UTC).date()
    if by and by != _login_name() and not scope.strip():
        raise ConsentMissing(
            f"It is not said what {by} agreed to.", hint='Add --consent-scope "...", in their words; or ask them first.'
        )
    try:
        day = Date.fromisoformat(date) if date else today
    except ValueError as error:
        raise ConfigError(f"{date!r} is no date.", hint="Write it as 2026-01-31.") from error
    if day > today:
        raise ConfigError(f"Consent of {date} is not given yet.", hint="Give the day they agreed.")
    return Consent(by=by or _login_name(), date=day.isoformat(), scope=scope or "self")


def parse_consent(text: str) -> Consent:
    """Read ``NAME, DATE, what they agreed to``; ``self``: whoever runs the program, of themselves."""
    if text.strip() == "self":
        return consent_of()
    parts = [part.strip() for part in text.split(",", 2)]
    if len(parts) < 3 or not all(parts):
        raise ConsentMissing(
            f"{text!r} is no record of consent.", hint='Write "NAME, 2026-01-31, what they agreed to", or self.'
        )
    name, date, scope = parts
    return consent_of(name, scope, date=date)


@dataclass(frozen=True)
class StageRecord:
    """A finished stage.

    Attributes:
        version: Of the stage's code: raised when it would give other results.
        config_sha: Of its options.
        inputs_sha: Of everything it read.
        files: sha256 of each file it wrote, by path below the subject folder.
        head3d: Version of the program.
        seconds: It took.
        peak_rss_mb: Peak memory while it ran, MB.
        device: It ran on.
    """

    version: int
    config_sha: str
    inputs_sha: str
    files: dict[str, str]
    head3d: str
    seconds: float
    peak_rss_mb: float
    device: str = "cpu"

    @property
    def outputs_sha(self) -> str:
        """Changes if any file of the stage does."""
        return store.sha256_of(self.files)


@dataclass(frozen=True)
class Ledger:
    """The content of subject.json."""

    consent: Consent
    stages: Mapping[str, StageRecord] = field(default_factory=dict)
    created: str = ""

    def with_stage(self, name: str, record: StageRecord) -> "Ledger":
        """The ledger after a stage has ended."""
        return replace(self, stages={**self.stages, name: record})

    def without(self, names: set[str]) -> "Ledger":
        """The ledger before some stages run again."""
        return replace(self, stages={name: record for name, record in self.stages.items() if name not in names})


@dataclass(frozen=True)
class Subject:
    """A subject folder; ``Subject(path)`` costs nothing, the readers read."""

    path: Path

    @property
    def exists(self) -> bool:
        """True if head3d has worked here."""
        return (self.path / "subject.json").is_file()

    @property
    def contact_sheet(self) -> Path:
        """All headshots of the last run in one picture."""
        return self.path / "headshots" / "contact_sheet.jpg"

    @property
    def report(self) -> Path:
        """The page that shows and measures everything."""
        return self.path / "report" / "report.html"

    def require(self) -> "Subject":
        """Itself, or InputError if there is no such subject."""
        if not self.exists and all((self.path / name).is_file() for name in VAULT_FILES):
            raise InputError(f"{self.path} is locked.", hint=f"head3d unlock {self.path}")
        if not self.exists:
            raise InputError(f"{self.path} is not a subject folder.", hint="Make one: head3d run PHOTO... --out FOLDER")
        return self

    def ledger(self) -> Ledger:
        """Read subject.json; FormatTooNew or CorruptPart if that cannot be done."""
        path = self.path / "subject.json"
        payload = store.read_json(path, kind="head3d.subject", version=FORMAT_VERSION)
        try:
            stages = {name: StageRecord(**record) for name, record in payload["stages"].items()}
            return Ledger(Consent(**payload["consent"]), stages, payload.get("created", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptPart(f"{path} was edited: {error}.", hint="Run `head3d run` with the photos again.") from error

    def write_ledger(self, ledger: Ledger) -> None:
        """Write subject.json, atomically."""
        payload = {**asdict(ledger), "created": ledger.created or datetime.now(UTC).isoformat(timespec="seconds")}
        store.write_json(self.path / "subject.json", payload, kind="head3d.subject", version=FORMAT_VERSION)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out; StorageError names the process that is in."""
        with store.locked(self.path, what=str(self.path)):
            yield

    def damaged(self, record: StageRecord) -> list[str]:
        """Files of a finished stage that are missing or no longer what was written."""
        return [name for name, sha in record.files.items() if _sha_or_none(self.path / name) != sha]

    def photos(self) -> "list[Photo]":
        """The usable photos."""
        from head3d.parts import read_photos

        return read_photos(self.path / "photos")[0]

    def verdicts(self) -> "list[Verdict]":
        """What was decided about each file: by capture, and for those it took, by perception."""
        from head3d.parts import read_observations, read_photos

        photos, by_capture = read_photos(self.path / "photos")
        by_perception = {one.name: one for one in read_observations(self.path / "perception", photos)[1]}
        return merge_verdicts(by_capture, by_perception)

    def observations(self) -> "list[Observation]":
        """The usable photos with what is seen in them."""
        from head3d.parts import read_observations

        return read_observations(self.path / "perception", self.photos())[0]

    def fit(self) -> "HeadFit":
        """The fitted head."""
        from head3d.morphable.head_model import load_head_model
        from head3d.parts import read_fit

        return read_fit(self.path / "fit", load_head_model())

    def fitted_photos(self) -> list[str]:
        """Names of the photos the head was fitted to, in the order of everything that is per photo."""
        path = self.path / "fit" / "fit.json"
        return list(store.read_json(path, kind="head3d.fit", version=1)["photos"])

    def field(self) -> "RadianceField":
        """The radiance field, on the CPU."""
        from head3d.field.radiance import field_from_state
        from head3d.parts import read_field

        return field_from_state(read_field(self.path / "field"))

    def views(self) -> "list[tuple[RenderOutput, View]]":
        """The views of the last run, in its order."""
        from head3d.parts_views import read_views

        return read_views(self.path / "views")

    def headshots(self) -> "dict[str, np.ndarray]":
        """Finished pictures of the last run by view, uint8 sRGB, in its order."""
        from head3d.parts_views import read_headshots

        return read_headshots(self.path / "headshots")

    def refused_headshots(self) -> "dict[str, np.ndarray]":
        """Finished pictures of the last run that were put aside, by view, uint8 sRGB."""
        from head3d.parts_views import read_headshots

        return read_headshots(self.path / "headshots", aside=True)

    def picture_verdicts(self) -> "dict[str, PictureVerdict]":
        """What the gate said of the finished pictures of the last run, by view."""
        from head3d.parts_views import read_picture_verdicts

        return read_picture_verdicts(self.path / "headshots")

    def consistency(self) -> "Consistency | None":
        """How far the views of the last run agree as they were delivered; None if that was not measured."""
        from head3d.parts_views import read_consistency

        return read_consistency(self.path / "headshots")

    def eye_contact(self, views: Sequence[str]) -> dict[str, float | None]:
        """How far past the camera the eyes of views look, degrees, by view."""
        from head3d.parts_views import read_eye_contact

        return {view: read_eye_contact(self.path / "views" / view) for view in views}

    def record_deliveries(self, files: Sequence[Path]) -> None:
        """Remember files of this person that were written outside the folder, so that they can be erased as well."""
        outside = [one.resolve() for one in files if not one.resolve().is_relative_to(self.path.resolve())]
        if not outside:
            return
        path = self.path / DELIVERIES
        known = {}
        if path.is_file():
            known = store.read_json(path, kind="head3d.deliveries", version=FORMAT_VERSION).get("files", {})
        known |= {str(one): store.sha256_file(one) for one in outside}
        store.write_json(path, {"files": known}, kind="head3d.deliveries", version=FORMAT_VERSION)

    def delete(self) -> list[Path]:
        """Erase the person: every file head3d wrote, then the folder if nothing of the user's is left in it.

        Returns:
            What was left because head3d did not write it.
        """
        if not any((self.path / name).is_file() for name in VAULT_FILES):
            self.require()
        with store.disk_errors(self.path):
            for name in (*FOLDERS, ".unlock"):
                for folder in (self.path / name, self.path / f"{'' if name[0] == '.' else '.'}{name}.draft"):
                    if folder.is_dir():
                        shutil.rmtree(folder)
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
            left = sorted(self.path.iterdir())
            if not left:
                self.path.rmdir()
        return left


def merge_verdicts(by_capture: "list[Verdict]", by_perception: "Mapping[str, Verdict]") -> "list[Verdict]":
    """One verdict per file, warnings of both joined; frames of videos come after the files they are from."""
    merged = []
    for one in by_capture:
        later = by_perception.get(one.name)
        merged.append(one if later is None else replace(later, warnings=(*one.warnings, *later.warnings)))
    known = {one.name for one in by_capture}
    return merged + [one for name, one in by_perception.items() if name not in known]


def check_free(path: Path) -> None:
    """Refuse to mix a subject into a folder that already holds other things."""
    with store.disk_errors(path):
        if not path.is_dir() or not any(path.iterdir()) or (path / "subject.json").exists():
            return
        foreign = [one.name for one in path.iterdir() if one.name not in FILES]
    if foreign:
        raise InputError(
            f"{path} is not empty and not a subject folder (it holds {foreign[0]}).",
            hint="Choose another folder with --out.",
        )


def _sha_or_none(path: Path) -> str | None:
    try:
        return store.sha256_file(path)
    except OSError:
        return None


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
