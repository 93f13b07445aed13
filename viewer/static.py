"""A head as one HTML file that anyone can turn offline."""

import base64
import gzip
import json
import re
from importlib import resources
from pathlib import Path

from head3d import store
from head3d.looks import Look
from head3d.render.rigs import LIGHTS
from head3d.studio import Studio
from head3d.subject import Subject

from .proxy import baked, lit_table, packed


def write_static(subject: Subject, path: Path, *, expression: str = "neutral") -> None:
    """Write the file: mesh, lights and scripts inside, nothing asked of any machine.

    Args:
        subject: A finished subject.
        path: Of the html.
        expression: See :func:`head3d.morphable.expressions.find_expression`.
    """
    studio = Studio(subject)
    look = Look(expression=expression)
    mesh = gzip.compress(packed(baked(studio, look)), compresslevel=9, mtime=0)
    lights = {name: lit_table(studio, Look(light=name)) for name in LIGHTS}
    data = json.dumps({"mesh": base64.b64encode(mesh).decode(), "lights": lights})
    page = _page("turn.html").replace("__DATA__", data)
    store.write_bytes(path, page.replace("__SCRIPT__", _joined("camera.js", "stage.js", "turn.js")).encode())


def _joined(*names: str) -> str:
    """Modules as one script: their imports are of each other, and so not needed."""
    text = "\n".join(_page(name) for name in names)
    return re.sub(r"^export ", "", re.sub(r"^import .*\n", "", text, flags=re.M), flags=re.M)


def _page(name: str) -> str:
    return (resources.files("head3d.viewer") / "page" / name).read_text(encoding="utf-8")
