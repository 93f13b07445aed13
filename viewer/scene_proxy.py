"""viser's canvas under our own address, behind our own door."""

import asyncio
from typing import Any

import httpx
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from .scene import KEY_HEADER, Scene

SHARE = b"ShareUrl"
"""Part of the type of every message about viser's public tunnel; types are plain text in msgpack."""
UPLOAD = b"FileTransfer"
"""viser takes files of any size and name; our scene asks for none."""
MOST_BYTES = 64 * 2**20


async def fetch(scene: Scene, path: str) -> Response:
    """A file of viser's client."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{scene.port}/{path}", headers={KEY_HEADER: scene.key})
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


async def relay(scene: Scene, socket: WebSocket) -> None:
    """Carry messages both ways; a request to share ends the connection."""
    offered = [Subprotocol(one) for one in socket.scope.get("subprotocols", [])]
    own = f"http://127.0.0.1:{scene.port}"
    async with connect(
        f"ws://127.0.0.1:{scene.port}/", subprotocols=offered or None, origin=Origin(own), compression=None,
        additional_headers={KEY_HEADER: scene.key}, max_size=MOST_BYTES,
    ) as inner:  # fmt: skip
        await socket.accept(subprotocol=inner.subprotocol)

        async def inwards() -> None:
            while True:
                message: Any = await socket.receive_bytes()
                if SHARE in message or UPLOAD in message:
                    await socket.close(1008, "sharing and uploads are not possible here")
                    return
                await inner.send(message)

        async def outwards() -> None:
            async for message in inner:
                await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_text(message))

        tasks = [asyncio.create_task(inwards()), asyncio.create_task(outwards())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
        for one in done:
            if isinstance(one, Exception) and not isinstance(
                one, WebSocketDisconnect | ConnectionClosed | RuntimeError
            ):
                raise one
