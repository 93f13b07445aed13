"""Clients that ask how a job stands, from a process of their own; prints how long they waited for the answers.

python -m tests.end_to_end.status_load URL TOKEN JOB --clients 200 --seconds 20 (test_serve.py does so, marked slow)
"""

import argparse
import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit


async def client(address: tuple[str, int], request: bytes, until: float, period_s: float, waited: list[float]) -> None:
    """One client with a connection of its own; it asks once in a period, and begins at a random moment."""
    await asyncio.sleep(random.random() * period_s)
    reader, writer = await asyncio.open_connection(*address)
    while time.monotonic() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        took = time.perf_counter() - started
        waited.append(took)
        await asyncio.sleep(max(period_s - took, 0.0))
    writer.close()


async def load(url: str, token: str, job: str, *, clients: int, seconds: float, period_s: float) -> dict[str, float]:
    """Run all clients; milliseconds."""
    place = urlsplit(url)
    assert place.hostname and place.port
    request = f"GET /v1/jobs/{job} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    waited: list[float] = []
    until, address = time.monotonic() + seconds, (place.hostname, place.port)
    await asyncio.gather(*(client(address, request, until, period_s, waited) for _ in range(clients)))
    waited.sort()
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}
    told = {
        name: round(1000 * waited[min(int(share * len(waited)), len(waited) - 1)], 2) for name, share in shares.items()
    }
    return {"requests": len(waited), "per_s": round(len(waited) / seconds, 1), **told}


def main() -> int:
    """Parse, run, print JSON."""
    parser = argparse.ArgumentParser()
    for name in ("url", "token", "job"):
        parser.add_argument(name)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--period", type=float, default=1.0)
    options = parser.parse_args()
    told = load(
        options.url,
        options.token,
        options.job,
        clients=options.clients,
        seconds=options.seconds,
        period_s=options.period,
    )
    sys.stdout.write(json.dumps(asyncio.run(told)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
