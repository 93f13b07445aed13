"""Environment maps of one's own as lights, kept with the subject, so that a look names them without a path.

A look's light says ``own:ID``; the map is ``lights/ID.hdr`` in the subject's exports, so the page can add one, ``head3d
render --views`` finds it, and ``head3d delete`` erases it with the rest.
"""

import hashlib
import tempfile
from pathlib import Path

import cv2
import numpy as np

from head3d import store
from head3d.errors import ConfigError, InputError
from head3d.imaging.map_header import MapHeader, read_header
from head3d.imaging.panorama import read_panorama
from head3d.render.environment import shrunk

OWN = "own:"
"""Begins the name of a light of this kind."""
MOST_BYTES = 60 * 2**20
MOST_PIXELS, MOST_CHANNELS = 4096 * 2048, 8
"""A file says its size before it is decoded: more is refused unread."""
LEVELS = 1e-12, 1e8
"""What shines less is black in the file that is kept; more is no light: the sun's disc is 1e5 times its sky."""
ROWS = 256
"""Of what is kept: twice as many as light is computed from."""
MOST = 12


class LightMaps:
    """The maps of one subject."""

    def __init__(self, subject: Path) -> None:
        self.folder = subject / "exports" / "lights"

    def all(self) -> list[str]:
        """Names as looks use them, the newest first."""
        found = [path for path in self.folder.glob("*.hdr") if _is_id(path.stem)]
        return [OWN + path.stem for path in sorted(found, key=lambda path: (-path.stat().st_mtime, path.stem))]

    def add(self, content: bytes) -> str:
        """Keep the light of a map (.hdr or .exr, told by what is in it), made smaller; its name.

        Raises:
            InputError: Too large, no map, none that shines, or too many of them.
        """
        if len(content) > MOST_BYTES:
            raise InputError("That map is too large.", hint=f"Use up to {MOST_BYTES >> 20} MB.")
        header = read_header(content)
        if header is None:
            raise InputError("That is no environment map.", hint="Use a .hdr or .exr file that shows all directions.")
        if header.pixels > MOST_PIXELS or header.channels > MOST_CHANNELS:
            raise InputError("That map is too large.", hint="Use up to 4096 x 2048 px with its red, green and blue.")
        encoded = _encoded(content, header, self.folder)
        ident = hashlib.sha256(encoded).hexdigest()[:12]
        if f"{OWN}{ident}" not in (known := self.all()) and len(known) >= MOST:
            raise InputError(f"There are {MOST} lights of your own already.", hint="Remove one first.")
        store.write_bytes(self.folder / f"{ident}.hdr", encoded)
        return OWN + ident

    def remove(self, name: str) -> None:
        """Forget a map; looks that name it cannot be made any more."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where a map lies; ConfigError if there is none of this name."""
        ident = name.removeprefix(OWN)
        path = self.folder / f"{ident}.hdr"
        if not name.startswith(OWN) or not _is_id(ident) or not path.is_file():
            raise ConfigError("There is no such light of your own.", hint="Add the map again, or choose another light.")
        return path

    def resolved(self, choice: str) -> str:
        """What :func:`head3d.render.lights.choose_light` takes."""
        return str(self.path(choice)) if choice.startswith(OWN) else choice


def _encoded(content: bytes, header: MapHeader, folder: Path) -> bytes:
    """The map's light as a small Radiance file."""
    # OpenEXR reads files; whatever a crash leaves of it goes with the subject
    with tempfile.TemporaryDirectory(prefix=".map-", dir=store.make_folder(folder)) as place:
        path = Path(place) / f"map{header.suffix}"
        path.write_bytes(content)
        try:
            radiance = read_panorama(path)
        except ConfigError as error:
            raise InputError(f"The file: {error.message.removeprefix(f'{path}: ')}", hint=error.hint) from error
    if not LEVELS[0] < float(radiance.max()) < LEVELS[1]:
        raise InputError("That map shines like no light there is.", hint="Give radiance in any unit that suits a room.")
    small = shrunk(radiance, rows=ROWS).numpy()
    done, encoded = cv2.imencode(".hdr", np.ascontiguousarray(small[..., ::-1]))
    assert done
    return encoded.tobytes()


def _is_id(text: str) -> bool:
    return len(text) == 12 and all(c in "0123456789abcdef" for c in text)
