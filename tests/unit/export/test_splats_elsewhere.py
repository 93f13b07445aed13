"""Splats opened by programs of others: plyfile, and gsply, which reads both formats."""

from pathlib import Path

import numpy as np
import plyfile
import pytest

from head3d.export.splat_files import write_splat_ply, write_spz
from tests.reference.splats import Loaded
from tests.unit.export.test_splats import check, sample

SH0 = 0.28209479177387814
NAMES = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
]
"""In the order in which 3D Gaussian Splatting's own trainer writes them."""


def seen(centres: np.ndarray, scales: np.ndarray, quats: np.ndarray, opacity: np.ndarray, dc: np.ndarray) -> Loaded:
    """What a reader found, from logarithms, logits and harmonics to what they mean."""
    unit = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    return Loaded(centres, np.exp(scales), unit, 1 / (1 + np.exp(-opacity)), 0.5 + SH0 * dc)


def upright(found: Loaded) -> Loaded:
    """From x right, y down, z forward, as a .ply has them, to x right, y up, z back."""
    axes, turned = np.array([1.0, -1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    return Loaded(found.centres * axes, found.scales, found.rotations * turned, found.opacity, found.color)


def test_plyfile_reads_every_property_of_a_ply(tmp_path: Path):
    splats = sample()
    (vertex,) = plyfile.PlyData.read(write_splat_ply(tmp_path / "a.ply", splats)).elements
    assert (vertex.name, vertex.count) == ("vertex", len(splats.centres))
    assert [one.name for one in vertex.properties] == NAMES
    parts = [NAMES[0:3], NAMES[10:13], NAMES[13:17], NAMES[9:10], NAMES[6:9]]
    centres, scales, quats, opacity, dc = (
        np.stack([vertex[name].astype(np.float64) for name in part], axis=-1) for part in parts
    )
    found = upright(seen(centres, scales, quats, opacity[:, 0], dc))
    check(found, splats, place=1e-7, rel=1e-4, color=1e-5)


def by_gsply(reader: str, path: Path) -> Loaded:
    why = "gsply is not here (pip install gsply)"
    pytest.importorskip("numba", reason=why).config.DISABLE_JIT = True  # compiling takes a minute, 200 splats no time
    found = getattr(pytest.importorskip("gsply", reason=why), reader)(path)
    values = (found.means, found.scales, found.quats, found.opacities, found.sh0)
    return seen(*(np.asarray(value, np.float64) for value in values))


def test_gsply_reads_a_ply(tmp_path: Path):
    splats = sample()
    found = upright(by_gsply("plyread", write_splat_ply(tmp_path / "a.ply", splats)))
    check(found, splats, place=1e-7, rel=1e-4, color=1e-5)


@pytest.mark.parametrize("version", [2, 3])
def test_gsply_reads_a_spz(tmp_path: Path, version):
    splats = sample()
    found = by_gsply("read_spz", write_spz(tmp_path / "a.spz", splats, version=version))
    # as exact as its bytes; nothing is wholly clear or solid for a reader that keeps logits
    check(found, splats, place=2**-14 + 1e-9, rel=0.15 if version == 2 else 0.09, color=0.008)
