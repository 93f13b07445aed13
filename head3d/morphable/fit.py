"""The joint fit: one identity for all photos; expression, pose, focal length and light per photo.

Order and weights follow what worked on scans with truth: PnP, landmarks, silhouette, cross-view flow, then texture and
light. Landmarks alone are worse than the mean face; each later energy pulls the landmarks' bias out again.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from head3d.capture.scan import Scan
from head3d.errors import TooFewPhotos
from head3d.events import Emit, Progress, ignore
from head3d.geometry.cameras import Cameras
from head3d.geometry.conventions import INTERPUPILLARY_M
from head3d.morphable.config import FitConfig
from head3d.morphable.energies import PointTargets, Priors, SurfaceTarget, project_points, surface_points
from head3d.morphable.eyes import turn_eyes
from head3d.morphable.flow import flow_targets
from head3d.morphable.head_model import expression_ridge, load_head_model
from head3d.morphable.landmark_targets import landmark_targets
from head3d.morphable.scan_fit import beyond_model, match_scan, place_scan
from head3d.morphable.silhouette import silhouette_targets
from head3d.morphable.solve import minimise
from head3d.morphable.start import start_state
from head3d.morphable.state import FitState
from head3d.morphable.texture import fit_texture
from head3d.morphable.types import HeadFit, HeadModel
from head3d.morphable.windows import Window, cut_window
from head3d.perception.types import Observation

INTERPUPILLARY_WINDOW_PX = 65.0
"""Distance between the pupils in a working picture (windows.py), about."""
SCAN_ROUNDS = 6
"""Times the head is matched to a scan again."""


def fit_head(
    observations: Sequence[Observation],
    *,
    config: FitConfig,
    model: HeadModel | None = None,
    cameras: Sequence[Cameras] | None = None,
    scan: Scan | None = None,
    emit: Emit = ignore,
) -> HeadFit:
    """Fit one head to all photos.

    Args:
        observations: Photos with landmarks and regions.
        config: Options.
        model: Head model; the default one if None.
        cameras: Known cameras, one per photo, in a frame that is a similarity of the head frame; None hides them.
        scan: Of this head, in whatever frame: the shape follows it, cameras and expressions follow the photos.
        emit: Hears progress.

    Raises:
        TooFewPhotos: No photo.
        FitFailed: The photos do not form a head, or the scan does not lie on it.
    """
    if not observations:
        raise TooFewPhotos("no usable photo is left.", hint="give at least one photo with a clear view of the face.")
    model = load_head_model() if model is None else model
    ridge = expression_ridge(model)
    state, known_focal = start_state(model, observations, focal_ratio=config.focal_ratio, cameras=cameras)
    steps = 3 + config.silhouette_rounds + config.flow_rounds + SCAN_ROUNDS * (scan is not None)
    done = 0

    def advance(what: str) -> None:
        nonlocal done
        done += 1
        emit(Progress("fit", done, steps, what))

    start_focal = state.log_focal.clone()
    fewest = min(state.lens.count(lens) for lens in set(state.lens))
    focal_sd = config.focal_sd if fewest >= 3 else config.lone_focal_sd
    priors = Priors(identity=config.identity_ridge, expression=config.expression_ridge)

    def solve(
        at: FitState,
        targets: list[PointTargets],
        *,
        rounds: int,
        focal: bool,
        expression: bool,
        surface: SurfaceTarget | None = None,
    ) -> FitState:
        free_focal = focal and len(observations) > 1 and not bool(known_focal.all())
        return minimise(
            model,
            at,
            targets=targets,
            priors=replace(priors, focal_sd=focal_sd if free_focal else 0.0),
            expression_ridge=ridge,
            start_log_focal=start_focal,
            known_focal=known_focal,
            rounds=rounds,
            surface=surface,
            freeze_expression=not expression,
        )

    def landmarks(at: FitState, weights: Sequence[float]) -> list[PointTargets]:
        return [
            target
            for i, (observation, weight) in enumerate(zip(observations, weights, strict=True))
            if (target := landmark_targets(model, at, observation, photo=i, sigma=config.landmark_sigma, weight=weight))
        ]

    full = [1.0] * len(observations)
    state = solve(state, landmarks(state, full), rounds=8, focal=False, expression=False)
    advance("landmarks")
    state = solve(state, landmarks(state, full), rounds=8, focal=False, expression=True)
    advance("expression")

    windows = [cut_window(observation) for observation in observations]
    outlines: list[PointTargets] = []
    flow: list[PointTargets] = []
    trust = [0.0] * len(observations)
    for k in range(config.silhouette_rounds):
        outlines = _outlines(model, state, windows, config=config, reach=0.25 if k < 2 else 0.12)
        state = solve(state, landmarks(state, full) + outlines, rounds=3, focal=k >= 2, expression=True)
        advance("outline")
    if len(observations) > 1:
        for k in range(config.flow_rounds):
            outlines = _outlines(model, state, windows, config=config, reach=0.15)
            sigma = [config.flow_sigma * pupils_px(state, i) for i in range(state.photos)]
            reach = (0.2 if k < 2 else 0.1) * INTERPUPILLARY_WINDOW_PX
            flow, trust = flow_targets(model, state, windows, sigma_px=sigma, reach_px=reach, seed=config.seed + k)
            state = solve(
                state,
                landmarks(state, [1 - 0.7 * t for t in trust]) + outlines + flow,
                rounds=3,
                focal=True,
                expression=True,
            )
            advance("cross-view flow")
    offsets = torch.zeros_like(model.mean)
    if scan is not None:
        placed = place_scan(scan, model, state.vertices(model, None))
        seen = landmarks(state, [1 - 0.7 * t for t in trust]) + outlines + flow
        for k in range(SCAN_ROUNDS):
            surface = match_scan(placed, model, state.vertices(model, None), reach_m=0.02 if k < 2 else 0.01)
            state = solve(state, seen, rounds=3, focal=True, expression=True, surface=surface)
            advance("scan")
        offsets = beyond_model(placed, model, state.vertices(model, None))
    eyes = turn_eyes(model, state, observations)
    albedo, sh = fit_texture(model, state, windows)
    advance("texture and light")
    joints = torch.cat([torch.zeros(state.photos, 1, 3), eyes], dim=1)
    return HeadFit(
        model=model,
        identity=state.identity.float(),
        offsets=offsets,
        expression=state.expression.float(),
        joints=joints,
        sh=sh,
        cameras=tuple(state.camera(i) for i in range(state.photos)),
        albedo=albedo,
        residual_px=_landmark_residuals(model, state, observations),
    )


def pupils_px(state: FitState, photo: int) -> float:
    """Size of the mean interpupillary distance at the head's depth in a photo, px."""
    return INTERPUPILLARY_M * state.px_per_m(photo)


