"""Who is let in, without a server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from head3d.viewer.guard import Guard, Keys  # pyright: ignore[reportMissingImports]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.of(tmp_path, 8765)


def ask(keys: Keys, path: str = "/", *, network: bool = False, method: str = "GET", **headers: str) -> tuple[int, dict]:
    """Status and headers of the answer; an app behind the guard answers 200."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    told = {"host": "127.0.0.1:8765", **{name.replace("_", "-"): value for name, value in headers.items()}}
    bare, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": bare, "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
    }  # fmt: skip
    asyncio.run(Guard(app, keys, network=network)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def enter(keys: Keys) -> str:
    status, headers = ask(keys, f"/enter?token={keys.new_link()}")
    assert status == 200
    return headers[b"set-cookie"].decode().partition(";")[0]


def test_a_link_opens_once_and_the_cookie_from_then_on(keys: Keys):
    token = keys.new_link()
    status, headers = ask(keys, f"/enter?token={token}")
    cookie = headers[b"set-cookie"].decode()
    assert status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert ask(keys, f"/enter?token={token}")[0] == 401
    assert ask(keys)[0] == 401
    assert ask(keys, cookie=cookie.partition(";")[0])[0] == 200


def test_a_prefetch_does_not_use_up_the_link(keys: Keys):
    token = keys.new_link()
    assert ask(keys, f"/enter?token={token}", sec_purpose="prefetch")[0] == 503
    assert ask(keys, f"/enter?token={token}")[0] == 200


def test_cookies_outlive_the_server_and_belong_to_its_port(keys: Keys, tmp_path: Path):
    cookie = enter(keys)
    assert ask(Keys.of(tmp_path, 8765), cookie=cookie)[0] == 200
    other = Keys.of(tmp_path, 9000)
    assert ask(other, cookie=cookie.replace("8765", "9000"))[0] == 401
    assert (tmp_path / "viewer.key").stat().st_mode & 0o077 == 0


def test_a_changed_cookie_is_none(keys: Keys):
    name, _, value = enter(keys).partition("=")
    ident, end, mac = value.split(".")
    for forged in (f"{ident}.{int(end) + 1}.{mac}", f"{ident}.{end}.{'0' * 64}", "x", f"{ident}.{end}.", ""):
        assert ask(keys, cookie=f"{name}={forged}")[0] == 401


def test_old_cookies_and_links_end(keys: Keys, monkeypatch: pytest.MonkeyPatch):
    cookie, token = enter(keys), keys.new_link()
    import time

    later = time.time() + 8 * 24 * 3600
    monkeypatch.setattr("head3d.viewer.guard.time.time", lambda: later)
    assert ask(keys, cookie=cookie)[0] == 401
    assert ask(keys, f"/enter?token={token}")[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://127.0.0.1:8765"}, 200),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "192.168.1.5:8765"}, 421),
        ({"host": "localhost:9000"}, 200),  # ssh -L 9000:localhost:8765
        ({"host": "["}, 421),
    ],
)
def test_only_our_own_page_under_our_own_name(keys: Keys, headers: dict[str, Any], status: int):
    assert ask(keys, cookie=enter(keys), **headers)[0] == status


def test_changes_must_say_where_they_come_from(keys: Keys):
    cookie = enter(keys)
    assert ask(keys, method="POST", cookie=cookie)[0] == 403
    assert ask(keys, method="POST", cookie=cookie, origin="http://127.0.0.1:8765")[0] == 200


def test_addresses_are_let_in_where_the_network_is(keys: Keys):
    cookie = enter(keys)
    assert ask(keys, network=True, cookie=cookie, host="192.168.1.5:8765")[0] == 200
    assert ask(keys, network=True, cookie=cookie, host="evil.example")[0] == 421


def test_large_bodies_are_refused_before_they_come(keys: Keys):
    cookie, ours = enter(keys), "http://127.0.0.1:8765"
    assert ask(keys, "/api/picks", method="POST", cookie=cookie, origin=ours, content_length="300000")[0] == 413
    photo = "/api/capture/photo"
    assert ask(keys, photo, method="POST", cookie=cookie, origin=ours, content_length="30000000")[0] == 200
    assert ask(keys, photo, method="POST", cookie=cookie, origin=ours, content_length="300000000")[0] == 413
