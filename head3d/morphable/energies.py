"""The energies of the fit: points of the head's surface that should appear at places in a photo, and priors.

Landmarks, silhouette and cross-view flow are all the same kind of residual: a surface point (triangle, barycentrics)
projected into a photo, minus where it was seen, over its standard deviation; of contour points only the part along the
contour's normal. So one Gauss-Newton serves them all.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.geometry.rotations import skew_matrix
from head3d.morphable.state import FitState, Layout, layout_of
from head3d.morphable.types import HeadModel
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class PointTargets:
    """Surface points of the head and where one photo shows them.

    Attributes:
        photo: Index of the photo.
        triangles: Vertex indices.
        barycentrics: Places in the triangles.
        target_px: Where the points should appear.
        sigma_px: Standard deviations.
        normal_px: Unit direction along which alone the distance counts (contours), or None for both coordinates.
        huber: Threshold of the Huber loss in standard deviations.
    """

    photo: int
    triangles: Int[Tensor, "K 3"]
    barycentrics: Float[Tensor, "K 3"]
    target_px: Float[Tensor, "K 2"]
    sigma_px: Float[Tensor, "K"]
    normal_px: Float[Tensor, "K 2"] | None = None
    huber: float = 2.5


@shaped
@dataclass(frozen=True)
class SurfaceTarget:
    """Vertices of the neutral head, and planes that a scan says they lie in (head frame, m).

    Attributes:
        vertices: Indices.
        points: A point of each plane.
        normals: Unit.
        sigma_m: Standard deviations.
    """

    vertices: Int[Tensor, "K"]
    points: Float[Tensor, "K 3"]
    normals: Float[Tensor, "K 3"]
    sigma_m: Float[Tensor, "K"]


@dataclass(frozen=True)
class Priors:
    """Weights of the priors, per unit of a coefficient squared (fit_findings: the values that worked on scans).

    Attributes:
        identity: Times the model's own ridge per coefficient.
        expression: Ridge per expression unit.
        negative: Extra ridge on coefficients below 0 and above 1.
        symmetry: On left-right differences of expression: a neutral face must not get a one-sided sneer.
        focal_sd: Standard deviation of log focal length about its start; 0 keeps it.
    """

    identity: float = 3.0
    expression: float = 4.0
    negative: float = 20.0
    symmetry: float = 12.0
    focal_sd: float = 0.0


@dataclass
class NormalEquations:
    """Sums J^T J and -J^T r over all residuals."""

    matrix: Float[Tensor, "U U"]
    vector: Float[Tensor, "U"]
    cost: float = 0.0

    def add(self, index: Tensor, jacobian: Float[Tensor, "R C"], residual: Float[Tensor, "R"]) -> None:
        """Add residual rows whose Jacobian touches the unknowns ``index`` only."""
        self.matrix[index[:, None], index[None, :]] += jacobian.T @ jacobian
        self.vector[index] -= jacobian.T @ residual


def surface_points(
    basis: Float[Tensor, "C V 3"], triangles: Int[Tensor, "K 3"], barycentrics: Float[Tensor, "K 3"]
) -> Float[Tensor, "C K 3"]:
    """A basis (or one set of vertices, C = 1) interpolated at surface points."""
    weights = barycentrics.to(basis)
    return sum(basis[:, triangles[:, corner]] * weights[:, corner, None] for corner in range(3))  # pyright: ignore


def project_points(state: FitState, photo: int, points: Float[Tensor, "K 3"]) -> Float[Tensor, "K 2"]:
    """Pixels of head-frame points (float64) in a photo."""
    local = points @ state.rotation[photo].T + state.translation[photo]
    return state.focal(photo) * local[:, :2] / local[:, 2:] + state.principal_px[photo]


@dataclass(frozen=True)
class PointTerm:
    """Point targets with the model's bases at their points (float64): fixed while a problem is solved.

    Attributes:
        targets: Where the points should appear.
        mean: (K, 3) points of the mean head, metres.
        identity: (K, 3, I) metres per coefficient.
        expression: (K, 3, E) metres per coefficient.
    """

    targets: PointTargets
    mean: Float[Tensor, "K 3"]
    identity: Float[Tensor, "K 3 I"]
    expression: Float[Tensor, "K 3 E"]


def point_term(model: HeadModel, targets: PointTargets) -> PointTerm:
    """Interpolate the model's bases at the targets' points."""
    t, b = targets.triangles, targets.barycentrics
    return PointTerm(
        targets,
        surface_points(model.mean[None], t, b)[0].double(),
        surface_points(model.identity_basis, t, b).permute(1, 2, 0).double().contiguous(),
        surface_points(model.expression_basis, t, b).permute(1, 2, 0).double().contiguous(),
    )


def add_points(equations: NormalEquations, state: FitState, term: PointTerm) -> None:
    """Add one photo's point residuals, robustly weighted (IRLS with Huber's weight)."""
    layout = layout_of(state)
    targets = term.targets
    i = targets.photo
    points = term.mean + term.identity @ state.identity + term.expression @ state.expression[i]

    rotation, translation = state.rotation[i], state.translation[i]
    turned = points @ rotation.T
    local = turned + translation
    z = local[:, 2].clamp(min=1e-3)
    focal = state.focal(i)
    predicted = focal * local[:, :2] / z[:, None] + state.principal_px[i]
    d_local = torch.zeros(len(z), 2, 3, dtype=torch.float64)
    d_local[:, 0, 0] = d_local[:, 1, 1] = focal / z
    d_local[:, 0, 2] = -focal * local[:, 0] / z**2
    d_local[:, 1, 2] = -focal * local[:, 1] / z**2

    d_point = d_local @ rotation
    columns = [
        d_point @ term.identity,
        (predicted - state.principal_px[i])[:, :, None],
        d_point @ term.expression,
    ]
    index = [torch.arange(layout.identity), torch.tensor([layout.identity + state.lens[i]])]
    if state.given:
        columns.insert(2, _similarity_columns(state, i, d_local, turned, local))
        index.append(torch.arange(layout.identity + layout.lenses, layout.identity + layout.common))
    else:
        columns.append(d_local @ -skew_matrix(turned))
        columns.append(d_local)
    index.append(torch.arange(layout.start(i), layout.start(i) + layout.per_photo))
    jacobian = torch.cat(columns, dim=2)
    residual = predicted - targets.target_px.double()

    if targets.normal_px is not None:
        normal = targets.normal_px.double()
        jacobian = torch.einsum("ka,kac->kc", normal, jacobian)[:, None]
        residual = (normal * residual).sum(-1, keepdim=True)
    scaled = residual / targets.sigma_px.double()[:, None]
    size = scaled.norm(dim=-1)
    weight = torch.where(size > targets.huber, targets.huber / size.clamp(min=1e-12), torch.ones_like(size))
    equations.cost += float((weight * size**2).sum())
    root = weight.sqrt()[:, None]
    rows = (jacobian * (root / targets.sigma_px.double()[:, None])[:, :, None]).reshape(-1, jacobian.shape[-1])
    equations.add(torch.cat(index), rows, (scaled * root).reshape(-1))


def _similarity_columns(
    state: FitState,
    photo: int,
    d_local: Float[Tensor, "K 2 3"],
    turned: Float[Tensor, "K 3"],
    local: Float[Tensor, "K 3"],
) -> Float[Tensor, "K 2 7"]:
    """Derivatives by the rig's common rotation (left, in its world), translation and log scale.

    local = rig_R G x + (rig_R g + rig_t) / s, so d/dg = rig_R / s and d/dlog s = -(rig_R g + rig_t) / s.
    """
    assert state.rig_rotation is not None and state.log_scale is not None
    rig = state.rig_rotation[photo]
    in_world = turned @ rig  # = G x
    rotation = d_local @ (rig @ -skew_matrix(in_world))
    translation = d_local @ (rig / state.log_scale.exp())
    scale = d_local @ -(local - turned)[:, :, None]
    return torch.cat([rotation, translation, scale], dim=2)


def add_surface(equations: NormalEquations, model: HeadModel, state: FitState, target: SurfaceTarget) -> None:
    """Add the distances of vertices to their planes: linear in the identity, and in nothing else."""
    basis = model.identity_basis[:, target.vertices].double()
    places = model.mean[target.vertices].double() + torch.einsum("i,ikc->kc", state.identity, basis)
    weighted = target.normals / target.sigma_m[:, None]
    residual = ((places - target.points) * weighted).sum(-1)
    equations.cost += float(residual.pow(2).sum())
    equations.add(torch.arange(len(state.identity)), torch.einsum("ikc,kc->ki", basis, weighted), residual)


def add_priors(
    equations: NormalEquations,
    model: HeadModel,
    state: FitState,
    *,
    priors: Priors,
    expression_ridge: Float[Tensor, "E"],
    start_log_focal: Float[Tensor, "G"],
    known_focal: Bool[Tensor, "G"],
) -> None:
    """Add ridges on identity, expression (non-negative, symmetric) and focal length."""
    layout = layout_of(state)
    _add_diagonal(equations, 0, priors.identity * model.identity_ridge.double(), state.identity)
    held = 1e12  # far above any data weight, far below float64's limits
    focal_weight = torch.full_like(state.log_focal, held if priors.focal_sd == 0 else priors.focal_sd**-2)
    focal_weight[known_focal] = held
    _add_diagonal(equations, layout.identity, focal_weight, state.log_focal - start_log_focal)
    pairs = _left_right_pairs(model.expression_names)
    for photo in range(state.photos):
        e = state.expression[photo]
        start = layout.start(photo)
        _add_diagonal(equations, start, priors.expression * expression_ridge.double(), e)
        outside = torch.where(e < 0, e, torch.where(e > 1, e - 1, torch.zeros_like(e)))
        _add_diagonal(equations, start, priors.negative * (outside != 0).double(), outside)
        for a, b in pairs:
            row = torch.tensor([[1.0, -1.0]], dtype=torch.float64) * priors.symmetry**0.5
            difference = (e[a] - e[b])[None] * priors.symmetry**0.5
            equations.cost += float(difference.pow(2).sum())
            equations.add(torch.tensor([start + a, start + b]), row, difference)


def _add_diagonal(equations: NormalEquations, start: int, weight: Tensor, value: Tensor) -> None:
    index = torch.arange(start, start + len(value))
    equations.matrix[index, index] += weight
    equations.vector[index] -= weight * value
    equations.cost += float((weight * value**2).sum())


def _left_right_pairs(names: tuple[str, ...]) -> list[tuple[int, int]]:
    place = {name: k for k, name in enumerate(names)}
    pairs = []
    for name, k in place.items():
        for left, right in (("Left", "Right"), ("_L", "_R")):
            if left in name and (twin := place.get(name.replace(left, right))) is not None:
                pairs.append((k, twin))
                break
    return pairs


def empty_equations(layout: Layout) -> NormalEquations:
    """Normal equations without any residual."""
    return NormalEquations(
        torch.zeros(layout.size, layout.size, dtype=torch.float64), torch.zeros(layout.size, dtype=torch.float64)
    )
