"""From photos to a head, on a page: photos are judged as they come, then `head3d run` works in a process of its own.

Photos wait beside the subject's folder (``.NAME.photos``), not in it: the folder belongs to the stages. A run that is
cancelled, or whose viewer is killed, goes on from its last finished stage or checkpoint.
"""

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
from head3d.capture.config import PHOTO_SUFFIXES
from head3d.capture.photos import gather
from head3d.capture.types import Verdict
from head3d.config import preset_names
from head3d.errors import ConfigError, ConsentMissing, InputError
from head3d.imaging.warp import resize
from head3d.subject import Subject, check_free, merge_verdicts

from .guard import private_folder
from .hub import Hub
from .render_loop import jpeg_of

MOST_PHOTOS = 20
THUMB_PX = 160
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
        """Take a photo and judge it; its file's name is never used as a path."""
        suffix = Path(name).suffix.lower()
        if suffix not in PHOTO_SUFFIXES:
            raise InputError(f"{name[:80]} is no photo.", hint=f"Use {', '.join(sorted(PHOTO_SUFFIXES))}.")
        ident = hashlib.sha256(content).hexdigest()[:12]
        with self._lock:
            if len(self.photos()) >= MOST_PHOTOS:
                raise InputError(f"There are {MOST_PHOTOS} photos already.", hint="Remove some first.")
            path = private_folder(self.inbox) / f"{ident}{suffix}"
            store.write_bytes(path, content)
            verdict = self._judge(path)
            # a photo that says nothing must not be in the run
            shown = {"id": ident, "name": name[:80], "file": path.name, **verdict}
            store.write_bytes(self.inbox / f"{ident}.verdict", json.dumps(shown, ensure_ascii=False).encode())
            return shown

    def remove(self, ident: str) -> None:
        """Forget a photo."""
        for one in self.photos():
            if one["id"] == ident:
                for path in self.inbox.glob(f"{one['id']}.*"):
                    path.unlink()

    def thumb(self, ident: str) -> bytes:
        """A small picture of a photo that was accepted or refused; empty if it is none."""
        path = self.inbox / f"{self._known(ident)['id']}.thumb"
        return path.read_bytes() if path.is_file() else b""

    def start(self, *, consent: bool, by: str, scope: str, preset: str) -> None:
        """Begin, or go on with, making the head."""
        if not consent or not by.strip():
            raise ConsentMissing(
                "Nobody said that the person in the photos agrees.", hint="Tick the box, and say who agreed."
            )
        if preset not in preset_names():
            raise ConfigError(f"There is no preset {preset!r}.", hint=f"There are {', '.join(preset_names())}.")
        check_free(self.subject.path)
        files = [str(self.inbox / one["file"]) for one in self.photos() if one["accepted"]]
        if not files and not self.subject.exists:
            raise InputError("No usable photo yet.", hint="Drop photos in which both eyes are visible.")
        with self._lock:
            if self.running:
                raise ConfigError("A head is being made already.", hint="Wait for it, or cancel it.")
            self.events, self.problem = [], ""
            command = [sys.executable, "-m", "head3d.cli", "run", *files, "--out", str(self.subject.path)]
            command += ["--preset", preset, "--consent-by", by.strip()[:120], "--log-json"]
            command += ["--consent-scope", scope.strip()[:400] or "headshots"]
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
        self.events, self.problem = [], ""
        return [one.name for one in left]

    def _judge(self, path: Path) -> dict[str, Any]:
        from head3d.perception.observe import observe

        photos, verdicts = gather([path])
        if photos:
            pixels = photos[0].rgb_srgb
            self._write_thumb(path, pixels)
            _, later = observe(photos)
            verdicts = merge_verdicts(verdicts, {one.name: one for one in later})
        verdict = verdicts[0] if verdicts else Verdict(path.name, False, ("it is no picture",))
        return {"accepted": verdict.accepted, "reasons": list(verdict.reasons), "warnings": list(verdict.warnings)}

    def _write_thumb(self, path: Path, pixels: Any) -> None:
        import torch

        scale = THUMB_PX / max(pixels.shape[:2])
        size = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
        small = resize(torch.from_numpy(pixels).float() / 255, size)
        store.write_bytes(path.with_suffix(".thumb"), jpeg_of((small * 255).round().byte().numpy(), quality=80))

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
            self.events = [*self.events, event][-LOG_LINES:]
            self.hub.say(str(event.get("event")), {**event, "run": True})
        said = process.stderr.read()
        code = process.wait()
        process.stdout.close()
        process.stderr.close()
        if code not in (0, 130, -signal.SIGINT):
            lines = [one.partition(": ")[2] for one in said.splitlines() if one.startswith(("error:", "hint:"))]
            self.problem = " ".join(lines) or f"The run ended with code {code}."
        self.hub.say("RunEnded", {"code": code, "problem": self.problem})
