"""nerfstudio data parser ``head3d-data``: a fitted subject as a data set for any nerfstudio method.

``ns-train nerfacto --data subjects/me head3d-data``. Photos with the cameras head3d found, and masks of the person; or,
with ``--source capture``, the pictures that ``head3d export --format transforms`` made. Imports no trainer: nerfstudio
loads data parsers while it builds its own.
"""

# nerfstudio lives in an environment of its own (.ci/nerfstudio): the checks of this one cannot see it
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from head3d import store
from head3d.errors import ConfigError
from head3d.geometry.cameras import Cameras as HeadCameras
from head3d.geometry.conventions import FIELD_HALF_SIZE_M, flip_camera_axes
from head3d.subject import Subject
from head3d.train.cameras import refined_cameras

PERSON = 0.5
"""A matte above this is the person."""


@dataclass
class Head3dDataParserConfig(DataParserConfig):
    """A subject that head3d has made."""

    _target: type = field(default_factory=lambda: Head3dDataParser)
    """What reads it."""
    data: Path = Path("subjects/me")
    """The subject folder."""
    source: Literal["photos", "capture"] = "photos"
    """The person's photos, or the capture that `head3d export --format transforms` rendered."""
    eval_every: int = 8
    """Of so many pictures one measures; with fewer pictures the first does both."""


class Head3dDataParser(DataParser):
    """Reads a subject folder."""

    config: Head3dDataParserConfig

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        subject = Subject(self.config.data).require()
        files, masks, cameras = _photos(subject) if self.config.source == "photos" else _capture(subject)
        every = max(self.config.eval_every, 2)
        measured = [k for k in range(len(files)) if k % every == every - 1] or [0]
        trained = [k for k in range(len(files)) if k not in measured or len(files) < every]
        chosen = trained if split == "train" else measured
        # nerfstudio's world: cameras within the unit cube about the head's middle
        scale = 1.0 / max(float(camera.centre.abs().max()) for camera in cameras)
        poses = torch.cat([flip_camera_axes(cameras[k].c2w) for k in chosen])[:, :3].clone()
        poses[:, :, 3] *= scale
        K = torch.cat([cameras[k].K for k in chosen])
        sizes = torch.tensor([cameras[k].size for k in chosen])
        bound = FIELD_HALF_SIZE_M * scale
        return DataparserOutputs(
            image_filenames=[files[k] for k in chosen],
            cameras=Cameras(
                camera_to_worlds=poses.float(),
                fx=K[:, 0, 0], fy=K[:, 1, 1], cx=K[:, 0, 2], cy=K[:, 1, 2],
                height=sizes[:, :1], width=sizes[:, 1:], camera_type=CameraType.PERSPECTIVE,
            ),
            scene_box=SceneBox(aabb=torch.tensor([[-bound] * 3, [bound] * 3])),
            mask_filenames=[masks[k] for k in chosen],
            dataparser_scale=scale,
            metadata={"head3d_subject": str(subject.path), "head3d_scale": scale, "head3d_photos": chosen},
        )  # fmt: skip


def _photos(subject: Subject) -> tuple[list[Path], list[Path], list[HeadCameras]]:
    """Photos, masks of the person, cameras as training left them.

    nerfstudio takes masks only with pictures of one size: all are filled up on the right and below, where no mask is.
    """
    trained, fit, names = subject.field(), subject.fit(), subject.fitted_photos()
    listed = [one.name for one in subject.photos()]
    observed = {one.photo.name: one for one in subject.observations()}
    size = max(one.size[0] for one in fit.cameras), max(one.size[1] for one in fit.cameras)
    place = store.make_folder(subject.path / "exports" / "nerfstudio")
    made = (subject.path / "field" / "field.json").stat().st_mtime
    files, masks = [], []
    for name in names:
        file, mask = (place / f"{listed.index(name):03d}_{what}.png" for what in ("photo", "mask"))
        if not all(one.is_file() and one.stat().st_mtime >= made for one in (file, mask)):
            store.write_png(file, _filled_up(observed[name].photo.rgb_srgb, size))
            person = np.asarray(observed[name].parsing.matte) > PERSON
            store.write_png(mask, _filled_up(person.astype(np.uint8) * 255, size))
        files.append(file)
        masks.append(mask)
    cameras = refined_cameras(fit.cameras, trained.turn, trained.shift)
    return files, masks, [replace(camera, size=size) for camera in cameras]


def _filled_up(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    more = [(0, wanted - given) for wanted, given in zip(size, pixels.shape, strict=False)]
    return np.pad(pixels, [*more, *[(0, 0)] * (pixels.ndim - 2)])


def _capture(subject: Subject) -> tuple[list[Path], list[Path], list[HeadCameras]]:
    from head3d.capture.known_cameras import read_capture
    from head3d.capture.rectify import scaled

    path = subject.path / "exports" / "capture" / "transforms.json"
    if not path.is_file():
        raise ConfigError(f"{path} is not there.", hint=f"Make it: head3d export {subject.path} --format transforms")
    frames = read_capture(path)
    cameras = [
        HeadCameras(
            torch.from_numpy(one.camera.c2w).float()[None],
            torch.from_numpy(scaled(one.camera, one.camera.size)).float()[None],
            one.camera.size,
        )
        for one in frames
    ]
    masks = [path.parent / "masks" / one.file.name for one in frames]
    return [one.file for one in frames], masks, cameras


Head3dData = DataParserSpecification(
    config=Head3dDataParserConfig(), description="A subject that head3d has made: photos with cameras and masks."
)
"""The entry point ``head3d-data``."""
