"""3D scans of a head: a mesh or a cloud of points becomes clean points with normals, in metres (through Open3D)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from head3d.capture.scan_reader import read_raw
from head3d.errors import InputError, optional_package
from head3d.shapes import shaped

SCAN_SUFFIXES = (".ply", ".obj", ".stl", ".off", ".glb", ".gltf", ".pcd", ".xyz")
SPACING_M = 2e-3
"""Between points: finer than what the head model can follow."""
HEAD_M = (0.15, 1.0)
"""Size of what is scanned, a face without the rest of the head to a bust with shoulders."""
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}
MOST_POINTS = 2_000_000
FARTHEST = 1e6
"""Units from the origin: a kilometre of millimetres; squares of much larger numbers overflow."""
SMALL_PIECE = 0.05
"""Loose pieces with less than this part of the largest one's area are dust of the scanner."""


@shaped
@dataclass(frozen=True)
class Scan:
    """Points of a surface.

    Attributes:
        points: Metres, in whatever frame the scanner had.
        normals: Unit, outwards.
    """

    points: Float[np.ndarray, "S 3"]
    normals: Float[np.ndarray, "S 3"]


def read_scan(path: Path) -> Scan:
    """Read, clean and thin out a scan; its unit is told by its size.

    Loose pieces, lone points and what is no number are left out.

    Raises:
        ConfigError: Open3D is not installed.
        InputError: Not a scan, too big, or in no unit that makes it as large as a head.
    """
    if path.suffix.lower() not in SCAN_SUFFIXES:
        raise InputError(f"{path} is no scan head3d reads.", hint=f"Use one of {', '.join(SCAN_SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"{path} is not there.", hint="Check the path.")
    needs = "To read scans one more package is needed."
    open3d = optional_package("open3d", needs, hint="pip install open3d (open3d-cpu; it needs Debian's libusb-1.0-0)")
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    open3d.utility.random.seed(0)  # surface points are drawn
    cloud, scale = _cloud(open3d, path)
    cloud, _ = cloud.voxel_down_sample(SPACING_M / scale).remove_statistical_outlier(20, 3.0)
    if len(cloud.points) < 500:
        raise InputError(f"{path}: {len(cloud.points)} points are no scan.", hint="Give a denser one.")
    points, normals = np.asarray(cloud.points) * scale, np.asarray(cloud.normals)
    normals = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return Scan(points.astype(np.float64), normals.astype(np.float64))


def _cloud(open3d: Any, path: Path) -> tuple[Any, float]:
    raw = read_raw(path)
    vector = open3d.utility.Vector3dVector
    if len(raw.faces):
        if len(raw.points) > MOST_POINTS:
            raise InputError(f"{path} has {len(raw.points)} vertices.", hint=f"At most {MOST_POINTS}.")
        _check_numbers(raw.points, path)
        scale = _unit(raw.points, path)
        corners = open3d.utility.Vector3iVector(raw.faces.astype(np.int32))
        mesh = open3d.geometry.TriangleMesh(vector(raw.points), corners)
        _drop_dust(mesh)
        mesh.compute_triangle_normals()
        count = int(min(4 * mesh.get_surface_area() * (scale / SPACING_M) ** 2, MOST_POINTS))
        cloud = mesh.sample_points_uniformly(max(count, 1000), use_triangle_normal=True)
        return _outwards(cloud, per_point=False), scale
    if not 500 <= len(raw.points) <= MOST_POINTS:
        hint = "It may be damaged, or of another kind; between 500 and 2 million points."
        raise InputError(f"{path}: {len(raw.points)} points could be read.", hint=hint)
    _check_numbers(raw.points, path)
    scale = _unit(raw.points, path)
    cloud = open3d.geometry.PointCloud(vector(raw.points))
    given = len(raw.normals) == len(raw.points) and bool((np.abs(raw.normals) < FARTHEST).all())
    if given:
        cloud.normals = vector(raw.normals)
    else:
        cloud.estimate_normals(open3d.geometry.KDTreeSearchParamHybrid(radius=4 * SPACING_M / scale, max_nn=30))
    return _outwards(cloud, per_point=not given), scale


def _check_numbers(points: NDArray, path: Path) -> None:
    if not np.isfinite(points).all():
        raise InputError(f"{path} has vertices that are no numbers.", hint="Export it again.")
    if float(np.abs(points).max()) > FARTHEST:
        raise InputError(f"{path} has points at {np.abs(points).max():.3g} units.", hint="Cut out the head alone.")


def _unit(points: NDArray, path: Path) -> float:
    """Metres per unit of the file."""
    low, high = np.percentile(points, [2, 98], axis=0)
    size = float(np.linalg.norm(high - low))
    fits = [scale for scale in UNITS.values() if HEAD_M[0] <= size * scale <= HEAD_M[1]]
    if not fits:
        hint = f"It must be in {', '.join(UNITS)}, and show a head."
        raise InputError(f"{path} is {size:.3g} units across.", hint=hint)
    return fits[0]


def _drop_dust(mesh: Any) -> None:
    cluster, _, area = (np.asarray(one) for one in mesh.cluster_connected_triangles())
    if len(area) > 1:
        mesh.remove_triangles_by_mask((area < SMALL_PIECE * area.max())[cluster])
        mesh.remove_unreferenced_vertices()


def _outwards(cloud: Any, *, per_point: bool) -> Any:
    """Normals away from the middle: all turned over if most point inwards, or each by itself if they were estimated."""
    points, normals = np.asarray(cloud.points), np.asarray(cloud.normals)
    outwards = ((points - points.mean(0)) * normals).sum(1)
    if per_point:
        normals[outwards < 0] *= -1
    elif np.median(outwards) < 0:
        normals *= -1
    return cloud
