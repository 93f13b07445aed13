"""Labels from landmarks, colour statistics and the matte."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from head3d.perception import topology
from head3d.perception.landmarks import FacePoints
from head3d.perception.nets import Crop
from head3d.perception.types import Region


def region_map(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    matte: Float32[np.ndarray, "H W"],
    face: FacePoints,
    window: Crop,
    *,
    side: int,
) -> UInt8[np.ndarray, "H W"]:
    """Region per pixel."""
    labels = np.zeros(matte.shape, np.uint8)
    person = matte > 0.5
    points = face.points[:, :2]
    chin = points[topology.CHIN, 1]
    rows = np.arange(matte.shape[0])[:, None]
    labels[person & (rows < chin)] = Region.HAIR
    labels[person & (rows >= chin)] = Region.CLOTH
    for ring, region in (
        (topology.OVAL, Region.SKIN),
        (topology.RIGHT_BROW, Region.BROWS),
        (topology.LEFT_BROW, Region.BROWS),
        (topology.RIGHT_EYE, Region.EYES),
        (topology.LEFT_EYE, Region.EYES),
        (topology.LIPS_OUTER, Region.LIPS),
        (topology.LIPS_INNER, Region.MOUTH),
    ):
        cv2.fillPoly(labels, [np.round(points[list(ring)]).astype(np.int32)], int(region))
    labels[~person] = Region.BACKGROUND
    return labels
