"""Labels the person's pixels: colour models of skin, hair and cloth, learned from this photo, weighed with where things
lie relative to the landmarks. A stop-gap until the parsing net; it knows nothing but this one picture.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from head3d.perception import topology
from head3d.perception.colour_model import ColourModel, features, learn_colours, with_shadow
from head3d.perception.face_frame import (
    FaceFrame,
    ear_outlines,
    frame_in_window,
    height_above_chin,
    place_prior,
    sure_skin,
)
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.matte import guided_slopes, to_picture
from head3d.perception.nets import Crop
from head3d.perception.types import Region

_FLESH, _HAIR, _CLOTH = range(3)
_ROUNDS = 3
CLOTH_TOP = 0.6
"""Clothes do not reach higher above the chin than this part of the face's size: what looks like cloth there is hair."""
BEARD_TOP = 0.55
"""Hair on the face below this height above the chin (parts of the face's size) is beard."""
LEAST_HAIR = 0.1
"""Less hair than this, in squares of the face's size, is shadow."""
LEAST_GLASSES = 0.02
"""Glasses cover more of the picture than this, in squares of the face's size."""
# Log likelihood below the typical one from which a pixel is of another kind than the model (three standard deviations).
_UNLIKE = 6.0


def region_map(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    matte: Float32[np.ndarray, "H W"],
    face: FacePoints,
    window: Crop,
    *,
    side: int,
    parsed: Float32[np.ndarray, "R P P"] | None = None,
) -> UInt8[np.ndarray, "H W"]:
    """Region per pixel of the picture (see :class:`Region`).

    Args:
        rgb_srgb: The picture.
        matte: Person against background.
        face: Its points.
        window: Upright square round head and shoulders.
        side: Resolution at which regions are decided, px; the net's own if there is an answer of it.
        parsed: What the parsing net says of the window; without it colour models decide.
    """
    if parsed is not None:
        return _map_of(parsed, rgb_srgb, matte, face, window)
    frame = frame_in_window(face, window, side)
    pixels = window.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE)
    person = window.cut(matte, side) > 0.5
    scores = _scores(pixels, person, frame)
    # Decided at full resolution from smooth scores, the borders have no stairs.
    wide = [to_picture(scores[..., index], window, matte.shape[::-1]) for index in range(3)]
    labels = np.where(wide[_HAIR] > np.maximum(wide[_FLESH], wide[_CLOTH]), Region.HAIR, Region.SKIN).astype(np.uint8)
    labels[wide[_CLOTH] >= np.maximum(wide[_FLESH], wide[_HAIR])] = Region.CLOTH
    detail = to_picture_nearest(flesh_parts(frame, side), window, matte.shape[::-1])
    flesh = labels == Region.SKIN
    labels[flesh & (detail > 0)] = detail[flesh & (detail > 0)]
    _close_ears(labels, face)
    draw_features(labels, face.points)
    labels[matte <= 0.5] = Region.BACKGROUND
    return labels


