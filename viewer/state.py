"""One subject, opened for any number of pages."""

import gzip
import importlib.util
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from head3d.errors import ConfigError, Head3DError
from head3d.looks import Look, look_from, look_payload
from head3d.studio import Studio
from head3d.subject import Subject

from .capture import Capture
from .hub import Hub
from .poses import PickBook
from .proxy import baked, packed
from .render_loop import PRIORITY, LookLoop, Turns, jpeg_of
from .sets import SetMaker
from .thumbs import Thumbs
from .videos import VideoMaker

THREADS = 16
"""Most wait for their turn."""


class Viewer:
    """One subject, opened for any number of pages."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.turns, self.hub = Turns(), Hub()
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="viewer")
        self.picks = PickBook(subject.path / "views")
        self.sets = SetMaker(subject.path / "exports" / "sets", self.turns, self.hub.emit)
        self.videos = VideoMaker(subject.path, self.turns, self.hub.emit)
        self.capture = Capture(subject, self.hub)
        self.studio: Studio | None = None
        self.problem = ""
        self.scene: Any = None
        self.new_token: Callable[[], str] | None = None
        """Of a link for another browser; the guard's."""
        self.loops: set[LookLoop] = set()
        self._opening = threading.Lock()
        self.thumbs = Thumbs(self._thumb, self.pool)
        self.proxy = lru_cache(maxsize=6)(self._proxy)

    def open(self) -> Studio:
        """The subject in memory; the first caller waits for it to be read."""
        with self._opening:
            if self.studio is None:
                try:
                    self.studio = Studio(self.subject)
                except Head3DError as error:
                    self.problem = str(error)
                    raise
                self.problem = ""
                self.hub.say("Ready", {})
            return self.studio

    def reopen(self) -> None:
        """Forget what was read: the head was made anew, or erased."""
        with self._opening:
            self.studio = None
            if self.scene is not None:
                self.scene.close()
                self.scene = None
            self.thumbs.forget()
            self.proxy.cache_clear()

    def open_scene(self) -> Any:
        """viser's scene, made when somebody first asks for it."""
        if importlib.util.find_spec("viser") is None:
            raise ConfigError("The 3D scene needs viser.", hint="pip install 'head3d[viewer]'")
        from .scene import Scene

        studio = self.open()
        with self._opening:
            if self.scene is None:
                self.scene = Scene(studio, self.picks, self.turns)
            return self.scene

    def picks_changed(self) -> None:
        """Tell every page, and the 3D scene if somebody has it open."""
        self.hub.say("Picks", {})
        if self.scene is not None:
            self.pool.submit(self.scene.refresh_picks)

    def _thumb(self, text: str, size: int) -> bytes:
        studio, look = self.open(), look_of(text)
        picture = studio.picture(look, size, turn=lambda: self.turns.take(PRIORITY["thumb"]))
        with self.turns.take(PRIORITY["thumb"]):
            pixels = studio.finish(picture, size=max(picture.output.alpha.shape)).rgb_srgb
            return jpeg_of(pixels, quality=85)

    def _proxy(self, text: str) -> bytes:
        studio, look = self.open(), look_of(text)
        studio.prepare(look)  # takes seconds that need no turn
        with self.turns.take(PRIORITY["draft"]):
            return gzip.compress(packed(baked(studio, look)), compresslevel=1)


def look_of(text: str) -> Look:
    """A look from the text of a request."""
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise ConfigError("This is no look.", hint="Reload the page.") from error
    if not isinstance(payload, dict):
        raise ConfigError("This is no look.", hint="Reload the page.")
    look = look_from(payload, where="the page")
    no_paths(look)
    return look


def no_paths(look: Look) -> None:
    """A page may not make the server read files by name: lights, backdrops and expressions by their names only."""
    for word in (look.light, look.backdrop, look.expression, look.seen_from):
        if "/" in word or "\\" in word or Path(word).suffix.lower() in (".json", ".yaml", ".yml", ".hdr", ".exr"):
            if word.startswith("photo:") and "/" not in word and "\\" not in word:
                continue
            raise ConfigError("A page cannot name files.", hint="Use `head3d render` for files of your own.")
    if look.backdrop and not look.backdrop.startswith("#") and Path(look.backdrop).suffix:
        raise ConfigError("A page cannot name files.", hint="Use `head3d render` for files of your own.")


def only(text: str, *names: str) -> str:
    """A look with nothing but what something depends on, so that it is made once."""
    payload = look_payload(look_of(text))
    return json.dumps({name: payload[name] for name in names}, sort_keys=True)
