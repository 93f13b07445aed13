"""Labels the person's pixels: colour models of skin, hair and cloth, learned from this photo, weighed with where things
lie relative to the landmarks. A stop-gap until the parsing net; it knows nothing but this one picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from head3d.perception import topology
from head3d.perception.colour_model import ColourModel, features, learn_colours
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.matte import guided_slopes, to_picture
from head3d.perception.nets import Crop, apply_affine
from head3d.perception.types import Region

_FLESH, _HAIR, _CLOTH = range(3)
_ROUNDS = 3


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


def frame_in_window(face: FacePoints, window: Crop, side: int) -> FaceFrame:
    """The face's points in a window resampled to side x side."""
    inverse = cv2.invertAffineTransform(window.to_picture(side))
    scale = side / window.side_px
    points = np.concatenate([apply_affine(inverse, face.points[:, :2]), face.points[:, 2:] * scale], axis=1)
    return FaceFrame(points, face_size(points), topology.head_axes(points))


def region_map(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    matte: Float32[np.ndarray, "H W"],
    face: FacePoints,
    window: Crop,
    *,
    side: int,
) -> UInt8[np.ndarray, "H W"]:
    """Region per pixel of the picture (see :class:`Region`)."""
    frame = frame_in_window(face, window, side)
    pixels = window.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE)
    person = window.cut(matte, side) > 0.5
    scores = _scores(pixels, person, frame)
    # Decided at full resolution from smooth scores, the borders have no stairs.
    wide = [to_picture(scores[..., index], window, matte.shape[::-1]) for index in range(3)]
    labels = np.where(wide[_HAIR] > np.maximum(wide[_FLESH], wide[_CLOTH]), Region.HAIR, Region.SKIN).astype(np.uint8)
    labels[wide[_CLOTH] >= np.maximum(wide[_FLESH], wide[_HAIR])] = Region.CLOTH
    detail = to_picture_nearest(_flesh_parts(frame, side), window, matte.shape[::-1])
    flesh = labels == Region.SKIN
    labels[flesh & (detail > 0)] = detail[flesh & (detail > 0)]
    _draw_features(labels, face)
    labels[matte <= 0.5] = Region.BACKGROUND
    return labels


