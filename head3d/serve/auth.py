"""Bearer tokens: who a request comes from. The file keeps their sha256 only; a token is shown once, when it is made."""

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError, CorruptPart
from head3d.serve.settings import Quota

FORMAT_VERSION = 1
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""A tenant's name is a folder's."""


@dataclass(frozen=True)
class Tenant:
    """Somebody who may use the server."""

    name: str
    quota: Quota


def new_token(path: Path, tenant: str, *, quota: Mapping[str, int] | None = None) -> str:
    """Make a token for a tenant, old or new, and add it to the file (mode 600)."""
    if not TENANT.fullmatch(tenant):
        raise ConfigError(f"{tenant!r} cannot be a tenant's name.", hint="a-z, 0-9, _ and -, at most 40.")
    token = f"h3d_{secrets.token_urlsafe(32)}"
    with store.locked(path.parent / ".tokens", what=str(path)):
        entries = read_entries(path) if path.exists() else []
        made = datetime.now(UTC).isoformat(timespec="seconds")
        entries.append({"tenant": tenant, "sha256": _hash(token), "created": made, "quota": dict(quota or {})})
        store.write_json(path, {"tokens": entries}, kind="head3d.tokens", version=FORMAT_VERSION)
        path.chmod(0o600)
    return token


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a tokens file; CorruptPart if one is not as it should be."""
    payload = store.read_json(path, kind="head3d.tokens", version=FORMAT_VERSION)
    known = {one.name for one in fields(Quota)}
    try:
        for entry in payload["tokens"]:
            assert TENANT.fullmatch(entry["tenant"]) and re.fullmatch("[0-9a-f]{64}", entry["sha256"])
            assert all(key in known and isinstance(value, int) for key, value in entry["quota"].items())
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise CorruptPart(f"{path} was edited: an entry is not as it should be.", hint="Make tokens anew.") from error
    return payload["tokens"]


class Tokens:
    """The tokens file, read again when it changes: a token can be taken back while the server runs."""

    def __init__(self, path: Path, *, quota: Quota) -> None:
        self._path, self._quota = path, quota
        self._seen: tuple[int, int] | None = None
        self._known: list[tuple[bytes, Tenant]] = []
        self._lock = threading.Lock()

    def tenant(self, token: str) -> Tenant | None:
        """Whose token it is. Every entry is compared, each in constant time."""
        self._refresh()
        given = _hash(token).encode()
        found = None
        for known, tenant in self._known:
            if hmac.compare_digest(known, given):
                found = tenant
        return found

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._known, self._seen = [], None
            return
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen == self._seen:
            return
        with self._lock:
            try:
                entries = read_entries(self._path)
            except CorruptPart:  # somebody's editor: the tokens of before stay good until the file is whole
                return
            own = asdict(self._quota)
            self._known = [
                (entry["sha256"].encode(), Tenant(entry["tenant"], Quota(**{**own, **entry["quota"]})))
                for entry in entries
            ]
            self._seen = seen


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def fingerprint(payload: Any) -> str:
    """sha256 of a request, to tell a repetition from another request under the same idempotency key."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
