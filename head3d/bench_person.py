"""``head3d bench person FOLDER``: each photo of a person is left out once; is the head of the others still that person?

The photo that is left out says only from where, and with what expression, the head is looked at: both come from a fit
of all photos, the head itself from a fit and a field of the others.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import tyro
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.bench_metrics import on_grey
from head3d.bench_reconstruct import timed
from head3d.capture.photos import gather
from head3d.config import Config, load_config
from head3d.console import listen
from head3d.errors import TooFewPhotos
from head3d.events import Emit, ignore
from head3d.field.deform import Deformation, expression_volume
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras
from head3d.geometry.sh import Lighting
from head3d.imaging.io import write_image
from head3d.morphable.fit import fit_head
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadFit
from head3d.perception.identity import distance
from head3d.perception.nets import load_face_nets
from head3d.perception.observe import observe
from head3d.perception.types import Observation
from head3d.quality.consistency import rendered_consistency
from head3d.quality.identity import describe_photos, describe_picture
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.train.loop import train_field
from head3d.train.rays import TrainPhoto, crop_photo

Picture = UInt8[np.ndarray, "H W 3"]
AROUND_DEG = (-60, -40, -20, 0, 20, 40, 60)
AROUND_PX = 384
SHEET_PX = 512


@dataclass(frozen=True)
class LeftOut:
    """A photo, and the head that was made without it.

    Attributes:
        photo: Its name.
        yaw_deg: Where the head looks in it.
        identity: Distance of dlib descriptors of the photo and of the head seen from there; None where the head shows
            no face that can be described.
        photos: Distance of the photo to each of the others: how much photos themselves differ.
        consistency_db: Agreement of the head's own views, turned by 20 degrees each, through its own depth.
        picture: The photo, cut to the head, beside the head.
    """

    photo: str
    yaw_deg: float
    identity: float | None
    photos: dict[str, float]
    consistency_db: float
    picture: Picture


@dataclass(frozen=True)
class PersonBench:
    """Leave each photo of a person out once and compare it with the head made from the others."""

    photos: tyro.conf.Positional[Path]
    """A folder of photos of one person."""
    config: str = ""
    """A preset or a yaml file; the defaults if empty."""
    out: Path | None = None
    """Also write the JSON to this file, and the pairs of pictures beside it (.png)."""


def main(words: Sequence[str]) -> int:
    """``head3d bench person FOLDER``; returns the exit code."""
    options = tyro.cli(
        PersonBench, args=list(words), prog="head3d bench person", config=(tyro.conf.FlagCreatePairsOff,)
    )
    config = load_config(options.config)
    with listen("auto") as emit:
        photos, _ = gather([options.photos], config=config.capture, emit=emit)
        observations, _ = observe(photos, config=config.perception, emit=emit)
        rows = leave_one_out(observations, config=config, emit=emit)
    text = json.dumps(as_table(rows), indent=1) + "\n"
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
        write_image(options.out.with_suffix(".png"), np.concatenate([row.picture for row in rows], axis=0))
    sys.stdout.write(text)
    return 0


def leave_one_out(observations: Sequence[Observation], *, config: Config, emit: Emit = ignore) -> list[LeftOut]:
    """Leave out each photo that shows a face which can be described.

    Raises:
        TooFewPhotos: Fewer than two.
    """
    if len(observations) < 2:
        raise TooFewPhotos("Of a single photo none can be left out.", hint="Give a folder with two photos or more.")
    whole = fit_head(observations, config=config.fit, emit=emit)
    known = describe_photos(observations)
    rows = []
    for number, left_out in enumerate(observations):
        name = left_out.photo.name
        if name not in known:
            continue
        rest = [one for one in observations if one is not left_out]
        with timed(f"without {name}", {}, emit):
            fitted = fit_head(rest, config=config.fit, emit=emit)
            field = train_field(fitted, rest, config=config.train, emit=emit)
        cut = _cut(left_out, whole.cameras[number], config)
        shown = show(field, cut.camera, _bent(fitted, whole, number), config.render)
        described = describe_picture(shown, load_face_nets())
        views = [named_view(f"{yaw}", yaw_deg=float(yaw), size=(AROUND_PX, AROUND_PX)) for yaw in AROUND_DEG]
        cache = ShellCache(field)
        cache.refresh(field)
        outputs = [render_view(field, view, config=config.render, cache=cache) for view in views]
        others = describe_photos(rest)
        rows.append(
            LeftOut(
                photo=name,
                yaw_deg=float(torch.rad2deg(whole.cameras[number].yaw_pitch[0, 0])),
                identity=None if described is None else distance(described, known[name]),
                photos={other: distance(value, known[name]) for other, value in others.items()},
                consistency_db=rendered_consistency(outputs, views).psnr_db,
                picture=np.concatenate([_shown_at(one) for one in (cut.rgb_srgb, shown)], axis=1),
            )
        )
    return rows


def _shown_at(picture: Picture) -> Picture:
    """A picture as large as all in the sheet."""
    height, width = picture.shape[:2]
    canvas = np.zeros((SHEET_PX, SHEET_PX, 3), np.uint8)
    times = SHEET_PX / max(height, width)
    small = cv2.resize(picture, (round(width * times), round(height * times)), interpolation=cv2.INTER_AREA)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


def show(field: RadianceField, camera: Cameras, bent: Deformation, config: RenderConfig) -> Picture:
    """The head from a camera, with an expression, on grey, under the mean of its photos' lights."""
    view = View("left out", camera, Lighting(field.sh.detach().mean(0)))
    return on_grey(render_view(field, view, config=config, deformation=bent))


def as_table(rows: Sequence[LeftOut]) -> dict[str, Any]:
    """What ``--out`` keeps."""
    found = [row.identity for row in rows if row.identity is not None]
    mean = float(np.mean(found)) if found else None
    plain = [{key: value for key, value in asdict(row).items() if key != "picture"} for row in rows]
    return {"identity_mean": mean, "consistency_db": min(row.consistency_db for row in rows), "left_out": plain}


def _cut(left_out: Observation, camera: Cameras, config: Config) -> TrainPhoto:
    return crop_photo(left_out, camera, config=config.train.crop, body=True, chin_y_m=0.0, seed=0)


def _bent(fitted: HeadFit, whole: HeadFit, number: int) -> Deformation:
    """The head of ``fitted`` with the expression that the fit of all photos found in one of them."""
    model = fitted.model
    posed: Float[Tensor, "V 3"] = model.vertices(fitted.identity, whole.expression[number], whole.joints[number, 1:])
    neutral = outer_shell(model, fitted.vertices().detach().float())
    moved = outer_shell(model, (posed + fitted.offsets).detach().float())
    return Deformation([expression_volume(neutral, moved)])
