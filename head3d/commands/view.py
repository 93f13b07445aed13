"""The viewer: view."""

import importlib.util
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.errors import ConfigError

NEEDED = ("fastapi", "uvicorn", "websockets")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class View:
    """A page in the browser: turn the head, choose light and backdrop, keep picks, get the finished set."""

    subject: tyro.conf.Positional[Path]
    """The subject folder; one that is not there yet is made on the page, from photos."""
    host: str = "127.0.0.1"
    """Where to listen; any other needs --allow-network. From another machine use ssh -L 8765:127.0.0.1:8765 SERVER."""
    port: int = 8765
    """On which port; 0 for a free one."""
    allow_network: bool = False
    """Let other machines in: whoever has a link sees this face, and what is sent is not encrypted."""
    open: bool = False
    """Open the browser."""
    static: Path | None = None
    """Serve nothing: write one html file with the head that anyone can turn offline."""
    expression: str = "neutral"
    """For --static: neutral, smile, photo:NAME, ... as in `head3d render`."""


def view(words: Sequence[str]) -> int:
    options = parse(View, "view", words)
    if options.static is not None:
        from head3d.subject import Subject
        from head3d.viewer.static import write_static  # pyright: ignore[reportMissingImports]  # beside the package

        write_static(Subject(options.subject).require(), options.static, expression=options.expression)
        print(options.static)
        return 0
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"The viewer needs {', '.join(missing)}.", hint="pip install 'head3d[viewer]'")
    if options.host not in LOOPBACK:
        if not options.allow_network:
            raise ConfigError(
                f"--host {options.host} lets other machines in.",
                hint="Say --allow-network too if that is meant, or use ssh -L 8765:127.0.0.1:8765 SERVER.",
            )
        print(
            f"Listening on {options.host}: every machine that can reach this one may try. Whoever has a link sees and "
            "changes everything of this subject; nothing is encrypted. Prefer ssh -L."
        )
    from head3d.subject import Subject, check_free
    from head3d.viewer.serve import serve  # pyright: ignore[reportMissingImports]  # it lies beside the package

    subject = Subject(options.subject)
    check_free(subject.path)  # a folder that is not there yet is made from photos on the page
    port = free_port(options.host, options.port)
    serve(
        subject,
        host=options.host,
        port=port,
        open_browser=options.open,
        network=options.host not in LOOPBACK,
    )
    return 0


def free_port(host: str, port: int) -> int:
    """The port itself if it can be had (any for 0); ConfigError if something else listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"Port {port} is not free on {host}: {error.strerror}.", hint="Use --port.") from error
        return probe.getsockname()[1]
