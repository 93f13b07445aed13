"""Cuts the person out: MediaPipe's selfie net (256 px) around the head, sharpened against the picture's own colours."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from head3d.perception.linear3 import PAIRS, solve_symmetric
from head3d.perception.nets import Crop, FaceNets

_DIAGONAL = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0], np.float32)


@dataclass(frozen=True)
class MatteConfig:
    """How the person is cut out."""

    side_px: int = 640
    """Resolution at which colours are compared, in the head-and-shoulders window, px."""
    band: float = 0.014
    """Half width of the border in which colours decide, as a fraction of the window's side."""
    net_sigma: float = 0.3
    """How wrong the net's matte may be within that border (standard deviation)."""


def person_matte(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    nets: FaceNets,
    window: Crop,
    *,
    alpha: UInt8[np.ndarray, "H W"] | None = None,
    config: MatteConfig = MatteConfig(),
) -> Float32[np.ndarray, "H W"]:
    """Person against background, in [0, 1], at the picture's resolution.

    Args:
        rgb_srgb: The picture.
        nets: Loaded nets.
        window: Upright square round head and shoulders, where the edge matters.
        alpha: The file's own transparency; if there is one, it is the matte.
        config: How the edge is found.
    """
    if alpha is not None:
        return alpha.astype(np.float32) / 255.0
    height, width = rgb_srgb.shape[:2]
    size = (width, height)
    net_side = nets.matte.size[0]
    squeezed = cv2.resize(rgb_srgb, (net_side, net_side), interpolation=cv2.INTER_AREA)
    whole = cv2.resize(nets.matte(squeezed)[0][..., 0], size, interpolation=cv2.INTER_LINEAR)

    side = min(config.side_px, int(window.side_px))
    known = window.cut(np.full((height, width), 255, np.uint8), side) > 250
    pixels = window.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE)
    soft = 0.75 * _opinions(rgb_srgb, nets, window, side) + 0.25 * window.cut(whole, side)
    sharp = refine(pixels, soft, known, config=config)
    slope, offset = guided_slopes(pixels.astype(np.float32) / 255.0, sharp, radius=max(2, side // 160), epsilon=2e-4)
    inside = _ramp(window, size)
    close = _apply_slopes(rgb_srgb, slope, offset, window)
    # Bystanders far from the head come out of the whole-picture look at half strength: they are not the subject.
    rest = np.clip((whole - 0.5) * 2.5, 0.0, 1.0)
    return np.clip(close * inside + rest * (1.0 - inside), 0.0, 1.0)


def _opinions(rgb_srgb: np.ndarray, nets: FaceNets, window: Crop, side: int) -> Float32[np.ndarray, "S S"]:
    """Mean of the net's answers for the window, its mirror image and a closer look, in the window."""
    total = np.zeros((side, side), np.float32)
    weight = np.zeros((side, side), np.float32)
    net_side = nets.matte.size[0]
    for scale, flipped in ((1.0, False), (1.0, True), (0.75, False)):
        crop = Crop(window.centre_px, window.side_px * scale, window.angle, flipped)
        found = nets.matte(crop.cut(rgb_srgb, net_side, border=cv2.BORDER_REPLICATE))[0][..., 0]
        found = found[:, ::-1] if flipped else found
        inner = round(side * scale)
        start = (side - inner) // 2
        part = np.s_[start : start + inner, start : start + inner]
        fade = np.minimum(np.linspace(0.0, 8.0, inner), np.linspace(8.0, 0.0, inner)).clip(0.02, 1.0)
        share = np.outer(fade, fade).astype(np.float32)
        total[part] += cv2.resize(np.ascontiguousarray(found), (inner, inner), interpolation=cv2.INTER_LINEAR) * share
        weight[part] += share
    return total / np.maximum(weight, 1e-6)


def refine(
    pixels: UInt8[np.ndarray, "S S 3"],
    soft: Float32[np.ndarray, "S S"],
    known: np.ndarray,
    *,
    config: MatteConfig = MatteConfig(),
) -> Float32[np.ndarray, "S S"]:
    """Decide the border of a soft matte by colour.

    Round every pixel the colours of what is surely person and surely background have a mean and a covariance. Along the
    direction that tells them apart best (Fisher 1936) a pixel's place between the two means is its coverage, known to
    1 / separation; this is combined with the net's opinion, each weighted by how sure it is.
    """
    side = pixels.shape[0]
    reach = max(2, round(config.band * side))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    body = _main_part(soft)
    sure = cv2.erode((body > 0.9).astype(np.uint8), disc) > 0
    empty = (cv2.dilate((body > 0.1).astype(np.uint8), disc) == 0) & known
    colour = pixels.astype(np.float32) / 255.0
    half = cv2.resize(colour, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    front = _local_colour(half, _halved(sure, half), reach / 2.0)
    back = _local_colour(half, _halved(empty, half), reach / 2.0)
    pooled = front.covariance + back.covariance + _DIAGONAL * 4e-4
    apart = front.mean - back.mean
    direction = solve_symmetric(pooled, apart)
    start, gap = (np.einsum("hwc,hwc->hw", direction, end) for end in (back.mean, apart))
    statistics = np.dstack([direction, start, gap, front.trust * back.trust]).astype(np.float32)
    statistics = cv2.resize(statistics, (side, side), interpolation=cv2.INTER_LINEAR)
    separation = np.maximum(statistics[..., 4], 1e-6)  # Mahalanobis distance squared
    along = np.einsum("hwc,hwc->hw", colour, statistics[..., :3])
    place = np.clip((along - statistics[..., 3]) / separation, 0.0, 1.0)
    trust = statistics[..., 5]
    by_colour = 1.0 / (1.0 / separation + 0.01)
    by_net = 1.0 / config.net_sigma**2
    mixed = (body * by_net + place * by_colour * trust) / (by_net + by_colour * trust)
    mixed = np.where(sure, 1.0, np.where(empty, 0.0, mixed))
    return np.clip((mixed - 0.06) / 0.88, 0.0, 1.0).astype(np.float32)


def _halved(mask: np.ndarray, like: np.ndarray) -> Float32[np.ndarray, "H W"]:
    return cv2.resize(mask.astype(np.float32), like.shape[1::-1], interpolation=cv2.INTER_AREA)


def _main_part(soft: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Without what hangs on to the person by half-sure pixels only: bystanders, chairs."""
    likely = (soft > 0.65).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(likely)
    if count < 2:
        return soft
    side = soft.shape[0]
    middle = parts[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3]
    votes = np.bincount(middle.reshape(-1), minlength=count)
    votes[0] = 0
    main = (parts == (int(votes.argmax()) if votes.any() else 1 + int(stats[1:, 4].argmax()))).astype(np.uint8)
    near = cv2.GaussianBlur(cv2.dilate(main, np.ones((9, 9), np.uint8)).astype(np.float32), (0, 0), 3.0)
    return soft * np.clip(near * 1.2, 0.0, 1.0)


@dataclass(frozen=True)
class _Colour:
    """Colours round every pixel: mean, covariance (six numbers, see linear3.PAIRS) and trust (in [0, 1])."""

    mean: np.ndarray
    covariance: np.ndarray
    trust: np.ndarray


def _local_colour(colour: np.ndarray, weight: np.ndarray, reach: float) -> _Colour:
    """Colour statistics of the weighted pixels near every pixel, or farther away where there are none near."""
    side = colour.shape[0]
    products = np.stack([colour[..., row] * colour[..., column] for row, column in PAIRS], axis=-1)
    stacked = np.concatenate([np.ones_like(colour[..., :1]), colour, products], axis=-1) * weight[..., None]
    total = np.zeros_like(stacked)
    for radius, share in ((2.0 * reach, 1.0), (6.0 * reach, 0.03), (20.0 * reach, 0.001)):
        shrink = max(1, int(radius / 4.0))
        small = cv2.resize(stacked, None, fx=1.0 / shrink, fy=1.0 / shrink, interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(small, (0, 0), radius / shrink)
        total += share * cv2.resize(blurred, (side, side), interpolation=cv2.INTER_LINEAR)
    amount = np.maximum(total[..., :1], 1e-9)
    mean = total[..., 1:4] / amount
    squares = np.stack([mean[..., row] * mean[..., column] for row, column in PAIRS], axis=-1)
    covariance = total[..., 4:] / amount - squares
    return _Colour(mean, covariance, np.clip(amount[..., 0] / 1e-3, 0.0, 1.0))


def _ramp(window: Crop, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """1 inside the window, falling to 0 at its rim, so that two opinions meet without a step."""
    fade = np.minimum(np.linspace(0.0, 12.0, 128), np.linspace(12.0, 0.0, 128)).clip(0.0, 1.0)
    return to_picture(np.outer(fade, fade).astype(np.float32), window, size)


def to_picture(
    values: np.ndarray, crop: Crop, size: tuple[int, int], *, beyond: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    """Resample a square crop's values into a picture of ``size`` (width, height); outside 0 unless ``beyond`` says."""
    centred = crop.to_picture(values.shape[0])
    centred[:, 2] += centred[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(values, centred, size, flags=cv2.INTER_LINEAR, borderMode=beyond)


def guided_slopes(
    guide: Float32[np.ndarray, "H W 3"], values: Float32[np.ndarray, "H W"], *, radius: int, epsilon: float
) -> tuple[Float32[np.ndarray, "H W 3"], Float32[np.ndarray, "H W"]]:
    """Fit ``values`` locally by slope . colour + offset (He et al. 2013, colour guide)."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    centre, level = mean(guide), mean(values)
    products = np.stack([guide[..., row] * guide[..., column] for row, column in PAIRS], axis=-1)
    squares = np.stack([centre[..., row] * centre[..., column] for row, column in PAIRS], axis=-1)
    covariance = mean(products) - squares + _DIAGONAL * epsilon
    cross = mean(guide * values[..., None]) - centre * level[..., None]
    slope = solve_symmetric(covariance, cross)
    return mean(slope), mean(level - np.einsum("hwc,hwc->hw", slope, centre))


def _apply_slopes(
    rgb_srgb: np.ndarray, slope: np.ndarray, offset: np.ndarray, window: Crop
) -> Float32[np.ndarray, "H W"]:
    """Evaluate a window's local fit on the full-resolution picture: single hairs come back."""
    size = rgb_srgb.shape[1::-1]
    fit = to_picture(np.concatenate([slope, offset[..., None]], axis=-1), window, size)
    value = np.einsum("hwc,hwc->hw", fit[..., :3], rgb_srgb.astype(np.float32)) / 255.0 + fit[..., 3]
    return np.clip(value, 0.0, 1.0)
