"""``python -m head3d.capture.scan_reader FILE``: what Open3D reads of a scan, as arrays on standard output.

A program of its own: on a damaged file Open3D's readers may take the whole process with them.
"""

import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from head3d.errors import InputError, StorageError, optional_package
from head3d.shapes import shaped

POINTS_ONLY = (".pcd", ".xyz")
SECONDS = 300.0
"""A file of two million points takes a few."""


@shaped
@dataclass(frozen=True)
class RawScan:
    """A scan as its file has it.

    Attributes:
        points: Vertices, or points without faces.
        faces: Corners; none for a cloud of points.
        normals: Of each point of a cloud; none if the file has none.
    """

    points: Float[np.ndarray, "S 3"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "M 3"]


def read_raw(path: Path) -> RawScan:
    """Let the program below read a file; InputError if it fails, or what it read is no scan."""
    words = [sys.executable, "-m", "head3d.capture.scan_reader", str(path)]
    hint = "It may be damaged: export it again."
    try:
        done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path} cannot be read in {SECONDS:g} s.", hint=hint) from error
    except OSError as error:
        raise StorageError(f"The reader of scans does not start: {error.strerror}.") from error
    if done.returncode != 0:
        raise InputError(f"{path} cannot be read as a scan.", hint=hint)
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as arrays:
            read = RawScan(arrays["points"], arrays["faces"], arrays["normals"])
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:  # Open3D prints to where the arrays go
        raise InputError(f"{path} cannot be read as a scan.", hint=hint) from error
    if len(read.faces) and not (read.faces.min() >= 0 and read.faces.max() < len(read.points)):
        raise InputError(f"{path} has faces without corners.", hint=hint)
    return read


def _arrays(open3d: Any, path: Path) -> dict[str, np.ndarray]:
    none = np.zeros((0, 3))
    if path.suffix.lower() not in POINTS_ONLY:
        mesh = open3d.io.read_triangle_mesh(str(path))
        if len(mesh.triangles):
            faces = np.asarray(mesh.triangles).astype(np.int64)
            return {"points": np.asarray(mesh.vertices), "faces": faces, "normals": none}
    cloud = open3d.io.read_point_cloud(str(path), remove_nan_points=True, remove_infinite_points=True)
    normals = np.asarray(cloud.normals) if cloud.has_normals() else none
    return {"points": np.asarray(cloud.points), "faces": none.astype(np.int64), "normals": normals}


def main() -> None:
    """Read the file that is named, write what it holds."""
    open3d = optional_package("open3d", "To read scans one more package is needed.", hint="pip install open3d")
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **_arrays(open3d, Path(sys.argv[1])))
    sys.stdout.buffer.write(held.getvalue())


if __name__ == "__main__":
    main()
