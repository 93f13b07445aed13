"""How rendered views lie in a subject folder: views/<name>/{color,albedo,normal,depth,confidence}.png and view.json.

Colours are sRGB in 16 bits; ``color`` has alpha, is not premultiplied, and is darkened by the exposure in view.json,
so that no highlight is clipped. Normals map [-1, 1] to the full range; depth counts DEPTH_STEP_M. ``confidence`` has 8
bits: 0 invented or empty, 255 well seen.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from head3d import store
from head3d.errors import CorruptPart, NothingDelivered, ShapeError
from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.imaging.formats import read_levels
from head3d.parts import FORMAT_VERSION
from head3d.quality.consistency import Consistency
from head3d.quality.gate import SightVerdict
from head3d.quality.picture_gate import PictureVerdict
from head3d.records import from_plain, to_plain
from head3d.render.confidence import Confidence, Shares
from head3d.render.types import RenderOutput, View

DEPTH_STEP_M = 1e-4
"""Metres per level of depth.png: 0.1 mm, up to 6.5 m."""
FOLDER_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,200}")
"""Of a view: one folder beside the others, never a way out."""
_FULL = 65535.0
_KIND = {False: "headshots", True: "aside"}
"""Where headshots.json has pictures that were delivered, and those that were not."""


def write_view(
    folder: Path,
    output: RenderOutput,
    view: View,
    *,
    confidence: Confidence | None = None,
    map_png: bool = True,
    eye_contact_deg: float | None = None,
) -> None:
    """Write one view into its own folder (views/front).

    Args:
        folder: Its own.
        output: The picture.
        view: Camera and light.
        confidence: What it is made of, if that is known: shares for view.json, map for confidence.png.
        map_png: Whether the map is written.
        eye_contact_deg: See :func:`head3d.field.gaze.eye_contact_deg`.
    """
    exposure = 1.0 / max(1.0, float((output.rgb_linear * (output.alpha > 0)[..., None]).max()))
    exposed = srgb_from_linear((output.rgb_linear * exposure).clamp(0.0, 1.0))
    color = torch.cat([exposed, output.alpha[..., None]], dim=-1)
    depth = (output.depth_m / DEPTH_STEP_M).round().clamp(0.0, _FULL)
    store.write_png(folder / "color.png", _levels(color))
    store.write_png(folder / "albedo.png", _levels(srgb_from_linear(output.albedo.clamp(0.0, 1.0))))
    store.write_png(folder / "normal.png", _levels(output.normal * 0.5 + 0.5))
    store.write_png(folder / "depth.png", depth.cpu().numpy().astype(np.uint16))
    if output.sharp is not None:
        store.write_png(folder / "sharp.png", _levels(output.sharp))
    payload = {"view": to_plain(view), "exposure": exposure, "depth_step_m": DEPTH_STEP_M}
    payload["eye_contact_deg"] = eye_contact_deg
    if confidence is not None:
        payload["confidence"] = to_plain(confidence.shares)
        if map_png:
            store.write_png(folder / "confidence.png", confidence_levels(confidence))
    store.write_json(folder / "view.json", payload, kind="head3d.view", version=FORMAT_VERSION)


def read_view(folder: Path) -> tuple[RenderOutput, View]:
    """Read what :func:`write_view` wrote."""
    path = folder / "view.json"
    payload = store.read_json(path, kind="head3d.view", version=FORMAT_VERSION)
    try:
        return _view_of(folder, payload), from_plain(View, payload.get("view"), where=str(path))
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, RuntimeError, ShapeError) as error:
        raise CorruptPart(f"{path} or its pictures were edited: {error}.", hint="Run `head3d run` again.") from error


def _view_of(folder: Path, payload: Mapping[str, Any]) -> RenderOutput:
    color = _unit(store.read_png(folder / "color.png"))
    normal = _unit(store.read_png(folder / "normal.png")) * 2.0 - 1.0
    alpha = color[..., 3].contiguous()
    return RenderOutput(
        rgb_linear=linear_from_srgb(color[..., :3]) / float(payload["exposure"]),
        albedo=linear_from_srgb(_unit(store.read_png(folder / "albedo.png"))),
        normal=torch.nn.functional.normalize(normal, dim=-1) * (alpha > 0)[..., None],
        alpha=alpha,
        depth_m=torch.from_numpy(store.read_png(folder / "depth.png").astype(np.float32))
        * float(payload["depth_step_m"]),
        sharp=_unit(store.read_png(folder / "sharp.png")) if (folder / "sharp.png").is_file() else None,
    )


def read_shares(folder: Path) -> Shares | None:
    """What a view is made of; None for one that an older head3d wrote."""
    path = folder / "view.json"
    payload = store.read_json(path, kind="head3d.view", version=FORMAT_VERSION)
    return from_plain(Shares, payload["confidence"], where=str(path)) if "confidence" in payload else None


def read_confidence(folder: Path) -> Confidence | None:
    """The map and shares of a view; None where no map was written."""
    shares, path = read_shares(folder), folder / "confidence.png"
    return None if shares is None or not path.is_file() else Confidence(_unit(store.read_png(path), full=255.0), shares)


def read_eye_contact(folder: Path) -> float | None:
    """How far past the camera the eyes look, degrees; None where no eye shows, and for a view of an older head3d."""
    path = folder / "view.json"
    payload = store.read_json(path, kind="head3d.view", version=FORMAT_VERSION)
    return from_plain(float, payload.get("eye_contact_deg"), where=str(path))


def confidence_levels(confidence: Confidence) -> np.ndarray:
    """A map as uint8 grey."""
    return (confidence.map.detach().cpu().clamp(0.0, 1.0) * 255 + 0.5).numpy().astype(np.uint8)


def write_order(folder: Path, names: Sequence[str]) -> None:
    """Write views/views.json: the order of the views, whose folders are there already."""
    store.write_json(folder / "views.json", {"views": list(names)}, kind="head3d.views", version=FORMAT_VERSION)


def read_views(folder: Path) -> list[tuple[RenderOutput, View]]:
    """All views of the last run, in their order."""
    path = folder / "views.json"
    names = store.read_json(path, kind="head3d.views", version=FORMAT_VERSION).get("views")
    # a view is a folder beside the file: no other place is looked at, whatever the file says
    if not isinstance(names, list) or not all(isinstance(one, str) and FOLDER_NAME.fullmatch(one) for one in names):
        raise CorruptPart(f"{path} lists no views.", hint="Run `head3d run` again.")
    return [read_view(folder / name) for name in names]


def write_headshots(
    folder: Path,
    files: Mapping[str, str],
    *,
    verdicts: Mapping[str, SightVerdict] = MappingProxyType({}),
    pictures: Mapping[str, PictureVerdict] = MappingProxyType({}),
    aside: Mapping[str, str] = MappingProxyType({}),
    consistency: Consistency | None = None,
    advice: str = "",
) -> None:
    """Write headshots/headshots.json, with paths relative to the folder.

    Args:
        folder: Where the pictures lie.
        files: The delivered picture of each view, in order.
        verdicts: On what photos saw of each view.
        pictures: On the finished pictures.
        aside: The pictures of refused views.
        consistency: How far the views agree; None if no two of them can be compared.
        advice: What photo would help most of the refused views.
    """
    payload: dict[str, Any] = {"headshots": dict(files), "aside": dict(aside), "advice": advice}
    payload["gate"] = {view: to_plain(verdict) for view, verdict in verdicts.items()}
    payload["pictures"] = {view: to_plain(verdict) for view, verdict in pictures.items()}
    payload["consistency"] = to_plain(consistency) if consistency is not None and consistency.pairs else None
    store.write_json(folder / "headshots.json", payload, kind="head3d.headshots", version=FORMAT_VERSION)


def check_delivered(folder: Path) -> None:
    """NothingDelivered if every picture in headshots/ was refused; it says what photo would help most."""
    payload = store.read_json(folder / "headshots.json", kind="head3d.headshots", version=FORMAT_VERSION)
    if not payload["headshots"] and (aside := payload.get("aside")):
        count = f"None of the {len(aside)} pictures is" if len(aside) > 1 else "The picture is not"
        raise NothingDelivered(
            f"{count} good enough to be delivered; see {folder / 'refused'}.",
            hint=payload.get("advice") or "The report says what is wrong with each.",
        )


def read_consistency(folder: Path) -> Consistency | None:
    """How far the views of a set agree; None if that was not measured."""
    path = folder / "headshots.json"
    payload = store.read_json(path, kind="head3d.headshots", version=FORMAT_VERSION)
    return from_plain(Consistency, payload.get("consistency"), where=str(path))


def read_picture_verdicts(folder: Path) -> dict[str, PictureVerdict]:
    """What the gate said of finished pictures, by view; empty for those of an older head3d."""
    path = folder / "headshots.json"
    payload = store.read_json(path, kind="head3d.headshots", version=FORMAT_VERSION)
    found = payload.get("pictures", {})
    return {view: from_plain(PictureVerdict, verdict, where=str(path)) for view, verdict in found.items()}


def read_headshots(folder: Path, *, aside: bool = False) -> dict[str, np.ndarray]:
    """Finished pictures by view, uint8 sRGB, in order; ``aside`` for those that were not delivered."""
    payload = store.read_json(folder / "headshots.json", kind="head3d.headshots", version=FORMAT_VERSION)
    return {view: _eight_bits(read_levels(folder / file)) for view, file in payload.get(_KIND[aside], {}).items()}


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    return levels if levels.dtype == np.uint8 else np.round(levels / 257.0).astype(np.uint8)


def _levels(values: Tensor) -> np.ndarray:
    return (values.detach().cpu().clamp(0.0, 1.0) * _FULL + 0.5).numpy().astype(np.uint16)


def _unit(levels: np.ndarray, *, full: float = _FULL) -> Tensor:
    return torch.from_numpy(levels.astype(np.float32) / np.float32(full))
