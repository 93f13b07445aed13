"""Jobs over HTTP: started, followed, cancelled."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from head3d.jobs.spec import JobSpec, Picture
from head3d.serve.auth import Tenant, fingerprint
from head3d.serve.context import IdempotencyKey, OwnJob, OwnSubject, Server, The, Who
from head3d.serve.models import JobOut, JobPage, RenderIn, RunIn, Trouble
from head3d.serve.problems import Refused, documented
from head3d.serve.room import check_disk, check_storage
from head3d.serve.rows import JobRow
from head3d.serve.runner import events_file

router = APIRouter(prefix="/v1", tags=["jobs"])
LOOK_S = 0.25
"""Between two looks at a job's events."""
PING_S = 15.0
"""A comment so often, so that proxies do not hang up."""
SSE_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("data", "event", "id")},
    "required": ["data", "event"],
}
"""One event on the wire; ``data`` is the JSON of what ``event`` names (see head3d.events); of the job for "state"."""
SHOWN = ("headshots/", "exports/")
START = (400, 401, 403, 404, 409, 413, 422, 429, 503)


@router.post("/subjects/{subject_id}/runs", status_code=202, responses=documented(*START))
async def start_run(
    server: The, tenant: Who, subject: OwnSubject, body: RunIn, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Make the head and its headshots. Again with other options, it redoes only what they touch."""
    request = fingerprint(["run", subject.id, body.model_dump()])
    if earlier := server.ledger.answered(tenant.name, idempotency_key or "", request):
        return job_out(earlier, server)
    await _check_room(server, tenant)
    photos = server.ledger.photos(subject.id)
    if not photos:
        raise Refused(409, "The subject has no photos.", hint="POST them to /photos first.")
    options = ["--views.light", body.light, "--views.size-px", str(body.size), "--finish.size", str(body.size)]
    if body.views:
        options += ["--views.names", *body.views]
    if body.steps:
        options += ["--train.steps", str(body.steps)]
    spec = JobSpec(
        subject=str(server.subject_folder(subject).resolve()),
        photos=tuple(str((server.uploads(subject) / row.file).resolve()) for row in photos),
        preset=body.preset,
        options=tuple(options),
        consent=subject.consent,
    )
    return _enqueue(server, tenant, subject.id, "run", spec, idempotency_key, request)


@router.post("/subjects/{subject_id}/renders", status_code=202, responses=documented(*START))
async def start_render(
    server: The, tenant: Who, subject: OwnSubject, body: RenderIn, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Make further pictures of a head that is there, or is being made."""
    request = fingerprint(["render", subject.id, body.model_dump()])
    if earlier := server.ledger.answered(tenant.name, idempotency_key or "", request):
        return job_out(earlier, server)
    await _check_room(server, tenant)
    runs = [job for job in server.ledger.jobs(tenant.name, subject=subject.id, limit=1000) if job.kind == "run"]
    if not any(job.state in ("waiting", "running", "done") for job in runs):
        raise Refused(409, "The subject has no head yet.", hint="POST to /runs first.")
    fields = {**body.model_dump(), "views": tuple(body.views)}
    folder = fingerprint(body.model_dump())[:12]  # the same request writes the same files, others none of them
    spec = JobSpec(
        subject=str(server.subject_folder(subject).resolve()), stages=None, pictures=(Picture(**fields, folder=folder),)
    )
    return _enqueue(server, tenant, subject.id, "render", spec, idempotency_key, request)


@router.get("/jobs", responses=documented(401, 422))
async def list_jobs(
    server: The,
    tenant: Who,
    subject: Annotated[str, Query(pattern=r"^(sub_[0-9a-f]{20})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> JobPage:
    """Your jobs, the newest first."""
    rows = server.ledger.jobs(tenant.name, subject=subject, limit=limit + 1, before=before)
    more = rows[limit - 1].number if len(rows) > limit else None
    return JobPage(jobs=[job_out(row, server) for row in rows[:limit]], next=more)


@router.get("/jobs/{job_id}", response_model=JobOut, responses=documented(401, 404, 422))
async def get_job(server: The, job: OwnJob) -> Response:
    """How a job stands."""
    # asked more often than all else: what was just validated is not validated again
    return Response(job_out(job, server).model_dump_json(), media_type="application/json")


@router.post("/jobs/{job_id}/cancel", responses=documented(401, 404, 422))
async def cancel_job(server: The, tenant: Who, job: OwnJob) -> JobOut:
    """Have a job end. One that has ended stays as it is."""
    server.ledger.cancel(job.id)
    return job_out(server.ledger.job(tenant.name, job.id) or job, server)


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"itemSchema": SSE_EVENT}}, "description": "Server-sent events."},
        **documented(401, 404, 422),
    },
)
async def follow_job(
    server: The,
    job: OwnJob,
    follow: Annotated[bool, Query(description="Wait for more until the job has ended.")] = True,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,9}$", description="Begin after this event.")] = None,
) -> StreamingResponse:
    """The typed events of a job (StageStart, Progress, TrainStep, ...), and `state` whenever that changes."""
    after = int(last_event_id or 0)
    return StreamingResponse(_events(server, job, follow=follow, after=after), media_type="text/event-stream")


