"""What the routes share: the server's parts, who asks, and whose subject or job a path names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi import Path as PathParameter
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from head3d.serve.auth import Tenant, Tokens
from head3d.serve.ledger import Ledger
from head3d.serve.metrics import Metrics
from head3d.serve.problems import Refused
from head3d.serve.rows import JobRow, SubjectRow
from head3d.serve.runner import Runner
from head3d.serve.settings import Settings


@dataclass
class Server:
    """The parts of a running server.

    Attributes:
        settings: What it allows.
        tokens: Who may use it.
        ledger: The connection of the thread that answers requests.
        runner: Has the jobs done.
        metrics: Counts.
        stopping: True once it goes down: streams end.
    """

    settings: Settings
    tokens: Tokens
    ledger: Ledger
    runner: Runner
    metrics: Metrics
    stopping: bool = False

    def subject_folder(self, subject: SubjectRow) -> Path:
        """The head3d subject folder of a subject."""
        return self.settings.home(subject.tenant, subject.id) / "subject"

    def uploads(self, subject: SubjectRow) -> Path:
        """Where its photos lie as they came."""
        return self.settings.home(subject.tenant, subject.id) / "uploads"


bearer = HTTPBearer(auto_error=False, description="A token made with `head3d serve --new-token NAME`.")


async def server_of(request: Request) -> Server:
    """The running server."""
    return request.app.state.server


async def tenant_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Tenant:
    """Who asks: the middleware has compared the token (``bearer`` describes it in OpenAPI); 401 if it has not."""
    del credentials
    tenant = request.scope.get("tenant")
    if tenant is None:
        raise Refused(401, "No valid token.", headers={"WWW-Authenticate": "Bearer"})
    return tenant


The = Annotated[Server, Depends(server_of)]
Who = Annotated[Tenant, Depends(tenant_of)]
SubjectId = Annotated[str, PathParameter(pattern=r"^sub_[0-9a-f]{20}$")]
JobId = Annotated[str, PathParameter(pattern=r"^job_[0-9a-f]{20}$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Repeat a request with the same key, and what the first one made is answered again.",
    ),
]


async def own_subject(server: The, tenant: Who, subject_id: SubjectId) -> SubjectRow:
    """The subject of a path; that of another tenant is not there."""
    found = server.ledger.subject(tenant.name, subject_id)
    if found is None:
        raise Refused(404, "There is no such subject.")
    return found


async def own_job(server: The, tenant: Who, job_id: JobId) -> JobRow:
    """The job of a path; that of another tenant is not there."""
    found = server.ledger.job(tenant.name, job_id)
    if found is None:
        raise Refused(404, "There is no such job.")
    return found


OwnSubject = Annotated[SubjectRow, Depends(own_subject)]
OwnJob = Annotated[JobRow, Depends(own_job)]
