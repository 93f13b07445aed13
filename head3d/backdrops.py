"""Pictures of one's own behind the person, kept with the subject, so that a look names them without a path.

A look says ``own:ID``; the picture is ``backdrops/ID.jpg`` in the subject's exports. The page can add one, ``head3d
render --views`` finds it, and ``head3d delete`` erases it with the rest.
"""

import hashlib
import io
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from head3d import store
from head3d.errors import ConfigError, InputError

OWN = "own:"
"""Begins the name of a backdrop of this kind."""
MOST_BYTES = 20 * 2**20
MOST_PIXELS = 60_000_000
"""A file says its size before it is decoded: more is refused unread."""
SIDE_PX = 2048
"""Longer side of what is kept: as large as the largest headshot."""
MOST = 24
FORMATS = ("JPEG", "PNG", "WEBP")


class Backdrops:
    """The pictures of one subject."""

    def __init__(self, subject: Path) -> None:
        self.folder = subject / "exports" / "backdrops"

    def all(self) -> list[str]:
        """Names as looks use them, the newest first."""
        found = [path for path in self.folder.glob("*.jpg") if _is_id(path.stem)]
        return [OWN + path.stem for path in sorted(found, key=lambda path: (-path.stat().st_mtime, path.stem))]

    def add(self, content: bytes) -> str:
        """Keep a picture, upright, without its notes (where it was taken, by which camera); its name.

        Raises:
            InputError: Too large, no picture, or too many of them.
        """
        if len(content) > MOST_BYTES:
            raise InputError("That picture is too large.", hint=f"Use up to {MOST_BYTES >> 20} MB.")
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise InputError("That picture is too large.", hint="Use up to 60 megapixels.")
                picture = ImageOps.exif_transpose(opened).convert("RGB")
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError("That is no picture.", hint="Use a JPEG, PNG or WebP file.") from error
        picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=92)
        ident = hashlib.sha256(encoded.getvalue()).hexdigest()[:12]
        if f"{OWN}{ident}" not in (known := self.all()) and len(known) >= MOST:
            raise InputError(f"There are {MOST} backdrops already.", hint="Remove one first.")
        store.write_bytes(self.folder / f"{ident}.jpg", encoded.getvalue())
        return OWN + ident

    def remove(self, name: str) -> None:
        """Forget a picture; looks that name it cannot be made any more."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where a picture lies; ConfigError if there is none of this name."""
        ident = name.removeprefix(OWN)
        path = self.folder / f"{ident}.jpg"
        if not name.startswith(OWN) or not _is_id(ident) or not path.is_file():
            raise ConfigError("There is no such backdrop.", hint="Add the picture again, or choose another backdrop.")
        return path

    def resolved(self, choice: str) -> str:
        """What :func:`head3d.finish.apply.with_backdrop` takes."""
        return str(self.path(choice)) if choice.startswith(OWN) else choice


def _is_id(text: str) -> bool:
    return len(text) == 12 and all(c in "0123456789abcdef" for c in text)
