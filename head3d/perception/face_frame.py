"""Where skin, hair, cloth, ears and neck lie relative to a face's mesh points, in a square window of the photo."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from head3d.perception import topology
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.nets import Crop, apply_affine


@dataclass(frozen=True)
class FaceFrame:
    """A face in the px of a square window.

    Attributes:
        points: Mesh points: x, y, depth.
        size: Brow to chin, px.
        axes: Rows: the head's left, up and forward in the same px.
    """

    points: Float[np.ndarray, "468 3"]
    size: float
    axes: Float[np.ndarray, "3 3"]

    def mask(self, ring: tuple[int, ...], side: int) -> UInt8[np.ndarray, "S S"]:
        """1 inside a closed ring of mesh points."""
        filled = np.zeros((side, side), np.uint8)
        cv2.fillPoly(filled, [np.round(self.points[list(ring), :2]).astype(np.int32)], 1)
        return filled

    def mesh_mask(self, side: int) -> UInt8[np.ndarray, "S S"]:
        """1 where the mesh covers the window: in profile nose and lips stand out of the oval."""
        filled = self.mask(topology.OVAL, side)
        for triangle in np.round(self.points[topology.TRIANGLES, :2]).astype(np.int32):
            cv2.fillConvexPoly(filled, triangle, 1)
        return filled


def frame_in_window(face: FacePoints, window: Crop, side: int) -> FaceFrame:
    """The face's points in a window resampled to side x side."""
    inverse = cv2.invertAffineTransform(window.to_picture(side))
    scale = side / window.side_px
    points = np.concatenate([apply_affine(inverse, face.points[:, :2]), face.points[:, 2:] * scale], axis=1)
    return FaceFrame(points, face_size(points), topology.head_axes(points))


def sure_skin(frame: FaceFrame, side: int) -> Bool[np.ndarray, "S S"]:
    """Cheeks, nose, between and above the brows: no eyes, brows, beard, lips."""
    oval = frame.points[list(topology.OVAL), :2]
    shrunk = oval.mean(0) + (oval - oval.mean(0)) * 0.8
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.round(shrunk).astype(np.int32)], 1)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE, topology.RIGHT_BROW, topology.LEFT_BROW):
        hole = cv2.dilate(frame.mask(ring, side), np.ones((3, 3), np.uint8), iterations=max(1, int(frame.size / 30)))
        mask[hole > 0] = 0
    below = (_grid(side) - frame.points[topology.NOSE_TIP, :2]) @ -frame.axes[1, :2]
    mask[below > 0.12 * frame.size] = 0
    return mask > 0


