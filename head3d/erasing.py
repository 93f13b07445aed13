"""Erase a person, and look whether anything of them is left: in the folder, beside it, in head3d's cache.

What was written elsewhere (``--out``) is on a list in the subject folder, so it can be found and erased as well.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from head3d import store, weights
from head3d.errors import FormatError, StorageError
from head3d.subject import DELIVERIES, FORMAT_VERSION, VAULT_FILES, Subject

LEAST_BYTES = 64
"""Files smaller than this say nothing of a person: empty ones are all alike."""
MOST_FILES = 200_000
"""A search stops here and says so: it is no use to read a whole disk."""
NEAR = 3
"""Levels of folders that are searched beside the subject's."""


@dataclass(frozen=True)
class Erasure:
    """What was erased, and what the search for the rest found.

    Attributes:
        folder: Of the subject.
        files: How many files are gone.
        megabytes: Together.
        elsewhere: Files outside the folder that were erased with it.
        kept: Files in the folder that head3d did not write.
        copies: Files with the very content of an erased one that are still somewhere.
        unreached: Delivered files that are still where they were written.
        searched: Where copies were looked for.
        complete: False if the search was cut short.
    """

    folder: Path
    files: int
    megabytes: float
    elsewhere: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    copies: tuple[Path, ...] = ()
    unreached: tuple[Path, ...] = ()
    searched: tuple[Path, ...] = ()
    complete: bool = True

    @property
    def clean(self) -> bool:
        """Nothing of the person was found."""
        return self.complete and not (self.copies or self.unreached or self.kept)


def erase(subject: Subject, *, elsewhere: bool = False, search: Sequence[Path] | None = None) -> Erasure:
    """Erase a subject and prove it; the caller holds its lock.

    Args:
        subject: Locked or not (see vault.py).
        elsewhere: Also erase what was exported to other places and is unchanged since.
        search: Where to look for copies; beside the folder and in head3d's cache if None.

    Raises:
        StorageError: Something could not be erased, or is still there after it was.
    """
    if not all((subject.path / name).is_file() for name in VAULT_FILES):
        subject.require()
    before = {one: (one.stat().st_size, store.sha256_file(one)) for one in _walk([subject.path], depth=64)}
    delivered = deliveries(subject)
    personal = {key for key in before.values() if key[0] >= LEAST_BYTES} | {
        (one.stat().st_size, sha) for one, sha in delivered.items() if _is(one, sha)
    }
    gone = []
    if elsewhere:
        for one, sha in delivered.items():
            if _is(one, sha):
                with store.disk_errors(one):
                    one.unlink()
                gone.append(one)
    kept = subject.delete()
    files = [one for one in before if not one.exists()]
    left = [one for one in before if one.exists() and not any(one.is_relative_to(root) for root in kept)]
    if left:
        raise StorageError(f"{left[0]} is still there after it was erased.", hint="Check the disk, then run again.")
    places = tuple(search if search is not None else (subject.path.parent, weights.home()))
    copies, complete = _copies(places, personal, avoid=set(kept))
    still = tuple(one for one, sha in delivered.items() if _is(one, sha))
    return Erasure(
        subject.path,
        len(files) + len(gone),
        round(sum(before[one][0] for one in files) / 1e6, 1),
        tuple(gone),
        tuple(kept),
        tuple(one for one in copies if one not in still),
        still,
        places,
        complete,
    )


def deliveries(subject: Subject) -> dict[Path, str]:
    """Files written outside the folder, and their sha256 then."""
    path = subject.path / DELIVERIES
    if not path.is_file():
        return {}
    try:
        files = store.read_json(path, kind="head3d.deliveries", version=FORMAT_VERSION).get("files")
    except FormatError:
        return {}
    return {Path(name): str(sha) for name, sha in files.items()} if isinstance(files, dict) else {}


def erasure_text(found: Erasure) -> str:
    """For a person."""
    lines = [f"deleted {found.folder}: {found.files} files, {found.megabytes} MB"]
    lines += [f"  deleted too: {one}" for one in found.elsewhere]
    lines += [f"  not deleted, head3d did not write it: {one}" for one in found.kept]
    lines += [f"  exported earlier, still there: {one} (--elsewhere deletes it)" for one in found.unreached]
    lines += [f"  a copy of what was deleted is still there: {one}" for one in found.copies]
    where = ", ".join(str(one) for one in found.searched)
    if not found.complete:
        lines.append(f"  the search for copies stopped after {MOST_FILES} files in {where}")
    elif not found.copies:
        lines.append(f"no copy of it is left in {where}")
    return "\n".join(lines)


def _copies(places: Iterable[Path], wanted: set[tuple[int, str]], *, avoid: set[Path]) -> tuple[list[Path], bool]:
    """Files whose size and content are among the wanted."""
    sizes = {size for size, _ in wanted}
    found, seen = [], 0
    for one in _walk(places, depth=NEAR):
        seen += 1
        if seen > MOST_FILES:
            return found, False
        if one in avoid:
            continue
        try:
            size = one.stat().st_size
            if size in sizes and (size, store.sha256_file(one)) in wanted:
                found.append(one)
        except OSError:
            continue  # not ours to read
    return found, True


def _walk(places: Iterable[Path], *, depth: int) -> Iterator[Path]:
    """Plain files below some folders; links are not followed."""
    done: set[Path] = set()
    for place in places:
        top = place.resolve()
        if top in done:
            continue
        done.add(top)
        for folder, folders, names in os.walk(place):
            if len(Path(folder).relative_to(place).parts) >= depth:
                folders.clear()
            for name in names:
                file = Path(folder) / name
                if file.is_file() and not file.is_symlink():
                    yield file


def _is(path: Path, sha: str) -> bool:
    try:
        return path.is_file() and store.sha256_file(path) == sha
    except OSError:
        return False