def _map_of(
    parsed: Float32[np.ndarray, "R P P"],
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    matte: Float32[np.ndarray, "H W"],
    face: FacePoints,
    window: Crop,
) -> UInt8[np.ndarray, "H W"]:
    """Regions from the net's probabilities: borders at the picture's resolution, eyes and lips from the landmarks."""
    share = parsed.copy()
    side, size = share.shape[-1], matte.shape[::-1]
    frame = frame_in_window(face, window, side)
    height = height_above_chin(frame, side)
    high = height > CLOTH_TOP
    share[Region.HAIR, high] += share[Region.CLOTH, high]
    share[Region.CLOTH, high] = 0.0
    beard = (frame.mesh_mask(side) > 0) & (height < BEARD_TOP)  # part of the face's shape, as skin is
    beard |= _hangs_loose(share.argmax(0) == Region.HAIR, beard, height)
    share[Region.SKIN, beard] += share[Region.HAIR, beard]
    share[Region.HAIR, beard] = 0.0
    colours = features(window.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE))
    inner, hairy = sure_skin(frame, side), share.argmax(0) == Region.HAIR
    bare = hairy.sum() < LEAST_HAIR * frame.size**2
    if not bare and inner.sum() > 60:
        bare = _is_bare(colours[_without_outliers(colours, inner)], colours[hairy])
    if bare:  # a bald head, from the side above all
        share[Region.SKIN] += share[Region.HAIR]
        share[Region.HAIR] = 0.0
    if (share[Region.GLASSES] > 0.5).sum() < LEAST_GLASSES * frame.size**2:
        share[Region.GLASSES] = 0.0
    guide = window.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE).astype(np.float32) / 255.0
    there = np.maximum(1.0 - share[Region.BACKGROUND], 1e-3)  # the matte decides about the background
    hair, cloth = (
        to_picture(_smooth(guide, share[one] / there), window, size, beyond=cv2.BORDER_REPLICATE)
        for one in (Region.HAIR, Region.CLOTH)
    )
    flesh = np.clip(1.0 - hair - cloth, 0.0, 1.0)
    labels = np.where(hair > np.maximum(flesh, cloth), Region.HAIR, Region.SKIN).astype(np.uint8)
    labels[cloth >= np.maximum(flesh, hair)] = Region.CLOTH
    names = (Region.SKIN, Region.NECK, Region.EARS, Region.GLASSES)
    parts = np.array(names, np.uint8)[share[list(names)].argmax(0)]
    detail = to_picture_nearest(parts, window, size)
    flat = labels == Region.SKIN
    labels[flat & (detail > 0)] = detail[flat & (detail > 0)]
    glasses = labels == Region.GLASSES
    draw_features(labels, face.points)
    labels[glasses] = Region.GLASSES
    labels[matte <= 0.5] = Region.BACKGROUND
    labels[loose_hair(labels, below=float(face.points[topology.CHIN, 1]))] = Region.CLOTH
    return labels


def loose_hair(labels: UInt8[np.ndarray, "H W"], *, below: float) -> Bool[np.ndarray, "H W"]:
    """Pieces of hair that lie under a row, and hang on nothing above it: an arm, a bag, the border's repetition."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats((labels == Region.HAIR).astype(np.uint8))
    loose = np.asarray(stats)[:, cv2.CC_STAT_TOP] > below
    loose[0] = False  # the background
    return loose[np.asarray(pieces)]


def _hangs_loose(
    hair: Bool[np.ndarray, "S S"], beard: Bool[np.ndarray, "S S"], height: np.ndarray
) -> Bool[np.ndarray, "S S"]:
    """Hair below the chin that does not hang on the hair of the head: the lower part of a beard."""
    count, found = cv2.connectedComponents((hair & ~beard).astype(np.uint8))
    pieces = np.asarray(found, np.int64)
    top = np.full(count, -np.inf)
    np.maximum.at(top, pieces.reshape(-1), height.reshape(-1))
    return (pieces > 0) & (top[pieces] < BEARD_TOP)


def to_picture_nearest(values: np.ndarray, window: Crop, size: tuple[int, int]) -> np.ndarray:
    """Resample labels of a window into a picture; 0 outside."""
    centred = window.to_picture(values.shape[0])
    centred[:, 2] += centred[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(values, centred, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)


def _scores(pixels: np.ndarray, person: Bool[np.ndarray, "S S"], frame: FaceFrame) -> Float32[np.ndarray, "S S 3"]:
    """Log probability of flesh, hair and cloth per pixel of the window, smoothed along the picture's edges."""
    colours = features(pixels)
    prior = place_prior(frame, pixels.shape[0])
    inner = sure_skin(frame, pixels.shape[0]) & person
    seeds = _first_seeds(colours, prior, inner, person)
    log_prior = np.log(prior)
    guide = pixels.astype(np.float32) / 255.0
    scores = log_prior
    for _ in range(_ROUNDS):
        models = [learn_colours(colours[seed]) if seed.sum() > 60 else None for seed in seeds]
        if (skin := models[_FLESH]) is not None:
            models[_FLESH] = with_shadow(skin)
        scores = log_prior + _evidence(models, colours)
        scores = scores - np.maximum(np.maximum(scores[..., 0], scores[..., 1]), scores[..., 2])[..., None]
        scores = np.stack([_smooth(guide, np.maximum(scores[..., index], -12.0)) for index in range(3)], axis=-1)
        ranked = np.sort(scores, axis=-1)
        certain = person & (ranked[..., 2] - ranked[..., 1] > 1.0)
        best = scores.argmax(-1)
        found = [inner | (certain & (best == _FLESH)), certain & (best == _HAIR), certain & (best == _CLOTH)]
        # What had no seeds at first (hair of a bald head) must not come to life from a few odd pixels.
        seeds = [new if seed.any() else seed for new, seed in zip(found, seeds, strict=True)]
    if not seeds[_HAIR].any():
        scores[..., _HAIR] = -12.0
    scores = _one_piece(np.where(person, scores.argmax(-1), -1), scores, height_above_chin(frame, pixels.shape[0]))
    return scores.astype(np.float32)


