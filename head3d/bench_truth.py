"""Truth for the benchmark: a folder of pictures with exact cameras (nerfstudio's transforms.json).

Truth world as nerfstudio and Blender have it: z up, the face looks along -y, so the subject's left is +x. Units are
arbitrary; :attr:`HeadMarks.unit_m` says how long one is.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from head3d.capture.types import Photo
from head3d.errors import ConfigError, CorruptPart, InputError
from head3d.geometry.cameras import Cameras
from head3d.geometry.conventions import INTERPUPILLARY_M, flip_camera_axes
from head3d.geometry.reproject import backproject
from head3d.imaging.color import linear_from_levels
from head3d.imaging.io import read_image
from head3d.shapes import shaped

MID_GREY_LEVEL = 128
INPUT_YAW_DEG = 75.0
"""Inputs given as a count are spread over +- this yaw."""

HEAD_FROM_WORLD = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))
"""Axes of the head frame (x left, y up, z out of the face) in the truth world (z up, face along -y)."""


@shaped
@dataclass(frozen=True)
class TruthFrame:
    """One picture with everything known about it.

    Attributes:
        name: Its file's name without suffix.
        rgb_srgb: Straight colours.
        alpha: Coverage in [0, 1].
        camera: OpenCV, truth world, truth units.
        depth: z-depth in truth units, 0 where there is no surface, or None.
        normal: Unit normals in the truth world, or None.
        albedo: Linear RGB, or None.
    """

    name: str
    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    alpha: Float32[np.ndarray, "H W"]
    camera: Cameras
    depth: Float[Tensor, "H W"] | None = None
    normal: Float[Tensor, "H W 3"] | None = None
    albedo: Float[Tensor, "H W 3"] | None = None

    @property
    def yaw_deg(self) -> float:
        """Yaw of the face as this camera sees it, > 0 turned to its own left, from the world's axes."""
        x, y, _ = self.camera.c2w[0, :3, 3].tolist()
        return -math.degrees(math.atan2(x, -y))

    @property
    def pitch_deg(self) -> float:
        """Pitch of the face as this camera sees it, > 0 turned up (the camera looks from below)."""
        centre = self.camera.c2w[0, :3, 3]
        return -math.degrees(math.asin(float(centre[2] / centre.norm().clamp_min(1e-9))))


@dataclass(frozen=True)
class HeadMarks:
    """Where the head is in the truth world.

    Attributes:
        chin_z: Height of the chin, truth units.
        crown_z: Height of the crown, truth units.
        unit_m: Metres per truth unit.
        unit_from: How ``unit_m`` was found.
    """

    chin_z: float
    crown_z: float
    unit_m: float
    unit_from: str

    @property
    def floor_z(self) -> float:
        """Below this height (half a head below the chin) nothing is scored."""
        return self.chin_z - 0.5 * (self.crown_z - self.chin_z)


@dataclass(frozen=True)
class Truth:
    """All frames of a truth folder, and its mesh if there is one."""

    name: str
    frames: tuple[TruthFrame, ...]
    mesh_path: Path | None = None
    unit_m: float | None = None


def load_truth(folder: Path) -> Truth:
    """Read a truth folder.

    Raises:
        InputError: There is no transforms.json.
        CorruptPart: A file it names cannot be read.
    """
    path = folder / "transforms.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        frames = tuple(_frame(folder, meta, entry) for entry in meta["frames"])
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Give a folder with images and a transforms.json."
        ) from error
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise CorruptPart(f"{path} is not in nerfstudio's format: {error!r}.", hint="Check the file.") from error
    mesh = folder / "mesh_gt.ply"
    return Truth(folder.name, frames, mesh if mesh.is_file() else None, meta.get("unit_m"))


