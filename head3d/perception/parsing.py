"""Divides a photo into skin, hair, brows, eyes, lips, ears, neck, cloth and background."""

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.perception.config import ParsingConfig
from head3d.perception.contours import ears, hairline
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.matte import person_matte
from head3d.perception.nets import Crop, FaceNets
from head3d.perception.parsing_net import SIDE_PX, parse_window, parsing_net
from head3d.perception.regions import region_map
from head3d.perception.types import FaceParsing


def head_window(face: FacePoints, *, scale: float) -> Crop:
    """The upright square round head and shoulders, in units of the face's size."""
    size = face_size(face.points)
    roll = float(np.clip(face.pose[2], -0.6, 0.6))
    centre = face.points[:, :2].mean(0) - np.array([-np.sin(roll), np.cos(roll)]) * 0.15 * size
    return Crop((float(centre[0]), float(centre[1])), size * scale, roll)


def parse_face(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    face: FacePoints,
    nets: FaceNets,
    *,
    alpha: UInt8[np.ndarray, "H W"] | None = None,
    config: ParsingConfig = ParsingConfig(),
) -> FaceParsing:
    """Divide a photo into regions round one face."""
    window = head_window(face, scale=config.window_faces)
    net = parsing_net()
    parsed = None
    if net is not None:
        parsed = parse_window(net, window.cut(rgb_srgb, SIDE_PX, border=cv2.BORDER_REPLICATE))
    matte = person_matte(rgb_srgb, nets, window, alpha=alpha)
    labels = region_map(rgb_srgb, matte, face, window, side=config.side_px, parsed=parsed)
    return FaceParsing(
        labels=labels,
        matte=matte,
        hairline_px=hairline(labels, face),
        ears_px=ears(labels, face),
    )