def to_picture_nearest(values: np.ndarray, window: Crop, size: tuple[int, int]) -> np.ndarray:
    """Resample labels of a window into a picture; 0 outside."""
    centred = window.to_picture(values.shape[0])
    centred[:, 2] += centred[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(values, centred, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)


def _scores(pixels: np.ndarray, person: Bool[np.ndarray, "S S"], frame: FaceFrame) -> Float32[np.ndarray, "S S 3"]:
    """Log probability of flesh, hair and cloth per pixel of the window, smoothed along the picture's edges."""
    side = pixels.shape[0]
    colours = features(pixels)
    prior = _prior(frame, side)
    inner = _sure_skin(frame, side) & person
    skin = learn_colours(colours[inner])
    unlike_skin = skin.log_likelihood(colours) < skin.typical - 4.0
    strength = prior.max(-1) > 0.55
    guess = prior.argmax(-1)
    seeds = [
        inner,
        person & (guess == _HAIR) & strength & unlike_skin,
        person & (guess == _CLOTH) & strength & unlike_skin,
    ]
    log_prior = np.log(prior)
    scores = log_prior
    guide = pixels.astype(np.float32) / 255.0
    for _ in range(_ROUNDS):
        models = [learn_colours(colours[seed]) if seed.sum() > 40 else None for seed in seeds]
        scores = log_prior + _evidence(models, colours)
        scores = scores - scores.max(-1, keepdims=True)
        scores = np.stack([_smooth(guide, np.maximum(scores[..., index], -12.0)) for index in range(3)], axis=-1)
        best = scores.argmax(-1)
        margin = np.sort(scores, axis=-1)
        certain = margin[..., 2] - margin[..., 1] > 1.0
        seeds = [inner | (person & certain & (best == _FLESH)), *[person & certain & (best == k) for k in (1, 2)]]
    return scores.astype(np.float32)


def _evidence(models: list[ColourModel | None], colours: np.ndarray) -> Float32[np.ndarray, "S S 3"]:
    """Log likelihoods, bounded: a highlight that no model knows must not decide anything."""
    columns = []
    for model in models:
        if model is None:  # nobody there (a bald head has no hair): as unlikely as four standard deviations
            columns.append(np.full(colours.shape[:2], -18.0, np.float32))
        else:
            columns.append(model.log_likelihood(colours))
    return np.maximum(np.stack(columns, axis=-1), -22.0) * 0.6  # neighbours are not independent: less than full weight


def _smooth(guide: np.ndarray, values: np.ndarray) -> Float32[np.ndarray, "S S"]:
    slope, offset = guided_slopes(guide, values.astype(np.float32), radius=4, epsilon=1e-3)
    return (slope * guide).sum(-1) + offset


def _sure_skin(frame: FaceFrame, side: int) -> Bool[np.ndarray, "S S"]:
    """Cheeks, nose, between and above the brows: no eyes, brows, beard, lips."""
    shrunk = frame.points[list(topology.OVAL), :2]
    shrunk = frame.points[topology.NOSE_TIP, :2] * 0.0 + shrunk.mean(0) + (shrunk - shrunk.mean(0)) * 0.8
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.round(shrunk).astype(np.int32)], 1)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE, topology.RIGHT_BROW, topology.LEFT_BROW):
        hole = cv2.dilate(frame.mask(ring, side), np.ones((3, 3), np.uint8), iterations=max(1, int(frame.size / 30)))
        mask[hole > 0] = 0
    down = -frame.axes[1, :2]
    rows = np.indices((side, side))[::-1].transpose(1, 2, 0)
    below = (rows - frame.points[topology.NOSE_TIP, :2]) @ down
    mask[below > 0.12 * frame.size] = 0
    return mask > 0


def _prior(frame: FaceFrame, side: int) -> Float32[np.ndarray, "S S 3"]:
    """Probability of flesh, hair and cloth by place alone, in units of the face's size round its landmarks."""
    place = np.indices((side, side))[::-1].transpose(1, 2, 0).astype(np.float32)
    up = frame.axes[1, :2] / (np.linalg.norm(frame.axes[1, :2]) + 1e-6)
    across = np.array([-up[1], up[0]])
    from_chin = (place - frame.points[topology.CHIN, :2]) @ up / frame.size  # > 0 above the chin
    jaw = (frame.points[topology.OVAL.__getitem__(12), :2] + frame.points[topology.OVAL.__getitem__(24), :2]) / 2.0
    aside = np.abs((place - jaw) @ across) / frame.size
    outside = -_signed_distance(frame.mask(topology.OVAL, side)) / frame.size  # > 0 outside of the face oval
    flesh = np.full((side, side), 0.12, np.float32)
    hair = np.full((side, side), 0.85, np.float32)
    cloth = np.full((side, side), 0.03, np.float32)
    # Below the chin: the neck in the middle, then cloth; long hair at both sides.
    low = from_chin < 0.0
    neck = np.clip(1.0 - np.maximum(aside - 0.25, 0.0) / 0.25, 0.0, 1.0) * np.clip(1.0 + from_chin / 0.8, 0.0, 1.0)
    flesh = np.where(low, 0.08 + 0.72 * neck, flesh)
    hair = np.where(low, 0.05 + 0.3 * np.clip(1.0 + from_chin / 1.2, 0.0, 1.0) * (1.0 - neck), hair)
    cloth = np.where(low, 0.06 + 0.9 * np.clip(-from_chin / 0.5, 0.0, 1.0), cloth)
    # Beside jaw and neck, above the chin's height, collars and shoulders appear when the head is bowed or turned.
    cloth = np.where(~low & (from_chin < 0.25) & (outside > 0.25), 0.25, cloth)
    # The face itself, less sure towards its rim (fringes, sideburns); a forehead may go on above the oval, ears beside.
    inside = outside < 0.0
    flesh = np.where(inside, np.clip(0.55 + 4.0 * -outside, 0.0, 0.985), flesh)
    hair = np.where(inside, np.clip(0.44 - 4.0 * -outside, 0.013, 1.0), hair)
    cloth = np.where(inside, 0.002, cloth)
    near = ~inside & ~low & (outside < 0.3)
    flesh = np.where(near, 0.45 - 1.0 * outside, flesh)
    # A beard is part of the face: dark pixels from the nose down, inside of the oval or hanging just under it.
    beard = (outside < 0.12) & (from_chin < 0.42) & (from_chin > -0.12) & (aside < 0.55)
    flesh = np.where(beard, np.where(inside, 0.9995, 0.9), flesh)
    hair = np.where(beard, np.where(inside, 0.0004, 0.04), hair)
    prior = np.stack([flesh, hair, cloth], axis=-1)
    return np.maximum(prior / prior.sum(-1, keepdims=True), 1e-4).astype(np.float32)


