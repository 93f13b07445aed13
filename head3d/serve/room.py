"""Whether there is room: on the server's disk, and in what a tenant may store."""

import asyncio
import os
import shutil
import stat
from pathlib import Path

from head3d.serve.auth import Tenant
from head3d.serve.context import Server
from head3d.serve.problems import Refused


def check_disk(server: Server) -> None:
    """503 when the disk is nearly full."""
    if shutil.disk_usage(server.settings.folder).free < server.settings.free_mb * 1e6:
        raise Refused(503, "The server's disk is nearly full.", headers={"Retry-After": "600"})


async def check_storage(server: Server, tenant: Tenant, *, more: int = 0) -> None:
    """403 when a tenant stores more than they may, or would with so many bytes more.

    What a job will write nobody knows before: it may start while the quota is not spent.
    """
    held = await asyncio.to_thread(held_bytes, server.settings.home(tenant.name, ""))
    if held + more > tenant.quota.storage_mb * 1e6:
        raise Refused(403, f"You may store {tenant.quota.storage_mb} MB.", hint="Delete a subject.")


def held_bytes(folder: Path) -> int:
    """Size of all files below a folder; what goes away meanwhile does not count (jobs rename what they finish)."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = Path(place, name).lstat()
            except FileNotFoundError:
                continue
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total
