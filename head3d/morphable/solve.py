"""Levenberg-Marquardt over all unknowns of the fit at once."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.errors import FitFailed
from head3d.morphable.energies import (
    NormalEquations,
    PointTargets,
    Priors,
    SurfaceTarget,
    add_points,
    add_priors,
    add_surface,
    empty_equations,
    point_term,
)
from head3d.morphable.state import FitState, layout_of, moved
from head3d.morphable.types import HeadModel


def minimise(
    model: HeadModel,
    state: FitState,
    *,
    targets: Sequence[PointTargets],
    priors: Priors,
    expression_ridge: Float[Tensor, "E"],
    start_log_focal: Float[Tensor, "G"],
    known_focal: Bool[Tensor, "G"],
    rounds: int,
    surface: SurfaceTarget | None = None,
    freeze_expression: bool = False,
    freeze_identity: bool = False,
) -> FitState:
    """Take up to ``rounds`` damped Gauss-Newton steps; stops early when the cost falls by less than 0.01 %.

    Args:
        model: Head model.
        state: Where to start.
        targets: Point residuals of all photos.
        priors: Weights of the priors.
        expression_ridge: Per expression unit.
        start_log_focal: Centre of the focal prior.
        known_focal: Lenses whose focal length is kept.
        rounds: Steps at most.
        surface: What a scan says of the neutral head.
        freeze_expression: Keep expressions.
        freeze_identity: Keep identity.

    Raises:
        FitFailed: The cost is not finite.
    """

    terms = [point_term(model, target) for target in targets]

    def linearise(at: FitState) -> NormalEquations:
        equations = empty_equations(layout_of(at))
        for term in terms:
            add_points(equations, at, term)
        if surface is not None:
            add_surface(equations, model, at, surface)
        add_priors(
            equations,
            model,
            at,
            priors=priors,
            expression_ridge=expression_ridge,
            start_log_focal=start_log_focal,
            known_focal=known_focal,
        )
        return equations

    free = _free_unknowns(state, freeze_expression=freeze_expression, freeze_identity=freeze_identity)
    current = linearise(state)
    damping = 1e-4
    for _ in range(rounds):
        if not torch.isfinite(torch.tensor(current.cost)):
            raise FitFailed(
                "the head model cannot be fitted: the numbers diverge.", hint="check that the photos show one person."
            )
        matrix = current.matrix[free][:, free]
        vector = current.vector[free]
        for _attempt in range(6):
            # Marquardt's scaling: damping relative to each unknown's own curvature, so units do not matter
            damped = matrix + torch.diag(damping * matrix.diagonal() + 1e-9)
            step = torch.zeros_like(current.vector)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if int(failed) == 0:
                step[free] = torch.cholesky_solve(vector[:, None], factor)[:, 0]
                candidate = moved(state, step)
                trial = linearise(candidate)
                if trial.cost < current.cost:
                    break
            damping *= 8.0
        else:
            return state
        gain = (current.cost - trial.cost) / max(current.cost, 1e-12)
        state, current = candidate, trial
        damping = max(damping / 4.0, 1e-7)
        if gain < 1e-4:
            break
    return state


def _free_unknowns(state: FitState, *, freeze_expression: bool, freeze_identity: bool) -> Tensor:
    layout = layout_of(state)
    keep = torch.ones(layout.size, dtype=torch.bool)
    if freeze_identity:
        keep[: layout.identity] = False
    if freeze_expression:
        for photo in range(layout.photos):
            keep[layout.start(photo) : layout.start(photo) + layout.expression] = False
    return keep.nonzero()[:, 0]
