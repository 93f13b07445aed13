"""Encryption at rest: a subject folder as two age files (https://age-encryption.org/v1), until it is unlocked.

``subject.age`` holds everything, for a key of its own; ``key.age`` holds that key, for a passphrase (scrypt). Any age
program opens them: ``age -d -i key.age subject.age | tar x``.
"""

import hashlib
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from head3d import store
from head3d.errors import ConfigError, CorruptPart, InputError, optional_package
from head3d.subject import FILES, FOLDERS, Subject

VAULT, KEY = "subject.age", "key.age"
LEAST_LETTERS = 8


def is_locked(subject: Subject) -> bool:
    """Whether a folder holds an encrypted subject."""
    return (subject.path / VAULT).is_file() and (subject.path / KEY).is_file()


def lock(subject: Subject, passphrase: str) -> Path:
    """Encrypt a subject and erase what is not; the caller holds its lock.

    Plain files go only after the encrypted one has been read back and is the same to the last byte.
    """
    if is_locked(subject):
        raise InputError(f"{subject.path} is locked already.", hint="head3d unlock opens it.")
    subject.require()
    if len(passphrase) < LEAST_LETTERS:
        raise ConfigError(
            "This passphrase is too short.", hint=f"Use at least {LEAST_LETTERS} letters; five words are good."
        )
    age = _age()
    identity = age.x25519.Identity.generate()
    names = [name for name in (*FOLDERS, *FILES) if name != ".lock" and (subject.path / name).exists()]
    place = subject.path / VAULT
    wrote = _Digest()
    with store.atomic(place) as temporary, temporary.open("wb") as target:
        os.fchmod(target.fileno(), 0o600)
        _piped(
            lambda pipe: _pack(subject.path, names, _Tee(pipe, wrote)),
            lambda pipe: age.encrypt_io(pipe, target, [identity.to_public()]),
        )
    read = _Digest()
    with place.open("rb") as source:
        _piped(lambda pipe: age.decrypt_io(source, pipe, [identity]), lambda pipe: _drain(pipe, read))
    if read.hex != wrote.hex:
        place.unlink()
        raise CorruptPart(f"{place} could not be read back.", hint="Check the disk; nothing was deleted.")
    store.write_bytes(subject.path / KEY, sealed(str(identity), passphrase))
    drafts = [f".{name}.draft" for name in FOLDERS]  # of runs that were killed: no part of the subject
    for path in (subject.path / name for name in (*names, *drafts)):
        with store.disk_errors(path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return place


def unlock(subject: Subject, passphrase: str) -> None:
    """Decrypt a subject to where it was; the caller holds its lock."""
    if not is_locked(subject):
        raise InputError(f"{subject.path} is not locked.", hint="head3d lock encrypts a subject folder.")
    age = _age()
    try:
        identity = age.x25519.Identity.from_str(opened((subject.path / KEY).read_bytes(), passphrase))
    except (age.DecryptError, age.IdentityError, UnicodeDecodeError) as error:
        raise InputError(f"{subject.path} does not open with this passphrase.", hint="Try again.") from error
    draft = subject.path / ".unlock.draft"
    shutil.rmtree(draft, ignore_errors=True)
    store.make_folder(draft)
    place = subject.path / VAULT
    try:
        with place.open("rb") as source:
            _piped(lambda pipe: age.decrypt_io(source, pipe, [identity]), lambda pipe: _unpack(pipe, draft))
    except (age.DecryptError, tarfile.TarError, ValueError, OSError) as error:  # what age says of a damaged block
        shutil.rmtree(draft, ignore_errors=True)
        why = (str(error).splitlines() or ["it ends too soon"])[0].rstrip(".")  # age's own advice follows on more lines
        raise CorruptPart(f"{place} is damaged: {why}.", hint="Take it from a backup.") from error
    # the ledger last: a subject that is half there is none
    for name in sorted((one.name for one in draft.iterdir()), key=lambda name: name == "subject.json"):
        with store.disk_errors(subject.path / name):
            (draft / name).rename(subject.path / name)
    shutil.rmtree(draft, ignore_errors=True)
    for name in (VAULT, KEY):
        (subject.path / name).unlink()


def sealed(secret: str, passphrase: str) -> bytes:
    """A secret for a passphrase; scrypt makes each guess cost a second or two, and half a gigabyte."""
    return _age().passphrase.encrypt(secret.encode(), passphrase)


def opened(content: bytes, passphrase: str) -> str:
    """What :func:`sealed` sealed."""
    return _age().passphrase.decrypt(content, passphrase).decode()


def _pack(root: Path, names: list[str], target: Any) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            tar.add(root / name, arcname=name, filter=_anonymous)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Plain files and folders, without their owner."""
    if not (info.isfile() or info.isdir()):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def _plain(info: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Nothing outside the folder, and nothing that was never packed: links, devices."""
    if not (info.isfile() or info.isdir()):
        raise tarfile.SpecialFileError(info)
    return tarfile.data_filter(info, folder)


def _unpack(source: IO[bytes], folder: Path) -> None:
    with tarfile.open(fileobj=source, mode="r|") as tar:
        tar.extractall(folder, filter=_plain)
    while source.read(1 << 16):
        pass  # the padding behind the archive, and age's check of the last block


class _Digest:
    """A sha256 that grows."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def update(self, block: bytes) -> None:
        self._sha.update(block)

    @property
    def hex(self) -> str:
        return self._sha.hexdigest()


class _Tee:
    """Writes on, and hashes what it writes."""

    def __init__(self, target: IO[bytes], digest: _Digest) -> None:
        self._target, self._digest = target, digest

    def write(self, block: bytes) -> int:
        self._digest.update(block)
        self._target.write(block)
        return len(block)


def _drain(source: IO[bytes], digest: _Digest) -> None:
    while block := source.read(1 << 20):
        digest.update(block)


def _piped(produce: Callable[[IO[bytes]], Any], consume: Callable[[IO[bytes]], Any]) -> None:
    """Run both ends of a pipe at once, so that nothing plain is written to the disk on the way."""
    out, into = os.pipe()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with os.fdopen(into, "wb") as target:
                produce(target)
        except BrokenPipeError:
            pass  # the reader says why
        except BaseException as error:  # handed to the caller's thread, below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with os.fdopen(out, "rb") as source:
            try:
                consume(source)
            except Exception:
                thread.join(0.2)
                if failed:
                    raise failed[0] from None
                raise
    finally:
        thread.join()
    if failed:
        raise failed[0]


def _age() -> Any:
    return optional_package("pyrage", "To encrypt a subject one more package is needed.", hint="pip install pyrage")