def _outlines(
    model: HeadModel, state: FitState, windows: Sequence[Window], *, config: FitConfig, reach: float
) -> list[PointTargets]:
    found = []
    for i, window in enumerate(windows):
        pupils = pupils_px(state, i)
        # from the front the landmarks already hold the outline: what lies further off is hair or a collar, not the jaw
        near = min(1.0, 0.35 + abs(state.yaw_pitch_deg(i)[0]) / 60.0)
        target = silhouette_targets(
            model,
            state,
            window,
            photo=i,
            sigma_px=config.silhouette_sigma * pupils,
            reach_px=reach * near * pupils * window.scale,
        )
        if target is not None:
            found.append(target)
    return found


def _landmark_residuals(model: HeadModel, state: FitState, observations: Sequence[Observation]) -> torch.Tensor:
    rows = []
    for i, observation in enumerate(observations):
        chosen = torch.from_numpy(observation.landmarks.visible) & model.landmark_ok
        points = surface_points(
            state.vertices(model, i)[None], model.landmark_triangles[chosen], model.landmark_barycentrics[chosen]
        )[0]
        seen = torch.from_numpy(np.asarray(observation.landmarks.points_px)[chosen.numpy()]).double()
        rows.append((project_points(state, i, points.double()) - seen).pow(2).sum(-1).mean().sqrt())
    return torch.stack(rows).float()
