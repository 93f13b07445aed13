"""Photos from, and results to, places that fsspec reaches: s3://, gs://, file://, memory:// ...

The process that does a job fetches its photos and sends its results: nothing passes through whoever supervises it.
"""

import posixpath
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from head3d import store
from head3d.capture.config import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from head3d.errors import ConfigError, InputError, optional_package

MOST_FILES = 200
"""Of one job: a folder with more is not one person's photos."""
MOST_BYTES = 4 * 2**30
"""Of one file: a long video."""
MARK = "head3d.json"
"""Sent last: a folder with it is whole."""


def is_url(text: str) -> bool:
    """True for ``s3://bucket/ada/*.jpg``; False for paths of this machine."""
    scheme, sign, _ = text.partition("://")
    return bool(sign) and scheme.replace("+", "").replace("-", "").isalnum()


def remote_files(url: str) -> list[tuple[str, str]]:
    """Photos and videos behind a URL (a file, a folder, or a pattern), and a key of each that changes with its content.

    Raises:
        ConfigError: No such protocol, or its package is missing.
        InputError: Nothing there.
    """
    files, place = _filesystem(url)
    try:
        if any(sign in place for sign in "*?["):
            found = files.glob(place)
        elif files.isdir(place):
            found = files.ls(place, detail=False)
        else:
            found = [place] if files.exists(place) else []
        chosen = sorted(str(one) for one in found if _suffix(str(one)) in PHOTO_SUFFIXES | VIDEO_SUFFIXES)
        keys = [(one, str(files.ukey(one))) for one in chosen[: MOST_FILES + 1]]
    except (OSError, ValueError) as error:  # what stores raise for a lost line or a missing right
        raise InputError(f"{url}: {error}.", hint="Check the address, and your rights there.") from error
    if not keys:
        raise InputError(
            f"{url}: no photo is there.", hint="Give a file, a folder, or a pattern: s3://bucket/ada/*.jpg"
        )
    if len(keys) > MOST_FILES:
        raise InputError(f"{url} holds more than {MOST_FILES} files.", hint="Give a pattern for one person's photos.")
    return keys


def fetch(urls: Sequence[str], folder: Path) -> list[Path]:
    """Fetch photos into a folder; those that are there under the same key stay.

    Args:
        urls: See :func:`remote_files`; paths of this machine come back as they are.
        folder: Gets one folder for each key, so that two files of one name do not meet.
    """
    here: list[Path] = []
    for url in urls:
        if not is_url(url):
            here.append(Path(url))
            continue
        files, _ = _filesystem(url)
        for place, key in remote_files(url):
            target = folder / store.sha256_of([place, key])[:16] / posixpath.basename(place.rstrip("/"))
            if not target.is_file():
                _fetch_one(files, place, target)
            here.append(target)
    return here


def forget(folder: Path) -> None:
    """Remove what was fetched: faces are not to lie about once their subject is done."""
    shutil.rmtree(folder, ignore_errors=True)


def send(root: Path, names: Iterable[str], url: str) -> None:
    """Send files of a folder to a place, the mark last; replaces what is there under the same names.

    Raises:
        ConfigError: No such protocol, or its package is missing.
        InputError: The place refuses.
    """
    files, place = _filesystem(url)
    sent = sorted(names)
    try:
        files.makedirs(place, exist_ok=True)
        if files.exists(f"{place}/{MARK}"):
            files.rm_file(f"{place}/{MARK}")
        for name in sent:
            target = f"{place}/{name}"
            files.makedirs(posixpath.dirname(target), exist_ok=True)
            files.put_file(str(root / name), target)
        files.pipe_file(f"{place}/{MARK}", (store.canonical_json({"files": sent}) + "\n").encode())
    except (OSError, ValueError) as error:
        raise InputError(f"{url}: {error}.", hint="Check the address, and your rights there.") from error


def _fetch_one(files: Any, place: str, target: Path) -> None:
    try:
        size = files.size(place)
        if size is not None and size > MOST_BYTES:
            raise InputError(f"{place}: {size / 2**30:.1f} GB are too many.", hint="Give photos, or a short video.")
        with store.atomic(target) as temporary:
            files.get_file(place, str(temporary))
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: {error}.", hint="Check the address, and your rights there.") from error


def _filesystem(url: str) -> tuple[Any, str]:
    fsspec = optional_package("fsspec", f"{url}: to reach it one more package is needed.", hint="pip install fsspec")
    try:
        files, place = fsspec.core.url_to_fs(url)
    except ImportError as error:  # s3fs, gcsfs, ...
        raise ConfigError(f"{url}: {error}.", hint="Install the package it names.") from error
    except ValueError as error:
        raise ConfigError(f"{url}: {error}.", hint="s3://, gs://, file://") from error
    return files, place.rstrip("/")


def _suffix(place: str) -> str:
    return posixpath.splitext(place)[1].lower()
