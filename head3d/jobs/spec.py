"""What a job is: one subject through chosen stages, and further pictures of it. Plain data, as JSON can hold."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from head3d import store
from head3d.pictures import PictureOptions
from head3d.records import from_plain, to_plain
from head3d.subject import Consent

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Picture(PictureOptions):
    """Further pictures of a finished subject, as ``head3d render`` makes them.

    Attributes:
        views: Named angles, ``yaw/pitch`` in degrees, files of looks or sets, or ``picks`` for the subject's own.
        folder: Below exports/renders, for pictures that must not overwrite others; "" for that folder itself.
    """

    views: tuple[str, ...] = ("front",)
    folder: str = ""


@dataclass(frozen=True)
class JobSpec:
    """One job.

    Attributes:
        subject: The subject folder.
        photos: Files, folders and URLs; empty to go on with those already in the subject.
        preset: A preset's name or a yaml file.
        options: As on the command line: ``("--train.steps", "800")``.
        stages: Names, all if empty, no run at all if None.
        consent: Who agreed; None keeps the subject's record.
        pictures: To render afterwards.
        cache: Folder for what is fetched from URLs, removed when the job is done.
        results: URL of a folder that gets what was made; "" leaves it in the subject folder alone.
    """

    subject: str
    photos: tuple[str, ...] = ()
    preset: str = "cpu"
    options: tuple[str, ...] = ()
    stages: tuple[str, ...] | None = ()
    consent: Consent | None = None
    pictures: tuple[Picture, ...] = field(default=())
    cache: str = ""
    results: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return to_plain(self)


def write_spec(path: Path, spec: JobSpec) -> None:
    """Write a job for the process that will do it."""
    store.write_json(path, {"job": spec.plain()}, kind="head3d.job", version=FORMAT_VERSION)


def read_spec(path: Path) -> JobSpec:
    """Read what :func:`write_spec` wrote."""
    payload = store.read_json(path, kind="head3d.job", version=FORMAT_VERSION)
    return from_plain(JobSpec, payload.get("job"), where=str(path))


def spec_from_text(text: str, *, where: str) -> JobSpec:
    """A job from a column of a database, or wherever else its JSON was kept."""
    return from_plain(JobSpec, json.loads(text), where=where)