def _first_seeds(
    colours: np.ndarray, prior: np.ndarray, inner: np.ndarray, person: np.ndarray
) -> list[Bool[np.ndarray, "S S"]]:
    """Pixels of flesh, hair and cloth to learn the first colours from; hair has none on a bald head."""
    none = np.zeros_like(person)
    zone = [person & (prior.argmax(-1) == index) & (prior.max(-1) > 0.5) for index in range(3)]
    if inner.sum() <= 60:
        return zone
    inner = _without_outliers(colours, inner)
    skin = learn_colours(colours[inner])
    hair = none
    if zone[_HAIR].sum() > 60 and not _is_bare(colours[inner], colours[zone[_HAIR]]):
        hair = zone[_HAIR] & (skin.log_likelihood(colours) < skin.typical - _UNLIKE)
    shaded = with_shadow(skin)
    if zone[_CLOTH].sum() < 200:  # a close-up shows little of it, and only where hair might fall too
        zone[_CLOTH] = person & (prior[..., _CLOTH] > 0.08)
    cloth = zone[_CLOTH] & (shaded.log_likelihood(colours) < skin.typical - _UNLIKE)
    if cloth.sum() < 0.15 * zone[_CLOTH].sum() and not _is_bare(colours[inner], colours[zone[_CLOTH]], light=30.0):
        cloth = zone[_CLOTH]  # in a dim picture dark cloth looks like skin in shadow
    if hair.sum() > 60:
        strands = learn_colours(colours[hair])
        other = cloth & (strands.log_likelihood(colours) < strands.typical - _UNLIKE)
        # Long hair falls over the shoulders; but if nearly all of the cloth looks like hair, it is dark cloth.
        cloth = other if other.sum() > 0.1 * cloth.sum() else cloth
    return [inner, hair, cloth if cloth.sum() > 60 else none]


def _without_outliers(colours: np.ndarray, inner: np.ndarray) -> Bool[np.ndarray, "S S"]:
    """Skin seeds without the strands, moustache and glasses that lie among them."""
    away = np.abs(colours - np.median(colours[inner], axis=0))
    return inner & (away[..., 0] < 26.0) & (np.hypot(away[..., 1], away[..., 2]) < 14.0)


