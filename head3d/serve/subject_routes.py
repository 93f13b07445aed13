"""Subjects over HTTP: made with consent, given photos, asked for results, deleted."""

import asyncio
import mimetypes
import shutil
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Query, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse

from head3d.serve.auth import fingerprint
from head3d.serve.context import IdempotencyKey, OwnSubject, Server, The, Who
from head3d.serve.erase import Erased, erase
from head3d.serve.ledger import Ledger
from head3d.serve.models import ConsentIn, ErasedOut, FileOut, PhotoOut, SubjectIn, SubjectOut, SubjectPage
from head3d.serve.problems import Refused, documented
from head3d.serve.room import check_disk, check_storage
from head3d.serve.rows import Gone, PhotoRow, SubjectRow
from head3d.serve.uploads import check_header, store_photo
from head3d.subject import Consent, consent_of

router = APIRouter(prefix="/v1/subjects", tags=["subjects"])
RESULTS = ("headshots", "report", "exports", "fit/head.ply", "field/field.safetensors")
"""What is given out of a subject folder."""
STOP_S = 15.0
"""A running job has this long to end before its subject is deleted."""
ALL = (401, 404, 422)
Photos = Annotated[list[UploadFile], File(min_length=1, max_length=100)]


@router.post("", status_code=201, responses=documented(400, 401, 403, 409, 413, 422, 503))
async def create_subject(
    server: The, tenant: Who, body: SubjectIn, idempotency_key: IdempotencyKey = None
) -> SubjectOut:
    """Make a subject. Without consent there is none."""
    check_disk(server)
    given = body.consent
    consent = Consent(given.by, given.date, given.scope) if given.date else consent_of(given.by, given.scope)
    row = server.ledger.add_subject(
        tenant.name,
        body.label,
        consent,
        most=tenant.quota.subjects,
        key=idempotency_key or "",
        request=fingerprint(["subject", body.model_dump()]),
    )
    return _subject(row, server)


@router.get("", responses=documented(401, 422))
async def list_subjects(
    server: The,
    tenant: Who,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str, Query(pattern=r"^(sub_[0-9a-f]{20})?$")] = "",
) -> SubjectPage:
    """Your subjects, page by page."""
    rows = server.ledger.subjects(tenant.name, limit=limit + 1, after=after)
    more = rows[limit - 1].id if len(rows) > limit else None
    return SubjectPage(subjects=[_subject(row, server) for row in rows[:limit]], next=more)


@router.get("/{subject_id}", responses=documented(*ALL))
async def get_subject(server: The, subject: OwnSubject) -> SubjectOut:
    """One subject."""
    return _subject(subject, server)


@router.post("/{subject_id}/photos", status_code=201, responses=documented(400, 403, *ALL, 409, 413, 415, 503))
async def add_photos(server: The, tenant: Who, subject: OwnSubject, photos: Photos) -> list[PhotoOut]:
    """Add photos: JPEG, PNG, WebP, AVIF or HEIC. All are taken, or none; the same photo again changes nothing."""
    check_disk(server)
    there = {one.sha256 for one in server.ledger.photos(subject.id)}
    if len(there) + len(photos) > server.settings.photos:
        raise Refused(409, f"A subject has at most {server.settings.photos} photos.")
    await check_storage(server, tenant, more=sum(photo.size or 0 for photo in photos))
    folder = server.uploads(subject)
    headers = [
        await asyncio.to_thread(check_header, one.file, size=one.size or 0, settings=server.settings) for one in photos
    ]
    for one, header in zip(photos, headers, strict=True):
        row = await asyncio.to_thread(store_photo, one.file, header, folder)
        if row.sha256 in there:
            (folder / row.file).unlink(missing_ok=True)
            continue
        there.add(row.sha256)
        try:
            server.ledger.add_photo(subject.id, row)
        except Gone:  # deleted meanwhile: the copy must not outlive it
            shutil.rmtree(folder.parent, ignore_errors=True)
            raise
    return [_photo(row) for row in server.ledger.photos(subject.id)]