def _frame(folder: Path, meta: dict[str, Any], entry: dict[str, Any]) -> TruthFrame:
    pixels = read_image(folder / entry["file_path"])
    height, width = pixels.shape[:2]
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else np.full((height, width), 255, np.uint8)
    value = {**meta, **entry}
    focal = value.get("fl_x") or 0.5 * width / math.tan(0.5 * value["camera_angle_x"])
    K = torch.tensor(
        [
            [focal, 0.0, value.get("cx", width / 2)],
            [0.0, value.get("fl_y") or focal, value.get("cy", height / 2)],
            [0.0, 0.0, 1.0],
        ]
    )
    pose = flip_camera_axes(torch.tensor(entry["transform_matrix"], dtype=torch.float32))
    depth = normal = albedo = None
    if name := entry.get("depth_file_path"):
        levels = read_image(folder / name)[..., 0].astype(np.float32)
        depth = torch.from_numpy(levels * float(meta.get("depth_unit_scale_factor", 1e-3)))
    if name := entry.get("normal_path"):
        coded = torch.from_numpy(read_image(folder / name)[..., :3].astype(np.float32)) / 255 * 2 - 1
        normal = torch.nn.functional.normalize(coded, dim=-1)
    if name := entry.get("albedo_path"):
        albedo = linear_from_levels(np.ascontiguousarray(read_image(folder / name)[..., :3]))
    return TruthFrame(
        name=Path(entry["file_path"]).stem,
        rgb_srgb=np.ascontiguousarray(pixels[..., :3]),
        alpha=alpha.astype(np.float32) / 255,
        camera=Cameras(pose[None], K[None], (height, width)),
        depth=depth,
        normal=normal,
        albedo=albedo,
    )


