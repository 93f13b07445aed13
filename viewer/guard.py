"""Who may talk to the viewer: a one-time link gives a cookie; Host, Origin and sizes are checked on every request.

The page runs on a machine that others may share, and browsers let any website send requests to 127.0.0.1. So nothing is
answered without the cookie, nothing to a foreign Origin, and nothing under a name that is not this machine's (DNS
rebinding).
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from head3d import store

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE_SECONDS = 7 * 24 * 3600
LINK_SECONDS = 3600
MOST_LINKS = 20
BODY_BYTES = 256 * 1024
"""Of a request that is no upload."""
UPLOAD_BYTES = 64 * 1024 * 1024
UPLOAD_PATHS = ("/api/capture/photo", "/api/backdrop", "/api/lights", "/api/live/frame")
UNKNOWN = "Open the link that head3d view printed in the terminal. Each link works once, in one browser."
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""The page may load nothing from anywhere else, whatever a photo's name or a bug makes it try."""
SCENE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self' blob: data:; font-src 'self' data:; worker-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""viser's client is one file with its script and its workers inside; it may not load from elsewhere either."""
SCENE_PATH = "/scene/"


@dataclass
class Keys:
    """Links that have not been used, and the secret that cookies are signed with (it outlives the server)."""

    secret: bytes
    cookie: str
    links: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path, port: int) -> "Keys":
        """Keys of this user's viewers; cookies do not know ports, so their names do."""
        path = home / "viewer.key"
        if not path.is_file():
            store.write_bytes(path, secrets.token_bytes(32))
            path.chmod(0o600)
        return cls(path.read_bytes(), f"head3d_{port}")

    def new_link(self) -> str:
        """A token that opens the viewer once."""
        now = time.time()
        self.links = {token: end for token, end in self.links.items() if end > now}
        while len(self.links) >= MOST_LINKS:
            self.links.pop(next(iter(self.links)))
        token = secrets.token_urlsafe(24)
        self.links[token] = now + LINK_SECONDS
        return token

    def redeem(self, token: str) -> str | None:
        """The cookie for a token, which is then used up; None if it was none of ours."""
        if self.links.pop(token, 0.0) < time.time():
            return None
        words = f"{secrets.token_hex(8)}.{int(time.time()) + COOKIE_SECONDS}"
        return f"{words}.{self._mac(words)}"

    def knows(self, cookie: str) -> bool:
        """Whether a cookie is ours and not too old."""
        words, _, mac = cookie.rpartition(".")
        end = words.rpartition(".")[2]
        return hmac.compare_digest(mac, self._mac(words)) and end.isdigit() and int(end) > time.time()

    def _mac(self, words: str) -> str:
        return hmac.new(self.secret, f"{self.cookie}.{words}".encode(), hashlib.sha256).hexdigest()


class Guard:
    """Lets through what comes from our page, in this browser, under this machine's name."""

    def __init__(self, app: App, keys: Keys, *, network: bool = False, used: Callable[[], None] = lambda: None) -> None:
        self.app, self.keys, self.network, self.used = app, keys, network, used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused is not None:
            return await _refuse(scope, send, *refused)
        if scope["type"] == "http" and scope["path"] == "/enter":
            return await self._enter(scope, headers, send)
        if not self.keys.knows(self._cookie(headers)):
            return await _refuse(scope, send, 401, UNKNOWN)
        if scope["type"] == "websocket":
            return await self.app(scope, receive, send)
        limit = UPLOAD_BYTES if scope["path"] in UPLOAD_PATHS else BODY_BYTES
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            return await _refuse(scope, send, 413, f"More than {limit // 1024} kB is not taken.")
        await self.app(scope, _limited(receive, limit), _with_headers(scope, send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not _is_this_machine(host, network=self.network):
            return 421, "This viewer does not answer to that name."
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "This request comes from another site."
        if origin is None and changes:  # every browser sends one
            return 403, "A request that changes something must say where it comes from (Origin)."
        if headers.get("sec-fetch-site", "none") == "cross-site" and scope.get("path") != "/enter":
            return 403, "This request comes from another site."
        return None

    async def _enter(self, scope: Scope, headers: dict[str, str], send: Send) -> None:
        if "sec-purpose" in headers:  # a browser that guesses ahead must not use up the link
            return await _refuse(scope, send, 503, "Not in advance.")
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        cookie = self.keys.redeem(token)
        if cookie is None:
            if self.keys.knows(self._cookie(headers)):
                return await _answer(send, 200, _onwards(), [])
            return await _refuse(scope, send, 401, "This link was used, or is too old. The terminal shows a new one.")
        self.used()
        value = f"{self.keys.cookie}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={COOKIE_SECONDS}"
        await _answer(send, 200, _onwards(), [(b"set-cookie", value.encode())])

    def _cookie(self, headers: dict[str, str]) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.keys.cookie)
        except CookieError:
            return ""
        return found.value if found else ""


def _is_this_machine(host: str, *, network: bool) -> bool:
    """Whether a Host header names this machine; with ``network`` also by any address or its own name."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    if name in ("127.0.0.1", "localhost", "::1"):
        return True
    if not network:
        return False
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name in (socket.gethostname().lower(), socket.getfqdn().lower())


def _onwards() -> str:
    # a page that goes on by itself, not a redirect: after one from another site a strict cookie would not be sent
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>head3d</title>'
        '<link rel="icon" href="data:,"><meta http-equiv="refresh" content="0;url=/">'
        '<p><a href="/">Open the viewer</a></p></html>'
    )


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text[:100]})
        return
    # the page's style lies behind the door; without one it is dark like the others, and legible on a phone
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>head3d: not let in</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="dark">'
        f"<h1>head3d</h1><p>{text}</p></html>"
    )
    await _answer(send, status, page, [])


async def _answer(send: Send, status: int, page: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = page.encode()
    about = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *_always("/"), *headers]})
    await send({"type": "http.response.body", "body": body})


def _always(path: str) -> list[tuple[bytes, bytes]]:
    policy = SCENE_POLICY if path.startswith(SCENE_PATH) else POLICY
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    ]


def _with_headers(scope: Scope, send: Send) -> Send:
    always = _always(scope["path"])

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = {key for key, _ in always}
            message["headers"] = [pair for pair in message.get("headers", []) if pair[0].lower() not in ours] + always
        await send(message)

    return sending


class BodyTooLarge(Exception):
    """A body without a length went beyond the limit."""


def _limited(receive: Receive, limit: int) -> Receive:
    got = 0

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > limit:
            raise BodyTooLarge
        return message

    return receiving


def private_folder(path: Path) -> Path:
    """A folder that only this user can read."""
    store.make_folder(path)
    os.chmod(path, 0o700)  # noqa: PTH101
    return path