def _is_bare(skin: Float32[np.ndarray, "P 4"], other: Float32[np.ndarray, "Q 4"], *, light: float = 12.0) -> bool:
    """True if a scalp, or shoulders, look like skin: by lightness, chroma, texture (tried on bald and blond)."""
    step = np.median(other, axis=0) - np.median(skin, axis=0)
    unlike = np.hypot(step[0] / light, np.hypot(step[1], step[2]) / 7.0)
    unlike = np.hypot(unlike, max(float(step[3]), 0.0) / 0.4)
    return bool(unlike < (2.0 if step[3] < -0.3 else 1.0))  # hair is never smoother than skin


def _one_piece(best: np.ndarray, scores: np.ndarray, above: np.ndarray) -> Float32[np.ndarray, "S S 3"]:
    """Hair below the chin must hang on the hair of the head; other pieces there are cloth."""
    count, pieces = cv2.connectedComponents((best == _HAIR).astype(np.uint8))
    high = np.bincount(pieces[above > 0.35], minlength=count) if count > 1 else np.zeros(1)
    loose = (pieces > 0) & (high[pieces] < 30)
    repaired = scores.copy()
    repaired[loose & (above < 0.35), _HAIR] = -12.0
    return repaired


def _evidence(models: list[ColourModel | None], colours: np.ndarray) -> Float32[np.ndarray, "S S 3"]:
    """Log likelihoods, bounded: a highlight that no model knows must not decide anything."""
    columns = []
    for model in models:
        if model is None:  # nobody there (a bald head has no hair): as unlikely as four standard deviations
            columns.append(np.full(colours.shape[:2], -18.0, np.float32))
        else:
            columns.append(model.log_likelihood(colours))
    return np.maximum(np.stack(columns, axis=-1), -25.0) * 0.6  # neighbours are not independent: less than full weight


def _smooth(guide: np.ndarray, values: np.ndarray) -> Float32[np.ndarray, "S S"]:
    slope, offset = guided_slopes(guide, values.astype(np.float32), radius=4, epsilon=1e-3)
    return np.einsum("hwc,hwc->hw", slope, guide) + offset


def flesh_parts(frame: FaceFrame, side: int) -> UInt8[np.ndarray, "S S"]:
    """What flesh at a place is called: ears in their ellipses, neck below the jaw; 0 = skin of the face or scalp."""
    parts = np.zeros((side, side), np.uint8)
    parts[height_above_chin(frame, side) < 0.2] = Region.NECK
    face = frame.mesh_mask(side)
    chin = cv2.dilate(face, np.ones((3, 3), np.uint8), iterations=max(1, int(frame.size * 0.015)))
    parts[chin > 0] = 0
    for outline in ear_outlines(frame).values():
        ear = np.zeros_like(parts)
        cv2.fillPoly(ear, [np.round(outline).astype(np.int32)], 1)
        parts[(ear > 0) & (face == 0)] = Region.EARS
    return parts


def _close_ears(labels: UInt8[np.ndarray, "H W"], face: FacePoints) -> None:
    """Shadows in the auricle look like hair: an ear is all of its convex hull (in place, as below)."""
    frame = FaceFrame(face.points, face_size(face.points), topology.head_axes(face.points))
    for outline in ear_outlines(frame).values():
        place = np.zeros(labels.shape, np.uint8)
        cv2.fillPoly(place, [np.round(outline).astype(np.int32)], 1)
        found = np.argwhere((labels == Region.EARS) & (place > 0))[:, ::-1]
        if len(found) < 0.3 * place.sum():
            continue
        hull = np.zeros(labels.shape, np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(found.astype(np.int32)), 1)
        labels[(hull > 0) & (place > 0) & (labels == Region.HAIR)] = Region.EARS


def draw_features(labels: UInt8[np.ndarray, "H W"], points: Float[np.ndarray, "468 3"]) -> None:
    """Brows, eyes, lips and mouth over the labels of the picture (in place)."""
    seen = topology.head_axes(points)[0]
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
        shape = np.round(points[list(ring), :2] * 8.0 - 4.0).astype(np.int32)
        cv2.fillPoly(labels, [shape], int(region), shift=3)