async def _events(server: Server, job: JobRow, *, follow: bool, after: int) -> AsyncIterator[bytes]:
    path = events_file(server.settings, job)
    number, offset, state, quiet = 0, 0, "", 0.0
    while True:
        now = server.ledger.job(job.tenant, job.id)  # before the file: the last event is written before the state
        lines, offset = _new_lines(path, offset)
        for line in lines:
            number += 1
            if number > after:
                yield format_sse_event(data_str=line, event=_kind(line), id=str(number))
        if now is None:  # deleted meanwhile
            return
        if now.state != state:
            state = now.state
            yield format_sse_event(data_str=job_out(now, server).model_dump_json(), event="state")
        elif not lines:
            quiet += LOOK_S
            if quiet >= PING_S:
                quiet = 0.0
                yield KEEPALIVE_COMMENT
        if not follow or server.stopping or state not in ("waiting", "running"):
            return
        await asyncio.sleep(LOOK_S)


def _new_lines(path: Path, offset: int) -> tuple[list[str], int]:
    """Whole lines written since, and where to go on."""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            whole, newline, _ = handle.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], offset
    return whole.decode(errors="replace").splitlines() if newline else [], offset + len(whole) + len(newline)


def _kind(line: str) -> str:
    try:
        return str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return "message"


async def _check_room(server: Server, tenant: Tenant) -> None:
    check_disk(server)
    await check_storage(server, tenant)


def _enqueue(
    server: Server, tenant: Tenant, subject: str, kind: str, spec: JobSpec, key: str | None, request: str
) -> JobOut:
    row, _ = server.ledger.add_job(
        tenant.name,
        subject,
        kind,
        spec,
        most_waiting=server.settings.most_waiting,
        most_of_tenant=tenant.quota.waiting,
        key=key or "",
        request=request,
    )
    return job_out(row, server)


def job_out(row: JobRow, server: Server) -> JobOut:
    """A job as it is shown; paths of the server and what its worker was told stay inside."""
    fields = {one.name: getattr(row, one.name) for one in dataclasses.fields(row) if one.name in JobOut.model_fields}
    ahead = server.ledger.ahead_of(row) if row.state == "waiting" else 0
    files = [str(name) for name in row.result.get("files", {}) if str(name).startswith(SHOWN)]
    error = _trouble(row.error, server.settings.folder) if row.error else None
    return JobOut(**{**fields, "ahead": ahead, "files": files, "error": error})


def _trouble(error: Mapping[str, str], folder: Path) -> Trouble:
    """What went wrong, without the paths of this machine."""
    here = (str(folder.resolve()), str(folder))
    told = {key: error.get(key, "") for key in ("kind", "message", "hint")}
    return Trouble(**{key: text.replace(here[0], "").replace(here[1], "") for key, text in told.items()})
