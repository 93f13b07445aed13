"""From photos to a head, on a page: photos are judged as they come, then `head3d run` works in a process of its own.

Photos wait beside the subject's folder (``.NAME.photos``), not in it: the folder belongs to the stages. A run that is
cancelled, or whose viewer is killed, goes on from its last finished stage or checkpoint.
"""

import base64
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from head3d import store
from head3d.capture.config import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from head3d.config import preset_names
from head3d.errors import ConfigError, ConsentMissing, InputError
from head3d.subject import Subject, check_free

from .guard import private_folder
from .hub import Hub
from .judging import chosen_of, face_under, for_run, is_video, judge

MOST_PHOTOS = 20
LOG_LINES = 400


class Capture:
    """Photos of one subject on their way, and the run that makes the head."""

    def __init__(self, subject: Subject, hub: Hub) -> None:
        self.subject, self.hub = subject, hub
        path = subject.path.resolve()
        self.inbox = path.parent / f".{path.name}.photos"
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self.events: list[dict[str, Any]] = []
        """Of the last run, for a page that comes late."""
        self.problem = ""
        self._preview: tuple[int, bytes] = 0, b""
        """Step and JPEG of the head in training: in memory only, and only while it is trained."""

    @property
    def running(self) -> bool:
        """Whether a head is being made."""
        return self._process is not None and self._process.poll() is None

    def state(self) -> dict[str, Any]:
        """Everything the page shows."""
        consent = self.subject.ledger().consent.by if self.subject.exists else ""
        return {
            "photos": self.photos(),
            "running": self.running,
            "started": self.subject.exists,
            "consent_by": consent,
            "made": (self.subject.path / "field" / "field.json").is_file(),
            "events": self.events,
            "problem": self.problem,
            "preview": self._preview[0] if self.preview() else None,
            "presets": preset_names(),
        }

    def photos(self) -> list[dict[str, Any]]:
        """Photos that wait, with what was decided about each."""
        found = []
        for path in sorted(self.inbox.glob("*.verdict")):
            try:
                found.append(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                continue
        return found

    def add(self, name: str, content: bytes) -> dict[str, Any]:
        """Take a photo, or a short video, and judge it; its file's name is never used as a path."""
        suffix = Path(name).suffix.lower()
        video = suffix in VIDEO_SUFFIXES
        if suffix not in PHOTO_SUFFIXES | VIDEO_SUFFIXES:
            known = ", ".join(sorted(PHOTO_SUFFIXES | VIDEO_SUFFIXES))
            raise InputError(f"{name[:80]} is no photo.", hint=f"Use {known}.")
        if video and not is_video(content):
            raise InputError(f"{name[:80]} is no video.", hint="It may be damaged: record it again, as MP4 (H.264).")
        ident = hashlib.sha256(content).hexdigest()[:12]
        with self._lock:
            if len(self.photos()) >= MOST_PHOTOS:
                raise InputError(f"There are {MOST_PHOTOS} photos already.", hint="Remove some first.")
            if video and any(one.get("video") and one["id"] != ident for one in self.photos()):
                raise InputError("There is a video already.", hint="One is enough: remove it to take another.")
            path = private_folder(self.inbox) / f"{ident}{suffix}"
            store.write_bytes(path, content)
            chosen = chosen_of(self.photos())
            photo = {"id": ident, "name": name[:80], "file": path.name, "video": video, **judge(path)}
            if photo["faces"] and chosen is not None:  # who is meant was said on another photo, or on this one before
                self._judge_crowds(chosen, photo)
                return self._known(ident)
            self._write(photo)
            return photo

    def remove(self, ident: str) -> None:
        """Forget a photo."""
        with self._lock:
            for one in self.photos():
                if one["id"] == ident:
                    for path in self.inbox.glob(f"{one['id']}.*"):
                        path.unlink()
                    if one.get("chosen"):  # whom the others show was known from it
                        self._judge_crowds(None, *self._crowds())

    def choose(self, ident: str, face: int) -> dict[str, Any]:
        """Say who is meant on a photo of several people; on the others that show several, that person is looked for."""
        with self._lock:
            photo = self._known(ident)
            if not 0 <= face < len(photo.get("faces", ())):
                raise InputError("There is no such face on this photo.", hint="Reload the page.")
            self._judge_crowds({**photo, "face": face}, *self._crowds())
            return self._known(ident)

    def thumb(self, ident: str) -> bytes:
        """A small picture of a photo that was accepted or refused; empty if it is none."""
        path = self.inbox / f"{self._known(ident)['id']}.thumb"
        return path.read_bytes() if path.is_file() else b""

    def preview(self) -> bytes:
        """What the head that is being made looks like by now; empty if there is nothing to see."""
        return self._preview[1] if self.running else b""

    def start(self, *, consent: bool, by: str, scope: str, preset: str) -> None:
        """Begin, or go on with, making the head."""
        if not consent or not by.strip():
            raise ConsentMissing(
                "Nobody said that the person in the photos agrees.", hint="Tick the box, and say who agreed."
            )
        if preset not in preset_names():
            raise ConfigError(f"There is no preset {preset!r}.", hint=f"There are {', '.join(preset_names())}.")
        check_free(self.subject.path)
        photos = for_run(self.photos())
        if not photos and not self.subject.exists:
            raise InputError("No usable photo yet.", hint="Drop photos in which both eyes are visible.")
        face = face_under(preset, photos, self.inbox)
        with self._lock:
            if self.running:
                raise ConfigError("A head is being made already.", hint="Wait for it, or cancel it.")
            self.events, self.problem, self._preview = [], "", (0, b"")
            files = [str(self.inbox / one["file"]) for one in photos]
            command = [sys.executable, "-m", "head3d.cli", "run", *files, "--out", str(self.subject.path)]
            command += ["--preset", preset, "--consent-by", by.strip()[:120], "--log-json", "--previews"]
            command += ["--consent-scope", scope.strip()[:400] or "headshots"]
            command += ["--face", str(face)] if face is not None else []
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
            )
        threading.Thread(target=self._follow, args=(self._process,), name="run", daemon=True).start()

    def cancel(self) -> None:
        """Interrupt the run; finished stages and checkpoints stay."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def erase(self, confirm: str) -> list[str]:
        """Erase the person: photos that wait, and everything head3d made; what is left is not ours."""
        if confirm != self.subject.path.resolve().name:
            raise ConfigError("Nothing was erased.", hint="Type the name of the subject to erase it.")
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
        left: list[Path] = []
        if self.subject.exists:
            with self.subject.locked():
                left = self.subject.delete()
        shutil.rmtree(self.inbox, ignore_errors=True)
        self.events, self.problem, self._preview = [], "", (0, b"")
        return [one.name for one in left]

    def _crowds(self) -> list[dict[str, Any]]:
        return [one for one in self.photos() if one.get("faces")]

    def _judge_crowds(self, chosen: dict[str, Any] | None, *crowds: dict[str, Any]) -> None:
        """Judge photos of several people again: who is meant is known from ``chosen`` now, or no longer known."""
        first, face = (self.inbox / chosen["file"], chosen["face"]) if chosen is not None else (None, None)
        for one in crowds:
            own = chosen is not None and one["id"] == chosen["id"]
            said = judge(self.inbox / one["file"], face=face, after=None if own else first)
            self._write({**one, **said, "chosen": own})

    def _write(self, photo: dict[str, Any]) -> None:
        """Remember what was said of a photo; the run gets those that say something."""
        store.write_bytes(self.inbox / f"{photo['id']}.verdict", json.dumps(photo, ensure_ascii=False).encode())

    def _known(self, ident: str) -> dict[str, Any]:
        for one in self.photos():
            if one["id"] == ident:
                return one
        raise InputError("There is no such photo.", hint="It may have been removed.")

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "Result":
                continue
            if event.get("event") == "Preview":
                self._preview = event["step"], base64.b64decode(event.pop("jpeg_base64"))
            else:
                self.events = [*self.events, event][-LOG_LINES:]
            self.hub.say(str(event.get("event")), {**event, "run": True})
        said = process.stderr.read()
        code = process.wait()
        process.stdout.close()
        process.stderr.close()
        self._preview = 0, b""
        if code not in (0, 130, -signal.SIGINT):
            lines = [one.partition(": ")[2] for one in said.splitlines() if one.startswith(("error:", "hint:"))]
            self.problem = " ".join(lines) or unexplained(code)
        self.hub.say("RunEnded", {"code": code, "problem": self.problem})


def unexplained(code: int) -> str:
    """What is said of a run that ended without a word."""
    if code == -signal.SIGKILL:
        return "The run was ended from outside, perhaps because memory ran out. Press “Go on” to take it up again."
    return f"The run ended unexpectedly (code {code}). Press “Go on” to take it up again."
