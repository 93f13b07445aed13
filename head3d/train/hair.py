"""How far hair and clothes stand off the fitted head, measured on the outlines of the photos.

A pixel that shows hair outside the bald head's outline says: here hair reaches at least as far as this ray passes from
the mesh. The largest such distance about each vertex is its thickness; skin that is seen has none; what no outline
tells (the back, in frontal photos) is spread over the mesh from around. The visual hull of the hair would do the same,
but swallows the face and has no back.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse, spatial
from scipy.sparse import linalg
from torch import Tensor

from head3d.geometry.cameras import pixel_rays
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.morphable.region_votes import region_votes
from head3d.perception.types import Region
from head3d.train.rays import TrainPhoto

MOST_HAIR_M = 0.09
MOST_CLOTH_M = 0.035
LEAST_HAIR_M = 0.003
"""Hair that lies within the outline still has some thickness."""
RAYS_PER_PHOTO = 2500
NEIGHBOURHOOD_M = 0.014
MEASURED = 8.0
"""Weight of a measured thickness against the smoothness over the mesh: an outline is not to be ironed flat."""
MIRRORED = 1.0
"""Weight of one that was measured on the other side of the head."""
BARE = (Region.SKIN, Region.BROWS, Region.EYES, Region.LIPS, Region.MOUTH, Region.EARS, Region.NECK)


def stand_off(
    mesh: Mesh,
    photos: Sequence[TrainPhoto],
    *,
    scalp: Tensor,
    shoulders: Tensor,
    hairless: Tensor,
    unclothed: Tensor,
) -> Float[Tensor, "V"]:
    """Thickness (m) of hair and clothes at each vertex.

    Args:
        mesh: Neutral head.
        photos: Cropped, with labels and cameras.
        scalp: Vertex indices where hair grows.
        shoulders: Vertex indices that clothes may cover.
        hairless: Vertex indices beside which hair hangs (see curtain.py) and on which it does not grow.
        unclothed: Vertex indices near which collars are, and that clothes do not cover.
    """
    vertices, normals = mesh.vertices, vertex_normals(mesh.vertices, mesh.faces)
    count = len(vertices)
    known, value = np.zeros(count), np.zeros(count)
    tree = spatial.KDTree(vertices.numpy())
    bare_votes, hair_votes, covered = votes(photos, mesh, (BARE, (Region.HAIR,), (Region.CLOTH,)))
    touched, reach = [], []
    for photo in photos:
        for region, most, never in ((Region.HAIR, MOST_HAIR_M, hairless), (Region.CLOTH, MOST_CLOTH_M, unclothed)):
            at, distance = _outline_distances(photo, region, tree, vertices.numpy(), normals.numpy())
            keep = (distance > 1e-3) & (distance < most) & ~np.isin(at, never.numpy())
            touched.append(at[keep])
            reach.append(distance[keep])
    at, distance = np.concatenate(touched), np.concatenate(reach)
    hairy = bool(hair_votes.sum() > 0.02 * (bare_votes.sum() + 1))
    bare = bare_votes > hair_votes + covered
    value[bare], known[bare] = 0.0, 1.0
    inside = (hair_votes > 0) & ~bare
    value[inside], known[inside] = LEAST_HAIR_M, 0.01  # a lower bound, not a measurement
    if len(at):
        points = vertices.numpy()[at]
        near = spatial.KDTree(points).query_ball_point(vertices.numpy(), NEIGHBOURHOOD_M)
        for vertex, members in enumerate(near):
            if len(members) >= 3 and not (bare_votes[vertex] > 2 * hair_votes[vertex] + covered[vertex]):
                value[vertex] = np.quantile(distance[members], 0.95)
                known[vertex] = MEASURED
    spread = np.zeros(count, dtype=bool)
    if hairy:
        spread[scalp.numpy()] = True
    spread[shoulders.numpy()] = True
    _mirror_unmeasured(vertices.numpy(), value, known)
    idle = (known == 0) & ~spread  # neither hair nor clothes are expected: stays on the mesh
    known[idle], value[idle] = 0.5, 0.0
    return torch.from_numpy(_spread(mesh, value, known)).float()


def _mirror_unmeasured(vertices: np.ndarray, value: np.ndarray, known: np.ndarray) -> None:
    """Where no outline told the thickness, take what it told on the other side of the head; in place."""
    found = spatial.KDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))
    distance, other = np.asarray(found[0]), np.asarray(found[1])
    take = (known == 0) & (known[other] == MEASURED) & (distance < NEIGHBOURHOOD_M)
    value[take], known[take] = value[other[take]], MIRRORED


def votes(photos: Sequence[TrainPhoto], mesh: Mesh, kinds: Sequence[Sequence[Region]]) -> list[Float[np.ndarray, "V"]]:
    """How many photos show each vertex as one of the regions of each kind."""
    return region_votes(((photo.labels, photo.camera) for photo in photos), mesh, kinds)


def _outline_distances(
    photo: TrainPhoto, region: Region, tree: spatial.KDTree, vertices: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For rays through pixels of a region: the vertex they pass nearest to, and how far off (m); < 0 if they hit."""
    weight = photo.color_weight if region == Region.CLOTH else photo.matte
    rows, columns = np.nonzero((photo.labels == region) & (photo.matte > 127) & (weight > 0))
    if not len(rows):
        return np.zeros(0, dtype=int), np.zeros(0)
    step = max(len(rows) // RAYS_PER_PHOTO, 1)
    pixels = torch.from_numpy(np.stack([columns[::step], rows[::step]], axis=-1)).float() + 0.5
    origins, directions = pixel_rays(pixels, photo.camera.c2w[0], photo.camera.K[0])
    middle = -(origins * directions).sum(-1)
    t = middle[:, None] + torch.linspace(-0.2, 0.2, 60)
    points = (origins[:, None] + directions[:, None] * t[..., None]).numpy()
    distance, index = tree.query(points.reshape(-1, 3))
    outward = ((points.reshape(-1, 3) - vertices[index]) * normals[index]).sum(-1)
    signed = np.where(outward > 0, distance, -1.0).reshape(len(pixels), -1)
    nearest = signed.argmin(1)
    chosen = np.arange(len(pixels))
    return index.reshape(len(pixels), -1)[chosen, nearest], signed[chosen, nearest]


def _spread(mesh: Mesh, value: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Smoothest values on the mesh that agree with the known ones (screened Laplace equation)."""
    faces, count = mesh.faces.numpy(), len(value)
    a = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    b = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count)).tocsr()
    links = ((links + links.T) > 0).astype(float)
    laplace = sparse.diags(np.asarray(links.sum(1)).ravel()) - links
    system = laplace + sparse.diags(known + 1e-6)
    return np.asarray(linalg.spsolve(system.tocsc(), known * value)).clip(0.0, MOST_HAIR_M)
