"""The live line of a page: looks come in, pictures go out."""

import asyncio
import json
import struct
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from head3d.errors import Head3DError

from .render_loop import Ask, LookLoop
from .state import Viewer, look_of


async def serve_live(viewer: Viewer, socket: WebSocket) -> None:
    """Serve one page until it goes.

    A picture is one binary message: length of the header (uint32), header (json), JPEG.
    """
    studio = await asyncio.get_running_loop().run_in_executor(viewer.pool, viewer.open)

    async def send(header: dict[str, Any], body: bytes) -> None:
        text = json.dumps(header).encode()
        await socket.send_bytes(struct.pack("<I", len(text)) + text + body)

    loop = LookLoop(studio, viewer.turns, viewer.pool, send, gpu=studio.on_gpu)
    viewer.loops.add(loop)
    running = asyncio.create_task(loop.run())
    try:
        while True:
            said = json.loads(await socket.receive_text())
            if said.get("type") != "look":
                loop.ask(None)
                continue
            number = int(said.get("number", 0))
            try:
                look = look_of(json.dumps(said.get("look")))
                height, heard = int(said.get("height_px", 512)), int(said.get("heard", 0))
                loop.ask(Ask(number, look, height, bool(said.get("overlay")), bool(said.get("moving")), heard))
            except Head3DError as error:
                await send({"type": "error", "number": number, "text": str(error)}, b"")
    except (WebSocketDisconnect, ValueError, TypeError, AttributeError):
        pass  # gone, or says what no page of ours says
    finally:
        loop.ask(None)
        running.cancel()
        viewer.loops.discard(loop)
