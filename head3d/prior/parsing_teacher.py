"""Labels of real portraits: a teacher net for skin, clothes and hair; landmarks for what lies in the face."""

import importlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from head3d.errors import WeightsMissing
from head3d.perception import topology
from head3d.perception.config import ParsingConfig
from head3d.perception.detector import detect_faces
from head3d.perception.face_frame import frame_in_window
from head3d.perception.landmarks import FacePoints, find_points
from head3d.perception.nets import FaceNets
from head3d.perception.parsing import head_window
from head3d.perception.parsing_net import SIDE_PX
from head3d.perception.regions import draw_features, flesh_parts
from head3d.perception.types import Region
from head3d.prior.parsing_data import UNKNOWN, ParsingSample

TEACHER_PX = 512
SURE, SURELY_NOT = 0.75, 0.12
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""The teacher was trained on pictures normalised by ImageNet's statistics."""


class Teacher:
    """The teacher: probabilities of skin, clothes and hair at 512 px (PAN, ``skin_clothes_hair_pan.onnx``)."""

    def __init__(self, path: Path) -> None:
        """Load it; needs the package onnxruntime."""
        try:
            runtime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise WeightsMissing(
                "Real portraits need onnxruntime for their labels.", hint="pip install onnxruntime"
            ) from error
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, rgb_srgb: UInt8[np.ndarray, "512 512 3"]) -> Float32[np.ndarray, "3 512 512"]:
        """Probabilities of skin, clothes and hair: the mean over the picture and its mirror image."""
        found = []
        for pixels in (rgb_srgb, rgb_srgb[:, ::-1]):
            scaled = (pixels.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(SPREAD, np.float32)
            answer = self._session.run(None, {self._input: np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])})
            found.append(answer[0][0])
        return (found[0] + found[1][..., ::-1]) / 2


def teach(path: Path, teacher: Teacher, nets: FaceNets, *, most: int = 20) -> list[ParsingSample]:
    """All faces of a photo (a sheet has several) in their windows, labelled; where nobody is sure: ``UNKNOWN``."""
    with Image.open(path, formats=("JPEG", "PNG")) as opened:
        pixels = np.array(opened.convert("RGB"))
    samples = []
    for detection in detect_faces(pixels, nets)[:most]:
        face = find_points(pixels, detection, nets)
        if face.score > 0.5:
            samples.append(_label(pixels, face, teacher))
    return samples


def _label(pixels: UInt8[np.ndarray, "H W 3"], face: FacePoints, teacher: Teacher) -> ParsingSample:
    window = head_window(face, scale=ParsingConfig.window_faces)
    cut = window.cut(pixels, TEACHER_PX, border=cv2.BORDER_REPLICATE)
    inside = window.cut(np.full(pixels.shape[:2], 255, np.uint8), TEACHER_PX) > 250
    skin, cloth, hair = teacher(cut)
    labels = np.full((TEACHER_PX, TEACHER_PX), UNKNOWN, np.uint8)
    frame = frame_in_window(face, window, TEACHER_PX)
    parts = flesh_parts(frame, TEACHER_PX)
    parts[parts == 0] = Region.SKIN
    drawn = np.zeros_like(labels)
    draw_features(drawn, frame.points)
    # the teacher calls half of a beard hair: in the face below the eyes it is not asked about hair
    height = -(np.mgrid[0:TEACHER_PX, 0:TEACHER_PX][0] - frame.points[topology.GLABELLA, 1])
    beard = (frame.mesh_mask(TEACHER_PX) > 0) & (height < -0.1 * frame.size)
    labels[np.maximum(np.maximum(skin, cloth), hair) < SURELY_NOT] = Region.BACKGROUND
    labels[(cloth > SURE) & (cloth > np.maximum(skin, hair))] = Region.CLOTH
    labels[(hair > SURE) & (hair > np.maximum(skin, cloth)) & ~beard] = Region.HAIR
    flesh = (skin > SURE) & (skin > np.maximum(cloth, hair))
    labels[flesh] = parts[flesh]
    labels[drawn > 0] = drawn[drawn > 0]
    labels[~inside] = UNKNOWN
    step = TEACHER_PX // SIDE_PX
    small = cv2.resize(cut, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return ParsingSample(small, None, np.ascontiguousarray(labels[step // 2 :: step, step // 2 :: step]))
