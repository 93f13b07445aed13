"""Regions of the default head: what can be seen of the skin, its named groups, and a mouth bag that stays inside.

Used when the default model is made (``head3d.morphable.prior``).
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from head3d.morphable.artist_head import ArtistHead
from head3d.morphable.correspondence import SurfacePoints, mesh_edges
from head3d.morphable.look_alike import EyedHead, visible_faces
from head3d.morphable.types import HeadModel

INNER_FACES = 8
"""Hidden patches of fewer triangles (folds of the ear) are no mouth bag and no socket."""

UNDER_NOSE_M = 0.008
"""Inner skin above this height is socket, below it is mouth bag."""

BAG_CENTRE_M = (0.0, -0.037, 0.055)
BAG_SHRINK = 0.45
"""The mouth bag is drawn to its centre: the package's lies so close under the cheeks that thin faces let it out."""


def eyed(artist: ArtistHead, vertices: Float[NDArray, "V 3"], eye_centres: Float[NDArray, "2 3"]) -> EyedHead:
    """The package's head with its eyes named."""
    return EyedHead(vertices, artist.faces, np.where(artist.part <= 2, artist.part, 0), eye_centres)


def outer_skin(artist: ArtistHead, head: EyedHead) -> Bool[NDArray, "V"]:
    """Vertices of the skin without mouth bag and sockets: hidden patches of some size are cut away."""
    skin = artist.faces[artist.part == 0]
    seen = visible_faces(head)[artist.part == 0]
    place = {tuple(sorted(corners)): index for index, corners in enumerate(skin.tolist())}
    twin = np.array([place.get(tuple(sorted(corners)), i) for i, corners in enumerate(artist.mirror[skin].tolist())])
    hidden = np.flatnonzero(~(seen | seen[twin]))
    patch = _patches(skin, hidden)
    sizes = np.bincount(patch[hidden], minlength=patch.max() + 1)
    inner = np.zeros(len(skin), dtype=bool)
    inner[hidden[sizes[patch[hidden]] >= INNER_FACES]] = True
    patch = _patches(skin, np.flatnonzero(~inner))
    inner |= patch != np.bincount(patch[~inner]).argmax()  # what is seen between the lips is no outer skin either
    outer = np.zeros(len(head.vertices), dtype=bool)
    outer[skin[~inner]] = True
    return outer


def _patches(faces: Int[NDArray, "F 3"], chosen: Int[NDArray, "C"]) -> Int[NDArray, "F"]:
    """Number of the connected patch of each chosen face; every other face is a patch of its own."""
    edges: dict[tuple[int, int], list[int]] = {}
    for face in chosen.tolist():
        a, b, c = faces[face].tolist()
        for edge in ((a, b), (b, c), (c, a)):
            edges.setdefault((min(edge), max(edge)), []).append(face)
    joined = np.array([sharing[:2] for sharing in edges.values() if len(sharing) > 1]).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), (len(faces), len(faces)))
    return connected_components(graph, directed=False)[1]


def draw_in_mouth_bag(
    artist: ArtistHead, vertices: Float[NDArray, "V 3"], outer: Bool[NDArray, "V"]
) -> Float[NDArray, "V 3"]:
    """Shrink the mouth bag, more with the distance (along the mesh) from the lips."""
    skin = np.arange(len(vertices)) < artist.skin_count
    bag = np.flatnonzero(skin & ~outer & (vertices[:, 1] < UNDER_NOSE_M))
    edges = mesh_edges(artist.faces)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    graph = coo_matrix((lengths, (edges[:, 0], edges[:, 1])), (len(vertices), len(vertices)))
    lips = np.flatnonzero(outer & (np.abs(vertices[:, 1] + 0.043) < 0.02) & (vertices[:, 2] > 0.08))
    away = dijkstra(graph, directed=False, indices=lips, min_only=True)[bag]
    amount = BAG_SHRINK * np.clip((away - 0.004) / 0.02, 0, 1)[:, None]
    drawn = vertices.copy()
    drawn[bag] += amount * (np.array(BAG_CENTRE_M) - drawn[bag])
    return drawn


def name_groups(
    artist: ArtistHead,
    vertices: Float[NDArray, "V 3"],
    outer: Bool[NDArray, "V"],
    *,
    on_source: SurfacePoints,
    source: HeadModel,
) -> dict[str, Bool[NDArray, "V"]]:
    """Vertex groups: those of the source model where its skin lies under ours, neck and shoulders by height.

    Args:
        artist: Mesh.
        vertices: Registered to the source, metres.
        outer: See ``outer_skin``.
        on_source: Place of each skin vertex on the source.
        source: Statistical model with its groups.
    """
    skin = np.zeros(len(vertices), dtype=bool)
    skin[: artist.skin_count] = True

    def carried(name: str, least: float = 0.5) -> Bool[NDArray, "V"]:
        mask = np.zeros((len(source.mean), 1))
        mask[source.groups[name].numpy()] = 1.0
        inside = np.zeros(len(vertices), dtype=bool)
        near = on_source.distance_m < 0.008
        inside[: artist.skin_count] = near & (on_source.carry(mask)[:, 0] > least)
        return (inside | inside[artist.mirror]) & outer

    groups = {name: carried(name) for name in ("lips", "eyelids", "ears", "scalp", "nose", "face")}
    groups["brows"] = carried("brows", 0.25)  # they are thinner than our triangles
    groups["face"] &= ~groups["ears"]
    rest = outer & ~(groups["face"] | groups["ears"] | groups["scalp"])
    x, y, _ = vertices.T
    groups["shoulders"] = rest & ((y < -0.15) | ((np.abs(x) > 0.085) & (y < -0.11)))
    groups["neck"] = rest & ~groups["shoulders"] & (y < -0.02)
    groups["scalp"] |= rest & ~groups["shoulders"] & ~groups["neck"]
    groups["skin"] = outer
    groups["sockets"] = skin & ~outer & (y > UNDER_NOSE_M)
    groups["mouth_inner"] = skin & ~outer & ~groups["sockets"]
    parts: list[tuple[int, str]] = [(1, "eye_right"), (2, "eye_left"), (3, "teeth"), (4, "teeth"), (5, "mouth_inner")]
    for part, name in parts:
        groups.setdefault(name, np.zeros(len(vertices), dtype=bool))[vertices_of(artist, part)] = True
    return groups


def vertices_of(artist: ArtistHead, part: int) -> Int[NDArray, "P"]:
    """Vertices of a part (index into ``anny_source.PARTS``)."""
    return np.unique(artist.faces[artist.part == part])
