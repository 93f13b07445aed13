"""Finds faces: MediaPipe's two SSD detectors over the whole picture, over tiles of it, and over turned copies.

The nets and their anchors: Bazarevsky et al. 2019, "BlazeFace". Short range: 128 px, strides 8, 16, 16, 16, two anchors
a cell and layer. Full range: 192 px, stride 4, one anchor a cell. All anchors have size 1, so a net's numbers are
offsets in px of its input.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from head3d.perception.config import DetectorConfig
from head3d.perception.nets import Crop, FaceNets, Net, apply_affine
from head3d.perception.types import Detection


def detect_faces(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], nets: FaceNets, *, config: DetectorConfig = DetectorConfig()
) -> list[Detection]:
    """Faces of a picture that stand roughly upright, the largest first."""
    height, width = rgb_srgb.shape[:2]
    centre, side = (width / 2.0, height / 2.0), float(max(height, width))
    finds = _look(rgb_srgb, nets, [Crop(centre, side), Crop(centre, side * 1.5)], config)
    finds += _look(rgb_srgb, nets, _tiles(width, height, config.tiles), config, close_up=False)
    return sorted(_merge(finds, config.same_face_overlap), key=_area, reverse=True)


def detect_turned_faces(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], nets: FaceNets, *, config: DetectorConfig = DetectorConfig()
) -> list[Detection]:
    """Faces lying on their side or head, the surest first: for pictures without a believable upright face."""
    height, width = rgb_srgb.shape[:2]
    centre, side = (width / 2.0, height / 2.0), float(max(height, width)) * 1.2
    finds = []
    for turn in config.turns_deg:
        finds += _look(rgb_srgb, nets, [Crop(centre, side, float(np.radians(turn)))], config)
    return _merge(finds, config.same_face_overlap)


def _area(face: Detection) -> float:
    left, top, right, bottom = face.box_px
    return float((right - left) * (bottom - top))


def _tiles(width: int, height: int, count: int) -> list[Crop]:
    """Overlapping squares that cover a picture, for faces too small for the whole of it."""
    if count < 2:
        return []
    side = max(width, height) / count * 1.3
    xs = np.linspace(side / 2.0, max(width - side / 2.0, side / 2.0), max(1, round(width / side * 1.3)))
    ys = np.linspace(side / 2.0, max(height - side / 2.0, side / 2.0), max(1, round(height / side * 1.3)))
    return [Crop((float(x), float(y)), side) for y in ys for x in xs]


def _look(
    rgb_srgb: np.ndarray, nets: FaceNets, crops: Iterable[Crop], config: DetectorConfig, *, close_up: bool = True
) -> list[Detection]:
    finds = []
    for crop in crops:
        for net in (nets.short_range, nets.full_range) if close_up else (nets.full_range,):
            size = net.size[0]
            boxes, scores = _run(net, crop.cut(rgb_srgb, size))
            for index in np.flatnonzero(scores >= config.min_score):
                finds.append(_to_picture(boxes[index], float(scores[index]), crop, size))
    return finds


def _run(net: Net, pixels: np.ndarray) -> tuple[Float[np.ndarray, "A 16"], Float[np.ndarray, "A"]]:
    """Boxes (centre x, y, width, height, then six points) in px of the net's input, and scores."""
    raw, logits = net(pixels)
    centres = _anchors(net.size[0])
    boxes = raw.astype(np.float64)
    boxes[:, 0:2] += centres
    boxes[:, 4:] += np.tile(centres, 6)
    return boxes, 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -80.0, 80.0)))


def _anchors(size: int) -> Float[np.ndarray, "A 2"]:
    """Anchor centres, px of the net's input."""
    layers = ((8, 2), (16, 6)) if size == 128 else ((4, 1),)
    centres = []
    for stride, repeats in layers:
        line = (np.arange(size // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(centres)


def _to_picture(box: Float[np.ndarray, "16"], score: float, crop: Crop, size: int) -> Detection:
    matrix = crop.to_picture(size)
    centre = apply_affine(matrix, box[None, 0:2])[0]
    half = box[2:4] / 2.0 * crop.side_px / size
    points = apply_affine(matrix, box[4:].reshape(6, 2))
    return Detection(np.concatenate([centre - half, centre + half]), points, score)


def _merge(finds: list[Detection], overlap: float) -> list[Detection]:
    """Non-maximum suppression that averages, weighted by score, what it suppresses (BlazeFace's blending)."""
    left = sorted(finds, key=lambda find: find.score, reverse=True)
    faces = []
    while left:
        best = left[0]
        same = [find for find in left if _same(best.box_px, find.box_px, overlap)]
        left = [find for find in left if find is not best and not _same(best.box_px, find.box_px, overlap)]
        close = [find for find in same if find.score > 0.8 * best.score]
        weight = np.array([find.score for find in close])
        weight = weight / weight.sum()
        box = np.einsum("n,nc->c", weight, np.stack([find.box_px for find in close]))
        points = np.einsum("n,nkc->kc", weight, np.stack([find.keypoints_px for find in close]))
        faces.append(Detection(box, points, best.score))
    return faces


def _same(first: np.ndarray, second: np.ndarray, overlap: float) -> bool:
    """True if boxes overlap enough, or one lies mostly inside the other (a part of a face found in a tile)."""
    corner = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.maximum(corner[1] - corner[0], 0.0)))
    areas = float(np.prod(first[2:] - first[:2])), float(np.prod(second[2:] - second[:2]))
    return shared / (sum(areas) - shared + 1e-9) > overlap or shared / (min(areas) + 1e-9) > 0.7


def upright_angle(face: Detection) -> float:
    """Angle of the line through the eyes, radians, clockwise on screen; 0 = upright."""
    right, left = face.keypoints_px[0], face.keypoints_px[1]
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))


def face_crop(face: Detection, *, scale: float = 1.5) -> Crop:
    """The square MediaPipe cuts for the landmark net: the box, turned upright, 1.5 times as large."""
    left, top, right, bottom = face.box_px
    return Crop(
        ((left + right) / 2.0, (top + bottom) / 2.0), max(right - left, bottom - top) * scale, upright_angle(face)
    )