def place_prior(frame: FaceFrame, side: int) -> Float32[np.ndarray, "S S 3"]:
    """Probability of flesh, hair and cloth by place alone, in units of the face's size round its landmarks."""
    grid = _grid(side)
    above = height_above_chin(frame, side)
    up = frame.axes[1, :2] / (np.linalg.norm(frame.axes[1, :2]) + 1e-6)
    ahead = (grid - frame.points[topology.GLABELLA, :2]) @ frame.axes[2, :2] / frame.size  # beyond the brow, in profile
    # The neck hangs from the middle of the jaw, in profile from behind it.
    jaw = (frame.points[topology.OVAL[12], :2] + frame.points[topology.OVAL[24], :2]) / 2.0
    aside = np.abs((grid - jaw - frame.axes[2, :2] * -0.4 * frame.size) @ np.array([-up[1], up[0]])) / frame.size
    outside = -_signed_distance(frame.mesh_mask(side)) / frame.size  # > 0 outside of the face
    inside, low = outside < 0.0, above < 0.0
    sideways = float(np.linalg.norm(frame.axes[2, :2]))
    neck = np.clip(1.0 - np.maximum(aside - 0.35 - 0.25 * sideways, 0.0) / 0.25, 0.0, 1.0) * np.clip(
        1.0 + above / 1.6, 0.0, 1.0
    )
    drop = np.clip(
        -above / np.where(aside > 0.8 + 0.6 * sideways, 0.15, 0.5), 0.0, 1.0
    )  # shoulders begin higher than the chest

    flesh = np.where(low, 0.1 + 0.7 * neck, 0.12)
    hair = np.where(low, 0.06 + 0.3 * np.clip(1.0 + above / 1.6, 0.0, 1.0) * (1.0 - neck), 0.85)
    hair = np.where(low, hair * np.clip(1.0 - (aside - 0.75) / 0.35, 0.05, 1.0), hair)  # falls close to the neck
    cloth = np.where(low, 0.06 + 0.4 * drop, 0.01)
    # Beside the jaw collars and shoulders appear when the head is bowed or turned.
    collar = ~low & (above < 0.35) & (outside > 0.12)
    cloth, hair = np.where(collar, 0.4, cloth), np.where(collar, 0.4, hair)
    # A forehead may go on above the mesh, temples beside it.
    near = ~inside & ~low & (outside < 0.3)
    flesh = np.where(near, np.maximum(0.5 - 1.0 * outside, 0.12), flesh)
    # The face itself, less sure towards its rim (fringes, sideburns).
    flesh = np.where(inside, np.clip(0.55 + 4.0 * -outside, 0.0, 0.985), flesh)
    hair = np.where(inside, np.clip(0.44 - 4.0 * -outside, 0.013, 1.0), hair)
    cloth = np.where(inside, 0.002, cloth)
    for outline in ear_outlines(frame).values():
        ear = np.zeros((side, side), np.uint8)
        cv2.fillPoly(ear, [np.round(outline).astype(np.int32)], 1)
        ear = (ear > 0) & ~inside
        flesh, hair = np.where(ear, 0.8, flesh), np.where(ear, 0.25, hair)
    # In front of a profile there is nothing but nose, lips and chin.
    profile = sideways > 0.6
    front = (ahead > -0.05) & (above > -0.05) & (above < 0.95) & profile
    # A beard is part of the face: dark pixels from the nose down, inside of the mesh or hanging just under it.
    beard = (outside < 0.12) & (above < 0.42) & (above > -0.12) & (aside < 0.6)
    beard |= profile & (above < 0.4) & (above > -0.35) & (ahead > -0.5) & (outside < 0.35)
    flesh = np.where(beard, np.where(inside, 0.9995, 0.9), np.where(front, 0.97, flesh))
    hair = np.where(beard, np.where(inside, 0.0004, 0.04), np.where(front, 0.02, hair))
    prior = np.stack([flesh, hair, cloth], axis=-1)
    return np.maximum(prior / prior.sum(-1, keepdims=True), 1e-4).astype(np.float32)


def height_above_chin(frame: FaceFrame, side: int) -> Float[np.ndarray, "S S"]:
    """Height of every pixel above the chin along the head's axis, in units of the face's size."""
    up = frame.axes[1, :2] / (np.linalg.norm(frame.axes[1, :2]) + 1e-6)
    return (_grid(side) - frame.points[topology.CHIN, :2]) @ up / frame.size


def ear_outlines(frame: FaceFrame) -> dict[str, Float[np.ndarray, "32 2"]]:
    """Where the ears should be: ellipses behind the tragus, in the window's px; an ear turned away is left out.

    Sizes of Farkas 1994: 62 x 35 mm, a face (brow to chin) being 120 mm.
    """
    left, up, forward = frame.axes
    turn = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
    outlines = {}
    for name, root, outward in (("right", 234, -left), ("left", 454, left)):
        if outward[2] > 0.35:  # the side of the head that is turned away from the camera
            continue
        # The net keeps profiles at some 60 degrees and its depth is flat: the more it turns, the farther back the ear.
        stretch = 1.0 + 0.8 * float(np.clip((np.linalg.norm(forward[:2]) - 0.6) / 0.27, 0.0, 1.0))
        centre = frame.points[root] + frame.size * (-0.10 * stretch * forward + 0.05 * up + 0.03 * outward)
        # The auricle stands off the head by some 25 degrees.
        back = -forward * 0.9 + outward * 0.42
        ring = (
            np.outer(np.cos(turn), back) * (0.17 + 0.02 * stretch) * frame.size
            + np.outer(np.sin(turn), up) * 0.30 * frame.size
        )
        outlines[name] = (centre + ring)[:, :2]
    return outlines


def _grid(side: int) -> Float[np.ndarray, "S S 2"]:
    """x, y of every pixel centre."""
    return np.indices((side, side))[::-1].transpose(1, 2, 0) + 0.5


def _signed_distance(mask: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Distance to the border of a mask in px: positive inside."""
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return within - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