@router.get("/{subject_id}/photos", responses=documented(*ALL))
async def list_photos(server: The, subject: OwnSubject) -> list[PhotoOut]:
    """The photos of a subject."""
    return [_photo(row) for row in server.ledger.photos(subject.id)]


@router.delete("/{subject_id}/photos/{photo_id}", status_code=204, responses=documented(*ALL))
async def delete_photo(
    server: The, subject: OwnSubject, photo_id: Annotated[str, PathParameter(pattern=r"^pho_[0-9a-f]{20}$")]
) -> None:
    """Take a photo back; what was made from it stays until the next run."""
    for row in server.ledger.photos(subject.id):
        if row.id == photo_id:
            (server.uploads(subject) / row.file).unlink(missing_ok=True)
            server.ledger.remove_photo(subject.id, photo_id)
            return
    raise Refused(404, "There is no such photo.")


@router.get("/{subject_id}/files", responses=documented(*ALL))
async def list_files(server: The, subject: OwnSubject) -> list[FileOut]:
    """The results that are there."""
    found = await asyncio.to_thread(results, server.subject_folder(subject))
    return [FileOut(path=name, bytes=path.stat().st_size, media_type=_media(path)) for name, path in found.items()]


@router.get(
    "/{subject_id}/files/{path:path}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}, **documented(*ALL)},
)
async def get_file(server: The, subject: OwnSubject, path: str) -> FileResponse:
    """One result. Only names that are listed are looked up: no path of a request is ever opened."""
    found = await asyncio.to_thread(results, server.subject_folder(subject))
    if path not in found:
        raise Refused(404, "There is no such file.")
    server.ledger.touch(subject.id)
    return FileResponse(found[path], media_type=_media(found[path]), filename=found[path].name)


@router.delete("/{subject_id}", responses=documented(*ALL, 409))
async def delete_subject(server: The, tenant: Who, subject: OwnSubject) -> ErasedOut:
    """Delete a person: photos, head, pictures, jobs, events, logs, records. Jobs under way are stopped."""
    server.ledger.mark_deleting(subject.id)
    server.ledger.cancel_all_of(subject.id)
    for _ in range(int(STOP_S / 0.1)):
        if not server.ledger.is_running(subject.id):
            break
        await asyncio.sleep(0.1)
    else:
        raise Refused(409, "A job of this subject does not end.", hint="It is deleted as soon as that is over.")
    done = await asyncio.to_thread(_erase, server, subject)
    return ErasedOut(files=done.files, bytes=done.bytes, verified=done.verified)


def results(folder: Path) -> dict[str, Path]:
    """The files given out of a subject folder, by name; links are not followed."""
    found: dict[str, Path] = {}
    for part in RESULTS:
        place = folder / part
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        found |= {one.relative_to(folder).as_posix(): one for one in inside if one.is_file() and not one.is_symlink()}
    return found


def _erase(server: Server, subject: SubjectRow) -> Erased:
    ledger = Ledger(server.settings.database)  # this runs in a thread of its own
    try:
        return erase(subject, ledger, server.settings)
    finally:
        ledger.close()


def _media(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _subject(row: SubjectRow, server: Server) -> SubjectOut:
    days = server.settings.keep_days
    return SubjectOut(
        id=row.id,
        label=row.label,
        consent=ConsentIn(by=row.consent.by, scope=row.consent.scope, date=row.consent.date),
        created=row.created,
        touched=row.touched,
        deleted_after=row.touched + days * 86400 if days else None,
        photos=len(server.ledger.photos(row.id)),
    )


def _photo(row: PhotoRow) -> PhotoOut:
    return PhotoOut(id=row.id, sha256=row.sha256, bytes=row.bytes, width=row.width, height=row.height, format=row.kind)
