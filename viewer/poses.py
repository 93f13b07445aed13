"""Picks: looks a person keeps, as files in the subject's folder, so that a closed page or a killed server loses none.

``views/<id>.json`` is a look as ``head3d render --views`` reads it, with its place in the list beside it. Every change
is written before it is answered; what was before is written first (``views/.undo.json``), so that it can be undone.
"""

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError, FormatError, Head3DError
from head3d.looks import KIND, VERSION, Look, look_from, look_payload

MOST_PICKS = 200
MOST_UNDO = 50
UNDO_KIND = "head3d.undo"


@dataclass(frozen=True)
class Pick:
    """A kept look."""

    id: str
    look: Look
    order: float

    @property
    def payload(self) -> dict[str, Any]:
        """What its file and the page hold."""
        return {"id": self.id, "order": self.order, "look": look_payload(self.look)}


class PickBook:
    """The picks of one subject. Every method reads the folder anew: two servers and an editor may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def all(self) -> list[Pick]:
        """Picks in their order; files that are no looks, or damaged, are left alone."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            if not _is_id(path.stem):
                continue
            try:
                payload = store.read_json(path, kind=KIND, version=VERSION)
                found.append(Pick(path.stem, look_from(payload["look"], where=path.name), float(payload["order"])))
            except (FormatError, ConfigError, KeyError, TypeError, ValueError):
                continue
        return sorted(found, key=lambda pick: (pick.order, pick.id))

    def get(self, ident: str) -> Pick:
        """One pick; ConfigError if there is none."""
        for pick in self.all():
            if pick.id == ident:
                return pick
        raise ConfigError("There is no such pick.", hint="It may have been deleted on another page.")

    def path(self, ident: str) -> Path:
        """The file of a pick."""
        return self.folder / f"{self.get(ident).id}.json"

    def keep(self, look: Look) -> Pick:
        """Add a pick at the end."""
        with self._lock:
            picks = self.all()
            if len(picks) >= MOST_PICKS:
                raise ConfigError(f"There are {MOST_PICKS} picks already.", hint="Delete some first.")
            pick = Pick(secrets.token_hex(6), look, (picks[-1].order if picks else 0.0) + 1.0)
            self._change({pick.id: pick})
            return pick

    def change(self, ident: str, look: Look) -> Pick:
        """Give a pick another look or name."""
        with self._lock:
            pick = replace(self.get(ident), look=look)
            self._change({ident: pick})
            return pick

    def delete(self, ident: str) -> None:
        """Remove a pick; undo brings it back."""
        with self._lock:
            self._change({self.get(ident).id: None})

    def reorder(self, idents: Sequence[str]) -> None:
        """Put the named picks into this order, before all others."""
        with self._lock:
            picks = {pick.id: pick for pick in self.all()}
            named = [ident for ident in dict.fromkeys(idents) if ident in picks]
            order = [*named, *(ident for ident in picks if ident not in named)]
            moved = {ident: replace(picks[ident], order=float(i + 1)) for i, ident in enumerate(order)}
            self._change({ident: pick for ident, pick in moved.items() if pick != picks[ident]})

    def undo(self) -> bool:
        """Take back the last change; False if there is none."""
        with self._lock:
            past = self._past()
            if not past:
                return False
            for ident, payload in past.pop().items():
                if _is_id(ident):
                    self._write(ident, payload)
            self._write_past(past)
            return True

    def _change(self, changed: Mapping[str, Pick | None]) -> None:
        if not changed:
            return
        before = {pick.id: pick.payload for pick in self.all() if pick.id in changed}
        self._write_past([*self._past(), {ident: before.get(ident) for ident in changed}][-MOST_UNDO:])
        for ident, pick in changed.items():
            self._write(ident, None if pick is None else pick.payload)

    def _write(self, ident: str, payload: Mapping[str, Any] | None) -> None:
        path = self.folder / f"{ident}.json"
        if payload is None:
            path.unlink(missing_ok=True)
        else:
            store.write_json(path, {"order": payload["order"], "look": payload["look"]}, kind=KIND, version=VERSION)

    def _past(self) -> list[dict[str, Any]]:
        try:
            return list(store.read_json(self.folder / ".undo.json", kind=UNDO_KIND, version=1)["changes"])
        except (Head3DError, KeyError, TypeError):
            return []

    def _write_past(self, past: list[dict[str, Any]]) -> None:
        store.write_json(
            self.folder / ".undo.json", {"changes": json.loads(json.dumps(past))}, kind=UNDO_KIND, version=1
        )


def _is_id(text: str) -> bool:
    return len(text) == 12 and all(c in "0123456789abcdef" for c in text)