def pick_inputs(truth: Truth, spec: str) -> tuple[int, ...]:
    """Frames to hand to the pipeline.

    Args:
        spec: "0,2,5" names frames; "5" takes that many, spread evenly over +-75 degrees of yaw and as level as can be
            ("1" is the frontal one; "3," is frame 3).
    """
    count = len(truth.frames)
    try:
        numbers = [int(part) for part in spec.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(f"--inputs {spec!r} is not understood.", hint="Write 0,2,5 or a count.") from error
    if "," in spec:
        if not numbers or len(set(numbers)) < len(numbers) or not all(0 <= i < count for i in numbers):
            raise ConfigError(f"--inputs {spec!r}: there are frames 0 to {count - 1}, each once.", hint="Write 0,2,5.")
        return tuple(numbers)
    wanted = numbers[0] if numbers else 0
    near = [i for i, frame in enumerate(truth.frames) if abs(frame.yaw_deg) <= INPUT_YAW_DEG + 1e-3]
    if not 1 <= wanted <= len(near):
        raise ConfigError(
            f"--inputs {spec!r}: {len(near)} frames lie within {INPUT_YAW_DEG:.0f} degrees of yaw.",
            hint=f"Ask for 1 to {len(near)}.",
        )
    goals = np.linspace(-INPUT_YAW_DEG, INPUT_YAW_DEG, wanted) if wanted > 1 else np.zeros(1)
    yaw = np.array([truth.frames[i].yaw_deg for i in near])
    pitch = np.array([truth.frames[i].pitch_deg for i in near])
    cost = np.abs(goals[:, None] - yaw) + 0.5 * np.abs(pitch)  # level frames first, unless yaw would suffer
    return tuple(sorted(near[column] for column in linear_sum_assignment(cost)[1]))


def photo_of(truth: Truth, index: int, *, focal_known: bool) -> Photo:
    """A frame as capture would hand it on: on mid-grey, with its coverage; cameras hidden unless ``focal_known``.

    All frames carry one camera's name, as photos of one phone would.
    """
    frame = truth.frames[index]
    cover = frame.alpha[..., None]
    pixels = (frame.rgb_srgb * cover + MID_GREY_LEVEL * (1 - cover) + 0.5).astype(np.uint8)
    return Photo(
        name=f"{frame.name}.png",
        rgb_srgb=pixels,
        focal_px=float(frame.camera.K[0, 0, 0]) if focal_known else None,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        camera=f"bench {truth.name}",
        alpha=np.rint(frame.alpha * 255).astype(np.uint8),
    )


def frontal_frame(truth: Truth) -> int:
    """The frame that looks most straight into the face."""
    return min(
        range(len(truth.frames)), key=lambda i: abs(truth.frames[i].yaw_deg) + 1.5 * abs(truth.frames[i].pitch_deg)
    )


def thinned(truth: Truth, inputs: Sequence[int], *, every: int) -> tuple[Truth, list[int]]:
    """The truth with its inputs, its frontal frame and every so many-th of the others, and the inputs' new numbers."""
    others = [i for i in range(len(truth.frames)) if i not in inputs][::every]
    kept = sorted({*inputs, *others, frontal_frame(truth)})
    return replace(truth, frames=tuple(truth.frames[i] for i in kept)), [kept.index(i) for i in inputs]


def marks_from_points(
    truth: Truth,
    *,
    eyes_px: Float[np.ndarray, "2 2"],
    chin_px: Float[np.ndarray, "2"],
    unit_m: float | None = None,
) -> HeadMarks:
    """Lift the eyes and the chin of the frontal frame to the truth world through its depth.

    Args:
        eyes_px: Centres of both eyes in the frontal frame.
        chin_px: Tip of the chin in it.
        unit_m: Metres per truth unit if known (by the file or by our own fit); else the eyes are set 63 mm apart.
    """
    frame = truth.frames[frontal_frame(truth)]
    points = surface_points(frame)
    eyes = [_lift(points, frame, point) for point in eyes_px]
    chin = _lift(points, frame, chin_px)
    crown = max(_highest(one) for one in truth.frames if abs(one.pitch_deg) < 30)
    if unit_m is not None:
        return HeadMarks(float(chin[2]), crown, unit_m, "given")
    apart = float((eyes[0] - eyes[1]).norm())
    return HeadMarks(float(chin[2]), crown, INTERPUPILLARY_M / apart, "pupils set 63 mm apart")


def surface_points(frame: TruthFrame) -> Float[Tensor, "H W 3"]:
    """Points of the truth surface in the truth world; on a plane through the origin where there is no depth."""
    depth = frame.depth
    if depth is None:
        centre = frame.camera.c2w[0, :3, 3]
        plane = float(-(centre @ frame.camera.c2w[0, :3, 2]))
        depth = torch.from_numpy(frame.alpha > 0.5).float() * plane
    return backproject(depth, frame.camera)


def _lift(points: Float[Tensor, "H W 3"], frame: TruthFrame, pixel: Float[np.ndarray, "2"]) -> Float[Tensor, "3"]:
    solid = torch.from_numpy(frame.alpha > 0.95)
    if frame.depth is not None:
        solid = solid & (frame.depth > 0)
    y, x = torch.nonzero(solid, as_tuple=True)
    if len(y) == 0:
        raise InputError(f"{frame.name}: nothing is visible.", hint="Give truth pictures with a person in them.")
    nearest = ((x + 0.5 - float(pixel[0])) ** 2 + (y + 0.5 - float(pixel[1])) ** 2).argmin()
    return points[y[nearest], x[nearest]]


def _highest(frame: TruthFrame) -> float:
    solid = torch.from_numpy(frame.alpha > 0.95)
    if frame.depth is not None:
        solid = solid & (frame.depth > 0)
    heights = surface_points(frame)[..., 2][solid]
    return float(heights.max()) if len(heights) else -math.inf


def head_mask(frame: TruthFrame, marks: HeadMarks) -> Float[Tensor, "H W"]:
    """1 inside the truth's head: its coverage, without what lies more than half a head below the chin."""
    cover = torch.from_numpy(frame.alpha) > 0.5
    above = surface_points(frame)[..., 2] > marks.floor_z
    if frame.depth is not None:  # the rim has coverage but no depth: it belongs to whatever surface is next to it
        known = (frame.depth > 0).float()[None, None]
        near = torch.nn.functional.max_pool2d(above.float()[None, None] * known, 5, 1, 2)[0, 0] > 0
        above = torch.where(known[0, 0] > 0, above, near)
    return (cover & above).float()


def check_same_world(truth: Truth, other: Truth) -> None:
    """InputError unless two truths seem to show the same head in the same world (for --relight)."""
    reach = [
        float(torch.stack([frame.camera.centre[0] for frame in one.frames]).norm(dim=1).mean())
        for one in (truth, other)
    ]
    if abs(reach[0] / reach[1] - 1) > 0.05:
        raise InputError(
            f"{other.name} does not share its world with {truth.name}.",
            hint="Give a truth of the same head under another light.",
        )
