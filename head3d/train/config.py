"""Options of training."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from head3d.field.config import FieldConfig


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms (colours in sRGB, lengths in metres unless named)."""

    color: float = 1.0
    """Mean absolute colour difference."""
    mask: float = 0.6
    """Mean absolute difference of opacity."""
    eikonal: float = 0.1
    """(|gradient| - 1)^2: keeps the signed distance one."""
    curvature: float = 0.005
    """Mean absolute curvature, taps in mm."""
    base_normal: float = 0.03
    """1 - cosine to the fitted head's normal; fades over training."""
    residual: float = 0.002
    """Mean absolute geometry residual, mm."""
    residual_smooth: float = 0.02
    """Mean absolute slope of the geometry residual between neighbours on the surface, seen or not."""
    residual_color: float = 0.02
    """Mean absolute radiance beyond the shaded albedo."""
    albedo_smooth: float = 0.04
    """Mean absolute albedo difference between neighbours 1.5 to 6 mm apart."""
    sh: float = 0.01
    """Mean squared departure of the lights from where they started, relative to ambient."""


@dataclass(frozen=True)
class CropConfig:
    """What part of a photo is learned from, and how finely."""

    half_size_m: float = 0.27
    """Half the side of the window about the head, metres at the head's distance."""
    centre_y_m: float = -0.03
    """Height of the window's middle above the ear roots, metres."""
    pixel_m: float = 3.5e-4
    """Finest useful pixel, metres at the head's distance; larger photos are scaled down."""
    hold_out: float = 0.01
    """Part of the pixels that is held out for the early stop."""


StartShape = Literal["mesh", "outlines", "lift"]


@dataclass(frozen=True)
class TrainConfig:
    """Training of one person's field."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU if there is one whose kernels work."""
    steps: int = 400
    """Optimiser steps."""
    polish_steps: int = 300
    """Steps of the last pass, which learns colour alone (see texture.py)."""
    mirror_steps: int = 150
    """Steps of giving a side no photo saw the shape of the other (see symmetry.py); 0 leaves it smooth."""
    tidy: bool = True
    """After training let the learned shape run out gently beyond what photos show, and clear the air of specks and film
    (see ease.py and clear.py)."""
    imagine_steps: int = 250
    """Steps of writing what is imagined into places no photo saw; 0 leaves them smooth."""
    shape: StartShape = "lift"
    """What training starts from: the fitted mesh, with the hair and clothes that outlines tell, or with what the lift
    makes of all that no photo shows as well (see lift.py)."""
    detail: bool = True
    """Keep what photos show more finely than the colour grid can learn beside it (see detail.py)."""
    rays: int = 4096
    """Rays per step."""
    samples: int = 32
    """Samples per ray at most; a ray that meets the surface head-on takes about 10, a grazing one all."""
    colors: int = 3
    """Of these, how many are given a colour."""
    start_sd_m: float = 1.2e-3
    """Blur of the surface at the start, metres."""
    end_sd_m: float = 0.4e-3
    """Blur at the end, metres."""
    geometry_rate: float = 2e-3
    """Learning rate of the geometry grid."""
    color_rate: float = 1e-2
    """Learning rate of the colour grid."""
    decoder_rate: float = 2e-3
    """Learning rate of the decoders."""
    light_rate: float = 1e-3
    """Learning rate of the lights, times their ambient level."""
    refine_cameras: bool = True
    """Correct the fit's cameras (turn and slide; distance and scale stay)."""
    camera_rate: float = 4e-3
    """Learning rate of the cameras (times 0.05 rad, 0.02 m)."""
    light_ridge: float = 0.01
    """Stiffness of the first light; ten times it for a single photo."""
    prefer: float = 1.0
    """How strongly each place is learned from the photo that shows it best; 0 learns from all alike."""
    refresh_every: int = 50
    """Steps between refreshes of the cached surface."""
    evaluate_every: int = 100
    """Steps between looks at the held-out pixels."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    patience: int = 3
    """Looks without gain after which training stops early."""
    shape_cell_m: float = 0.0025
    """Distance between the nodes of the fitted head's signed distance, metres."""
    paint_cell_m: float = 0.004
    """Distance between the nodes of the coarse albedo, metres."""
    seed: int = 0
    """Of everything random."""
    loss: LossWeights = dataclasses.field(default_factory=LossWeights)
    """Weights of the terms."""
    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    """Learned parts of the field."""
    crop: CropConfig = dataclasses.field(default_factory=CropConfig)
    """What part of the photos is used."""
