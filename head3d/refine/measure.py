"""What the nets are worth on London's people held out: made small and large again, or blurred and refined."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from head3d.imaging.color import lab_from_linear, linear_from_srgb
from head3d.imaging.perceptual import load_lpips
from head3d.networks.portraits import portraits
from head3d.networks.unet import fast_dtype
from head3d.perception.detector import detect_faces
from head3d.perception.identity import describe_face, distance
from head3d.perception.landmarks import find_points
from head3d.perception.nets import load_face_nets
from head3d.refine.generator import Factor, Refiner, enlarge, refine
from head3d.refine.lessons import blurred, smaller
from head3d.refine.realesrgan import load_realesrgan

Picture = Float[Tensor, "H W 3"]
"""sRGB in [0, 1]."""
Way = Callable[[Picture], Picture]
Levels = UInt8[np.ndarray, "H W 3"]


def measure(net: Refiner, data: Path, *, count: int = 20, rivals: bool = True) -> dict[str, Any]:
    """Means over pictures (512 px) of people held out, by task and by who does it.

    ``lpips_alex`` is of a net that the training never saw; ``lpips_vgg`` of the training's own. ``identity`` is the
    distance of dlib descriptors to the true picture; ``skin_delta_e`` how far the mean Lab colour of the face is from
    what went in (CIE 1976), and ``worst_group_delta_e`` its largest mean over the groups of people the set names.

    Args:
        net: Refiner or enlarger.
        data: Truth data.
        count: Pictures.
        rivals: Measure Real-ESRGAN beside the enlarger (its weights are fetched if need be; minutes).
    """
    paths = portraits(data, held_out=True)
    paths = paths[:: max(len(paths) // count, 1)][:count]
    if net.factor == 1:
        return {
            "blurred": _table(
                paths, data, _soft, {"refined": lambda one: refine(net, one), "as it was": lambda one: one}
            )
        }
    tasks = {}
    for factor in (2, 4):
        ways: dict[str, Way] = {"head3d": _enlarger(net, factor), "lanczos": _lanczos(factor)}
        if rivals and factor == 4:
            ways["realesrgan"] = realesrgan
        tasks[f"x{factor}"] = _table(paths, data, _small(factor), ways)
    return tasks


@torch.inference_mode()
def realesrgan(picture: Picture) -> Picture:
    """A picture four times as large."""
    kind = fast_dtype(picture.device)
    with torch.autocast(picture.device.type, kind, enabled=kind != torch.float32):
        made = load_realesrgan()(picture.permute(2, 0, 1)[None])[0].float()
    return made.permute(1, 2, 0).clamp(0, 1)


def _enlarger(net: Refiner, factor: Factor) -> Way:
    return lambda one: enlarge(net, one, factor=factor)


def _lanczos(factor: Factor) -> Way:
    def way(one: Picture) -> Picture:
        size = (one.shape[1] * factor, one.shape[0] * factor)
        return torch.from_numpy(cv2.resize(one.numpy(), size, interpolation=cv2.INTER_LANCZOS4)).clamp(0, 1)

    return way


def _small(factor: Factor) -> Callable[[Levels, int], Levels]:
    return lambda levels, number: np.clip(smaller(levels, factor=factor) + 0.5, 0, 255).astype(np.uint8)


def _soft(levels: Levels, number: int) -> Levels:
    return blurred(levels, np.random.default_rng(number))


def _table(
    paths: list[Path], data: Path, spoil: Callable[[Levels, int], Levels], ways: Mapping[str, Way]
) -> dict[str, dict[str, float]]:
    groups = json.loads((data / "london512" / "subjects.json").read_text(encoding="utf-8"))
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    by_group: dict[tuple[str, str], list[float]] = {}
    for number, path in enumerate(paths):
        with Image.open(path, formats=("JPEG",)) as opened:
            levels = np.array(opened.convert("RGB"))
        given = spoil(levels, number)
        for name, way in ways.items():
            row = _row(levels, given, way)
            rows[name].append(row)
            by_group.setdefault((name, groups[path.stem]["face_eth"]), []).append(row["skin_delta_e"])
    table = {}
    for name, ones in rows.items():
        table[name] = {key: round(float(np.mean([one[key] for one in ones])), 4) for key in ones[0]}
        worst = max(float(np.mean(values)) for (of, _), values in by_group.items() if of == name)
        table[name] |= {"worst_group_delta_e": round(worst, 4), "pictures": len(ones)}
    return table


def _row(truth: Levels, given: Levels, way: Way) -> dict[str, float]:
    want = torch.from_numpy(truth).float() / 255
    made = way(torch.from_numpy(given).float() / 255).clone()
    pair = [2 * one.permute(2, 0, 1)[None] - 1 for one in (made, want)]
    row = {}
    with torch.no_grad():
        for name in ("alex", "vgg"):
            row[f"lpips_{name}"] = float(load_lpips(name).cpu()(*pair))
    row["psnr_db"] = float(-10 * torch.log10((made - want).square().mean()))
    nets = load_face_nets()
    points = find_points(truth, detect_faces(truth, nets)[0], nets).points[:, :2]
    levels = (made * 255 + 0.5).to(torch.uint8).numpy()
    row["identity"] = distance(describe_face(truth, points), describe_face(levels, points))
    plain = cv2.resize(given, truth.shape[1::-1], interpolation=cv2.INTER_AREA)
    inside = np.zeros(truth.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    row["skin_delta_e"] = float((_mean_lab(levels, inside > 0) - _mean_lab(plain, inside > 0)).norm())
    return row


def _mean_lab(levels: Levels, inside: Bool[np.ndarray, "H W"]) -> Float[Tensor, "3"]:
    return lab_from_linear(linear_from_srgb(torch.from_numpy(levels[inside]).float() / 255)).mean(0)