def _signed_distance(mask: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Distance to the border of a mask in px: positive inside."""
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return within - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)


def _flesh_parts(frame: FaceFrame, side: int) -> UInt8[np.ndarray, "S S"]:
    """What flesh at a place is called: ears in their ellipses, neck below the jaw; 0 = skin of the face or scalp."""
    parts = np.zeros((side, side), np.uint8)
    below = np.zeros((side, side), np.uint8)
    place = np.indices((side, side))[::-1].transpose(1, 2, 0)
    up = frame.axes[1, :2]
    below[(place - frame.points[topology.CHIN, :2]) @ up < 0.2 * frame.size] = 1
    parts[below > 0] = Region.NECK
    oval = frame.mask(topology.OVAL, side)
    beard = cv2.dilate(oval, np.ones((3, 3), np.uint8), iterations=max(1, int(frame.size * 0.015)))
    parts[beard > 0] = 0
    for outline in ear_outlines(frame).values():
        ear = np.zeros_like(parts)
        cv2.fillPoly(ear, [np.round(outline).astype(np.int32)], 1)
        parts[(ear > 0) & (oval == 0)] = Region.EARS
    return parts


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
        centre = frame.points[root] + frame.size * (-0.10 * forward + 0.05 * up + 0.03 * outward)
        # The auricle stands off the head by some 25 degrees.
        back = -forward * 0.9 + outward * 0.42
        ring = np.outer(np.cos(turn), back) * 0.19 * frame.size + np.outer(np.sin(turn), up) * 0.30 * frame.size
        outlines[name] = (centre + ring)[:, :2]
    return outlines


def _draw_features(labels: UInt8[np.ndarray, "H W"], face: FacePoints) -> None:
    """Brows, eyes, lips and mouth over the labels of the picture (in place: the array is this module's own)."""
    seen = topology.head_axes(face.points)[0]
    for ring, region, side in (
        (topology.RIGHT_BROW, Region.BROWS, -1.0),
        (topology.LEFT_BROW, Region.BROWS, 1.0),
        (topology.RIGHT_EYE, Region.EYES, -1.0),
        (topology.LEFT_EYE, Region.EYES, 1.0),
        (topology.LIPS_OUTER, Region.LIPS, 0.0),
        (topology.LIPS_INNER, Region.MOUTH, 0.0),
    ):
        if side * seen[2] > 0.75:  # in profile the far eye lies behind the nose
            continue
        shape = np.round(face.points[list(ring), :2] * 8.0 - 4.0).astype(np.int32)
        cv2.fillPoly(labels, [shape], int(region), shift=3)
