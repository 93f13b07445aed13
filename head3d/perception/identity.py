"""Tells people apart: dlib's face recognition net (King 2017), read from its own file into torch.

The descriptor has 128 numbers; two photos of one person lie closer than 0.6 (dlib's threshold). It is differentiable.
"""

import functools
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from head3d import weights
from head3d.errors import CorruptPart
from head3d.perception.nets import Crop

CHIP_SIDE = 150
# dlib's 5-point chip (get_face_chip_details, padding 0.25): left eye's outer and inner corner, right eye's outer and
# inner corner (the subject's), and the base of the nose, as fractions of the unpadded face square.
_CHIP_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
# The same five among the MediaPipe mesh points.
_MESH_POINTS = (263, 362, 33, 133, 2)
_PADDING = 0.25
_MEAN_RGB = (122.782, 117.001, 104.298)
# Blocks from the input to the output: (channels, whether the block halves the picture).
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), (64, False), (64, False), (64, False)],
    *[(128, True), (128, False), (128, False)],
    *[(256, True), (256, False), (256, False)],
    (256, True),
)


class IdentityNet(nn.Module):
    """dlib_face_recognition_resnet_model_v1 in torch: 29 convolutions, each followed by a per-channel affine map."""

    def __init__(self, convolutions: list[tuple[Tensor, Tensor]], affines: list[tuple[Tensor, Tensor]], head: Tensor):
        super().__init__()
        for index, ((kernel, bias), (gain, shift)) in enumerate(zip(convolutions, affines, strict=True)):
            # gain (k * x + b) + shift is one convolution
            self.register_buffer(f"kernel_{index}", kernel * gain[:, None, None, None])
            self.register_buffer(f"bias_{index}", bias * gain + shift)
        self.register_buffer("head", head)
        self.register_buffer("mean_rgb", torch.tensor(_MEAN_RGB)[:, None, None])

    def forward(self, chips: Float[Tensor, "N 3 150 150"]) -> Float[Tensor, "N 128"]:
        """dlib descriptors of aligned face chips, sRGB in [0, 255]."""
        x = F.relu(self._convolve((chips - self.get_buffer("mean_rgb")) / 256.0, 0, stride=2, padding=0))
        x = F.max_pool2d(x, 3, 2)
        for block, (_, halves) in enumerate(_BLOCKS):
            inner = F.relu(self._convolve(x, 1 + 2 * block, stride=2 if halves else 1, padding=0 if halves else 1))
            inner = self._convolve(inner, 2 + 2 * block, stride=1, padding=1)
            x = F.relu(_add_padded(F.avg_pool2d(x, 2, 2) if halves else x, inner))
        return x.mean((2, 3)) @ self.get_buffer("head")

    def _convolve(self, x: Tensor, index: int, *, stride: int, padding: int) -> Tensor:
        return F.conv2d(
            x, self.get_buffer(f"kernel_{index}"), self.get_buffer(f"bias_{index}"), stride=stride, padding=padding
        )


def _add_padded(first: Tensor, second: Tensor) -> Tensor:
    """Sum of tensors of unequal size, the smaller one padded with zeros at its end (dlib's add_prev)."""
    shape = [max(one, two) for one, two in zip(first.shape[1:], second.shape[1:], strict=True)]

    def padded(x: Tensor) -> Tensor:
        missing = [size - have for size, have in zip(shape, x.shape[1:], strict=True)]
        return F.pad(x, [0, missing[2], 0, missing[1], 0, missing[0]])

    return padded(first) + padded(second)


@functools.lru_cache(maxsize=1)
def load_identity_net() -> IdentityNet:
    """The net, from its dlib file (fetched the first time)."""
    return read_dlib_file(weights.get("face_identity"))


def read_dlib_file(path: Path) -> IdentityNet:
    """Read the layers of the net out of dlib's own serialisation.

    Raises:
        CorruptPart: The file is not that net.
    """
    data = path.read_bytes()
    convolutions, affines = [], []
    channels = 3
    widths = [32, *[width for width, _ in _BLOCKS for _ in range(2)]]
    tags = list(re.finditer(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2\x01\x80\x02\x00\x01", data))
    tensors = [(tag.group()[2:4], _read_tensor(data, tag.end())) for tag in tags]
    kernels = [tensor for tag, tensor in tensors if tag == b"co"]
    gains = [tensor for tag, tensor in tensors if tag == b"af"]
    heads = [tensor for tag, tensor in tensors if tag == b"fc"]
    if len(kernels) != len(widths) or len(gains) != len(widths) or len(heads) != 1:
        raise CorruptPart(f"{path.name} is not the face identity net.", hint=f"Delete {path} to fetch it again.")
    for index, (kernel, gain, width) in enumerate(zip(kernels, gains, widths, strict=True)):
        side = 7 if index == 0 else 3
        convolutions.append((kernel[:-width].reshape(width, channels, side, side), kernel[-width:]))
        affines.append((gain[:width], gain[width:]))
        channels = width
    return IdentityNet(convolutions, affines, heads[0].reshape(256, 128)).eval()


def _read_tensor(data: bytes, start: int) -> Tensor:
    """A dlib tensor: version 2, four sizes as short integers, then little-endian floats."""
    numbers, position = [], start
    for _ in range(5):
        length = data[position] & 0x0F
        numbers.append(int.from_bytes(data[position + 1 : position + 1 + length], "little"))
        position += 1 + length
    count = int(np.prod(numbers[1:]))
    return torch.from_numpy(np.frombuffer(data, "<f4", count, position).copy())


def face_chip(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], points_px: Float[np.ndarray, "L 2"]
) -> UInt8[np.ndarray, "150 150 3"]:
    """Cut the aligned 150 px chip dlib's net expects, by five mesh points (a least-squares similarity)."""
    square = (_PADDING + _CHIP_POINTS) / (2.0 * _PADDING + 1.0) * CHIP_SIDE
    found = points_px[list(_MESH_POINTS)]
    chip, mean = square.mean(0), found.mean(0)
    # As complex numbers: found - mean = z (square - chip), z = scale and turn.
    source, target = (square - chip) @ (1, 1j), (found - mean) @ (1, 1j)
    turn = (source.conj() @ target) / (source.conj() @ source).real
    centre = (CHIP_SIDE / 2.0 * (1 + 1j) - chip @ (1, 1j)) * turn + mean @ (1, 1j)
    return Crop((centre.real, centre.imag), abs(turn) * CHIP_SIDE, float(np.angle(turn))).cut(rgb_srgb, CHIP_SIDE)


def describe_face(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], points_px: Float[np.ndarray, "L 2"]
) -> Float32[np.ndarray, "128"]:
    """dlib descriptor of the face whose mesh points are given, averaged over the chip and its mirror image."""
    chip = torch.from_numpy(face_chip(rgb_srgb, points_px)).permute(2, 0, 1).float()
    with torch.no_grad():
        return load_identity_net()(torch.stack([chip, chip.flip(-1)])).mean(0).numpy()


def distance(first: Float32[np.ndarray, "128"], second: Float32[np.ndarray, "128"]) -> float:
    """Euclidean distance of two descriptors; below 0.6 they show the same person."""
    return float(np.linalg.norm(first - second))
