"""Who is let in: asked over the network, as another program would."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import Server


@pytest.fixture(scope="module")
def cookies(session: Any) -> dict[str, str]:
    return {one["name"]: one["value"] for one in session["cookies"]}


def test_nothing_without_a_cookie(server: Server):
    for path in ("/", "/api/state", "/api/picks", "/static/app.js", "/api/thumb.jpg?look={}"):
        assert httpx.get(server.address + path).status_code == 401
    assert httpx.get(f"{server.address}/enter?token=guess").status_code == 401


def test_a_link_works_once(server: Server, session: Any):
    again = httpx.get(server.link)
    assert again.status_code == 401 and "set-cookie" not in again.headers


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_from_elsewhere(session: Any):
    (cookie,) = session["cookies"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"


def test_a_foreign_origin_is_refused(server: Server, cookies: dict[str, str]):
    told = {"Origin": "http://evil.example"}
    assert httpx.get(f"{server.address}/api/state", cookies=cookies).status_code == 200
    assert httpx.get(f"{server.address}/api/state", cookies=cookies, headers=told).status_code == 403
    assert httpx.post(f"{server.address}/api/undo", cookies=cookies, headers=told).status_code == 403
    assert httpx.post(f"{server.address}/api/undo", cookies=cookies).status_code == 403
    ours = {"Origin": server.address}
    assert httpx.post(f"{server.address}/api/undo", cookies=cookies, headers=ours).status_code == 200


def test_a_name_that_is_not_this_machines_is_refused(server: Server, cookies: dict[str, str]):
    answer = httpx.get(f"{server.address}/api/state", cookies=cookies, headers={"Host": "evil.example"})
    assert answer.status_code == 421


@pytest.mark.parametrize("path", ["/api/live", "/scene"])
def test_sockets_are_guarded_alike(server: Server, cookies: dict[str, str], path: str):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    spoken = None
    if path == "/scene":
        spoken = [Subprotocol(f"viser-v{pytest.importorskip('viser').__version__}")]
    address = server.address.replace("http", "ws") + path
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    for headers, origin in (
        ({}, server.address),
        ({"Cookie": cookie}, "http://evil.example"),
        ({"Cookie": cookie}, None),
    ):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(address, origin=origin, additional_headers=headers, subprotocols=spoken),  # type: ignore[arg-type]
        ):
            pass
        assert refused.value.response.status_code == 403
    told, ours = {"Cookie": cookie}, server.address
    with connect(address, origin=ours, additional_headers=told, subprotocols=spoken, open_timeout=60):  # type: ignore[arg-type]
        pass


def test_large_bodies_and_paths_are_refused(server: Server, cookies: dict[str, str]):
    ours = {"Origin": server.address}
    large = httpx.post(f"{server.address}/api/picks", cookies=cookies, headers=ours, content=b"x" * 400_000)
    assert large.status_code == 413
    for word in (
        {"light": "/etc/passwd.json"},
        {"backdrop": "../x.png"},
        {"expression": "/tmp/a.json"},
        {"yaw_deg": 1e9},
    ):
        told = httpx.post(f"{server.address}/api/picks", cookies=cookies, headers=ours, json=word)
        assert told.status_code == 400 and told.json()["error"]
    for path in ("/static/../app.py", "/static/%2e%2e%2fapp.py", "/api/sets/..%2f..%2fsubject/x.png"):
        assert httpx.get(server.address + path, cookies=cookies).status_code in (400, 404)


def test_pages_may_load_nothing_from_elsewhere(server: Server, cookies: dict[str, str]):
    headers = httpx.get(server.address, cookies=cookies).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


def test_a_share_request_is_refused(server: Server, cookies: dict[str, str]):
    viser = pytest.importorskip("viser")
    import msgspec
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect
    from websockets.typing import Origin, Subprotocol

    address = server.address.replace("http", "ws") + "/scene"
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    spoken = [Subprotocol(f"viser-v{viser.__version__}")]
    with connect(
        address, origin=Origin(server.address), additional_headers=headers, open_timeout=60, subprotocols=spoken
    ) as socket:
        socket.recv(timeout=30)  # viser greets: this is its own server
        socket.send(msgspec.msgpack.encode({"type": "ShareUrlRequest"}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=30)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_the_scenes_own_port_answers_to_nobody_else(server: Server, cookies: dict[str, str]):
    pytest.importorskip("viser")
    assert httpx.get(f"{server.address}/scene/", cookies=cookies, timeout=60).status_code == 200
    lines = [line.split() for line in Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]]
    inodes = {str(one.readlink()) for one in Path(f"/proc/{server.process.pid}/fd").iterdir() if one.is_symlink()}
    ports = {int(one[1].split(":")[1], 16) for one in lines if one[3] == "0A" and f"socket:[{one[9]}]" in inodes}
    assert server.port in ports and len(ports) == 2
    (inner,) = ports - {server.port}
    assert httpx.get(f"http://127.0.0.1:{inner}/").status_code == 401
