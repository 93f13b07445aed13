"""Files of a subject folder: written whole or not at all, read with a check of format and version.

Every write goes to a temporary file in the same folder, is flushed to the disk and renamed over the old one, so a kill
or a power cut leaves either the old file or the new one. Errors of the disk become one clear :class:`StorageError`.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from head3d.errors import CorruptPart, FormatTooNew, StorageError, SubjectBusy

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Shaped
    from torch import Tensor

Migration = Callable[[dict[str, Any]], dict[str, Any]]

_DISK_TROUBLE = {
    errno.ENOSPC: ("the disk is full", "Free some space, then run the same command again: finished stages are kept."),
    errno.EDQUOT: ("your disk quota is used up", "Free some space, then run the same command again."),
    errno.EFBIG: ("the file would be larger than the system allows", "Raise the limit (ulimit -f), then run again."),
    errno.EROFS: ("the disk is read-only", "Choose another folder with --out."),
    errno.EACCES: ("permission denied", "Choose a folder you may write to with --out."),
    errno.EPERM: ("permission denied", "Choose a folder you may write to with --out."),
    errno.ENOTDIR: ("a file is in the place of a folder", "Choose another folder with --out."),
    errno.EEXIST: ("a file is in the place of a folder", "Choose another folder with --out."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter path with --out."),
    errno.EIO: ("the disk reports an error", "Check the disk, or choose another folder with --out."),
}


MOST_YAML = 1_000_000


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk says while ``path`` is written into a StorageError of one line."""
    try:
        yield
    except OSError as error:
        what, hint = _DISK_TROUBLE.get(error.errno or 0, (error.strerror or str(error), "Check the path and the disk."))
        raise StorageError(f"Cannot write {path}: {what}.", hint=hint) from error


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; StorageError if that fails."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on a clean exit it replaces ``path``, otherwise it is removed."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the rename itself must survive a power cut
            finally:
                os.close(folder)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def canonical_json(payload: Any) -> str:
    """JSON with sorted keys and no spaces: equal payloads give equal text."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_json(path: Path, payload: Mapping[str, Any], *, kind: str, version: int) -> None:
    """Write a versioned json, atomically; ``kind`` says what it is ("head3d.fit")."""
    text = json.dumps({"format": kind, "version": version, **payload}, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(
    path: Path, *, kind: str, version: int, migrations: Mapping[int, Migration] | None = None
) -> dict[str, Any]:
    """Read a versioned json.

    Args:
        kind: What it must be.
        version: The newest version this code knows.
        migrations: For each older version, a function to the next one.

    Raises:
        FormatTooNew: A newer head3d wrote it.
        CorruptPart: It is missing, truncated, or something else.
    """
    try:
        payload = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CorruptPart(f"{path} is missing.", hint="Run `head3d run` on the subject again to rebuild it.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptPart(
            f"{path} is truncated or was edited: {error}.", hint="Run `head3d run` to rebuild it."
        ) from error
    if not isinstance(payload, dict) or payload.get("format") != kind or not isinstance(payload.get("version"), int):
        raise CorruptPart(f"{path} is not a {kind} file.", hint="Run `head3d run` on the subject again to rebuild it.")
    if payload["version"] > version:
        raise FormatTooNew(
            f"{path} has format version {payload['version']}; this head3d reads up to {version}.", hint="Update head3d."
        )
    while payload["version"] < version:
        step = (migrations or {}).get(payload["version"])
        if step is None:
            raise CorruptPart(
                f"{path} has format version {payload['version']}, which this head3d no longer reads.",
                hint="Run `head3d run` with the photos again.",
            )
        payload = {**step(payload), "format": kind, "version": payload["version"] + 1}
    return payload


def plain_yaml(text: str) -> Any:
    """Parse yaml of a sane size without aliases, which can make gigabytes of a few letters; YAMLError otherwise."""
    import yaml

    if len(text) > MOST_YAML:
        raise yaml.YAMLError(f"it is longer than {MOST_YAML} letters")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise yaml.YAMLError("it has aliases (*name), which are not read")
        return yaml.safe_load(text)
    except (RecursionError, ValueError, OverflowError) as error:  # dates and numbers that are none, nesting without end
        raise yaml.YAMLError(str(error)) from error


def read_json_kind(path: Path) -> str:
    """What a versioned json says it is; empty if it cannot be told."""
    try:
        payload = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    return str(payload.get("format", "")) if isinstance(payload, dict) else ""


def write_png(path: Path, pixels: "Shaped[np.ndarray, '...']") -> None:
    """Write uint8 or uint16 pixels (H,W), (H,W,3) RGB or (H,W,4) RGBA as PNG, atomically."""
    import cv2

    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    done, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])  # 3: most of the gain, little time
    assert done
    write_bytes(path, encoded.tobytes())


def read_png(path: Path) -> "Shaped[np.ndarray, '...']":
    """Read a PNG as it was written; CorruptPart if it is missing or damaged."""
    import cv2
    import numpy as np

    try:
        encoded = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise CorruptPart(f"{path} is missing.", hint="Run `head3d run` on the subject again to rebuild it.") from error
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    if pixels is None:
        raise CorruptPart(f"{path} is truncated or was edited.", hint="Run `head3d run` to rebuild it.")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return pixels


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"]) -> None:
    """Write named tensors as safetensors, atomically."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # clones: safetensors refuses tensors that share memory
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        try:
            save_file(plain, temporary)
        except SafetensorError as error:  # it wraps the disk's error in a text
            code = re.search(r"os error (\d+)", str(error))
            raise OSError(int(code[1]) if code else errno.EIO, str(error)) from error


def read_tensors(path: Path) -> dict[str, "Tensor"]:
    """Read a safetensors file to the CPU; CorruptPart if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CorruptPart(f"{path} is missing.", hint="Run `head3d run` on the subject again to rebuild it.") from error
    except (OSError, SafetensorError) as error:
        raise CorruptPart(
            f"{path} is truncated or was edited: {error}.", hint="Run `head3d run` to rebuild it."
        ) from error


def sha256_file(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of(payload: Any) -> str:
    """sha256 of anything json can hold."""
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()


@contextmanager
def locked(folder: Path, *, what: str) -> Iterator[None]:
    """Hold a folder's lock for this process; the kernel frees it however the process ends.

    Raises:
        SubjectBusy: Another process holds it; the message names its process id.
    """
    make_folder(folder)
    path = folder / ".lock"
    with disk_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise SubjectBusy(
                f"Another head3d (process {holder}) is working on {what}.", hint="Wait for it to end, or stop it first."
            ) from error
        with disk_errors(path):
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


@contextmanager
def waiting_lock(folder: Path) -> Iterator[None]:
    """Hold a folder's lock for this process, waiting for others that hold it for a moment."""
    path = folder / ".lock"
    with disk_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
