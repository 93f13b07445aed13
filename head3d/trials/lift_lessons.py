"""Lessons for the lift: what a few photos tell of a person whose whole shape is known.

Drawn people are known exactly; their labels are bent and their cameras turned a little, as nets and fits err. Artists'
people are photographed, perceived and fitted by the pipeline itself, once each.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy import ndimage, spatial
from torch import Tensor

from head3d import store
from head3d.capture.types import Photo
from head3d.errors import InputError
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.mesh import Mesh, face_normals
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.imaging.color import levels_from_linear
from head3d.kernels.signed_distance import signed_distance_grid
from head3d.morphable.config import FitConfig
from head3d.morphable.fit import fit_head
from head3d.morphable.head_model import load_head_model
from head3d.morphable.region_votes import LabelledView, point_votes
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadModel
from head3d.networks.files import version
from head3d.perception.observe import observe
from head3d.perception.parsing_net import NAME as PARSING
from head3d.perception.types import Region
from head3d.prior.artist_people import load_artist_person
from head3d.prior.backgrounds import Scenery, draw_background, load_scenery
from head3d.prior.light import draw_light
from head3d.prior.picture import Sitter, pictures
from head3d.prior.synthetic import make_person, truth_studio
from head3d.train.grown import grow
from head3d.train.hair import BARE
from head3d.train.lift import CELL_M, GRID, KINDS, ORIGIN_M, UNIT_M, evidence, lift_nodes
from head3d.train.rays import TrainPhoto, row_of_height

PHOTOS = (1, 1, 1, 2, 3, 3, 4, 5)
"""How many a lesson may have."""
SIDE_PX, ARTIST_PX = 256, 448
"""Side of pictures of drawn and of artists' people."""
FRAME_M = (0.40, 0.54)
"""What pictures show of the plane through the head."""
YAWS_DEG = (-80, -65, -50, -35, -20, -8, 0, 8, 20, 35, 50, 65, 80)
"""From where artists' people are photographed."""
FITTED_DEG = (-50, -20, 0, 20, 50)
"""Of these, those that the fit is made from."""
NEAR_UNITS = 0.3
"""Nodes so near to the surface are given a kind."""
OPENING_M = 0.008
CHIN_M = -0.085
"""Height of a chin, about."""
NEAR_M, LIKE = 0.05, 0.25
"""Places and (logarithms of) colours so far apart are as unlike."""
TURN_RAD, IDENTITY_SD, BEND_PX = 0.012, 0.2, 1.6
"""How much cameras, fitted heads and borders of labels err."""
STILL_SHARE = 0.5
"""Lessons of several photos in whose others the body counts as well: elsewhere it moved."""


@dataclass(frozen=True)
class Lesson:
    """What the network sees, and what is true.

    Attributes:
        seen: See ``train.lift.evidence``; half floats.
        distance: True signed distance, in units, at most one.
        kinds: Of the nearest surface, 0 skin, 1 hair, 2 clothes.
        photos: How many there were.
    """

    seen: Float[Tensor, "C D H W"]
    distance: Float[Tensor, "D H W"]
    kinds: UInt8[Tensor, "D H W"]
    photos: int


@dataclass(frozen=True)
class Known:
    """A person's fitted head, photos and truth.

    Attributes:
        vertices: Of the head model, neutral, head frame, metres.
        photos: Labelled.
        yaw_deg: Of each photo's camera.
        distance: See ``Lesson``.
        kinds: See ``Lesson``.
    """

    vertices: Float[Tensor, "V 3"]
    photos: tuple[TrainPhoto, ...]
    yaw_deg: Float[Tensor, "N"]
    distance: Float[Tensor, "D H W"]
    kinds: UInt8[Tensor, "D H W"]


def drawn_lesson(seed: int, *, data: Path) -> Lesson:
    """A drawn person; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    person = make_person(truth_studio(data), seed)
    count = PHOTOS[int(torch.randint(len(PHOTOS), (), generator=generator))]
    cameras = [_camera(yaw, generator, side=SIDE_PX) for yaw in _yaws(count, generator)]
    both = Cameras(torch.cat([c.c2w for c in cameras]), torch.cat([c.K for c in cameras]), cameras[0].size)
    seen = pictures(person, both, [draw_light(generator)])
    photos = [
        _photo(_bent(labels, generator), alpha.numpy() > 0.5, camera)
        for labels, alpha, camera in zip(seen.labels.numpy(), seen.alpha, cameras, strict=True)
    ]
    distance, kinds = truth_of(person, drawn_kinds(person))
    known = Known(
        person.model.vertices(person.identity),
        tuple(photos),
        torch.tensor([float(camera.yaw_pitch[0, 0]) for camera in cameras]).rad2deg(),
        distance,
        kinds,
    )
    return lesson(known, person.model, range(count), generator)


def artist_lesson(path: Path, seed: int, *, data: Path, folder: Path) -> Lesson:
    """An artist's person in one to five photos; ``folder`` keeps what was perceived."""
    generator = torch.Generator().manual_seed(seed)
    known = _kept(path, data, folder)
    count = PHOTOS[int(torch.randint(len(PHOTOS), (), generator=generator))]
    wished = torch.tensor(_yaws(count, generator))
    chosen = {int((known.yaw_deg - yaw).abs().argmin()) for yaw in wished}
    return lesson(known, load_head_model(), sorted(chosen), generator)


def lesson(known: Known, model: HeadModel, chosen: Sequence[int], generator: torch.Generator) -> Lesson:
    """What some of a person's photos tell; cameras and head err a little."""
    away = IDENTITY_SD * torch.randn(model.identity_basis.shape[0], generator=generator)
    vertices = known.vertices + torch.einsum("i,ivc->vc", away, model.identity_basis)
    mesh = outer_shell(model, vertices)
    still = bool(torch.rand((), generator=generator) < STILL_SHARE)
    body = min(chosen, key=lambda number: abs(float(known.yaw_deg[number])))
    photos = [
        _without_body(turned, still or number == body)
        for number, turned in ((n, _turned(known.photos[n], generator)) for n in chosen)
    ]
    grown = grow(mesh, model, photos)
    seen = evidence(mesh, grown, photos)
    return Lesson(seen.half(), known.distance, known.kinds, len(photos))


def truth_of(
    person: Sitter, kinds: Int[Tensor, "F"], *, vertices_m: Float[Tensor, "V 3"] | None = None
) -> tuple[Float[Tensor, "D H W"], UInt8[Tensor, "D H W"]]:
    """Signed distance (units, at most one) to a person's outside on the lift's nodes, and the kind of the nearest.

    Args:
        person: Whom.
        kinds: Of the triangles: 0 skin, 1 hair, 2 clothes.
        vertices_m: Of the scene, if it stands elsewhere in the head frame.
    """
    faces = person.scene.faces
    vertices = person.scene.vertices if vertices_m is None else vertices_m
    depth, height, width = GRID
    found = signed_distance_grid(
        vertices, faces, nodes=(width, height, depth), low=ORIGIN_M, cell=CELL_M, opening=OPENING_M
    )
    distance = np.asarray(found.permute(2, 1, 0))
    # hair and clothes are open sheets: inside, what closes them would count; the outside is what is asked for
    inner = np.asarray(ndimage.distance_transform_edt(distance < 0)) * CELL_M - CELL_M
    distance = torch.from_numpy(np.where(distance < 0, np.minimum(distance, -inner), distance) / UNIT_M)
    at = np.flatnonzero(distance.abs().numpy() < NEAR_UNITS)
    _, nearest = spatial.KDTree(vertices[faces].mean(1).numpy()).query(lift_nodes().numpy()[at])
    of_node = torch.zeros(distance.numel(), dtype=torch.uint8)
    of_node[at] = kinds[torch.from_numpy(nearest)].to(torch.uint8)
    return distance.clamp(-1, 1).half(), of_node.reshape(GRID)


def drawn_kinds(person: Sitter) -> Int[Tensor, "F"]:
    """Kinds of the triangles of a person whose meshes tell them."""
    label = person.scene.label
    return torch.where(label == int(Region.HAIR), 1, torch.where(label == int(Region.CLOTH), 2, 0))


def voted_kinds(person: Sitter, mesh: Mesh, views: Sequence[LabelledView]) -> Int[Tensor, "F"]:
    """Kinds of an artist's triangles: wigs are hair; painted hair and clothes are what photos show as such, and what
    is near and of like colour."""
    scene, faces = person.scene, mesh.faces
    middle, normal = mesh.vertices[faces].mean(1), face_normals(mesh.vertices, faces)
    normal = torch.nn.functional.normalize(normal, dim=-1, eps=1e-20)
    counts = np.stack(point_votes(views, middle, normal, (BARE, (Region.HAIR,), (Region.CLOTH,))), axis=1)
    albedo, _ = person.colors(scene.paint[faces].mean(1), scene.material, scene.label)
    place = torch.cat([middle / NEAR_M, albedo.clamp_min(0.01).log() / LIKE], dim=1).numpy()
    sure = counts.max(1) >= 2
    kinds = counts.argmax(1)
    _, near = spatial.KDTree(place[sure]).query(place[~sure], k=15)
    kinds[~sure] = np.stack([(kinds[sure][near] == kind).sum(1) for kind in range(len(KINDS))], axis=1).argmax(1)
    return torch.where(scene.label == int(Region.HAIR), 1, torch.from_numpy(kinds))


@lru_cache(maxsize=40)
def _kept(path: Path, data: Path, folder: Path) -> Known:
    """An artist's person, perceived and fitted before or now."""
    kept = folder / f"{path.stem}.{version(PARSING)}.safetensors"
    if not kept.is_file():
        store.make_folder(folder)
        store.write_tensors(kept, _perceived(path, data))
    found = store.read_tensors(kept)
    photos = tuple(
        _photo(labels.numpy(), matte.numpy() > 127, Cameras(c2w[None], K[None], (ARTIST_PX, ARTIST_PX)))
        for labels, matte, c2w, K in zip(found["labels"], found["matte"], found["c2w"], found["K"], strict=True)
    )
    yaw = torch.tensor([float(photo.camera.yaw_pitch[0, 0]) for photo in photos])
    return Known(found["vertices"], photos, yaw.rad2deg(), found["distance"], found["kinds"])


def _perceived(path: Path, data: Path) -> dict[str, Tensor]:
    """Photograph, perceive and fit an artist's person."""
    generator = torch.Generator().manual_seed(zlib.crc32(path.stem.encode()))
    draw = np.random.default_rng(zlib.crc32(path.stem.encode()))
    person = load_artist_person(path)
    cameras = [_camera(float(yaw), generator, side=ARTIST_PX) for yaw in YAWS_DEG]
    photos = []
    for number, camera in enumerate(cameras):
        seen = pictures(person, camera, [draw_light(generator)])
        alpha = seen.alpha[0, ..., None].numpy()
        wall = draw_background(_scenery(data), draw, ARTIST_PX)
        front = levels_from_linear(seen.rgb_linear[0].clamp(0, 1))
        rgb = np.clip(front * alpha + wall * (1 - alpha) + 0.5, 0, 255).astype(np.uint8)
        photos.append(Photo(f"{number}", rgb, float(camera.K[0, 0, 0]), f"{number}"))
    observations, _ = observe(photos)
    of = {one.photo.name: one for one in observations}
    fitted = [name for name in of if YAWS_DEG[int(name)] in FITTED_DEG]
    if len(fitted) < 3:
        raise InputError(f"{path.name}: too few photos show a face.", hint="Leave this person out.")
    given = [cameras[int(name)] for name in fitted]
    fit = fit_head([of[name] for name in fitted], config=FitConfig(), cameras=given)
    move = _similarity(given, fit.cameras)
    placed = [_moved(cameras[int(name)], move) for name in of]
    scene, (scale, rotation, shift) = person.scene, move
    mesh = Mesh(scale * scene.vertices @ rotation.T + shift, scene.faces)
    views = [(one.parsing.labels, camera) for one, camera in zip(of.values(), placed, strict=True)]
    distance, kinds = truth_of(person, voted_kinds(person, mesh, views), vertices_m=mesh.vertices)
    return {
        "vertices": fit.vertices().detach().float(),
        "labels": torch.stack([torch.from_numpy(one.parsing.labels.copy()) for one in of.values()]),
        "matte": torch.stack([torch.from_numpy(_bytes(one.parsing.matte)) for one in of.values()]),
        "c2w": torch.cat([camera.c2w for camera in placed]),
        "K": torch.cat([camera.K for camera in placed]),
        "distance": distance,
        "kinds": kinds,
    }


def _bytes(matte: np.ndarray) -> UInt8[np.ndarray, "H W"]:
    return np.round(matte * 255).clip(0, 255).astype(np.uint8)


@cache
def _scenery(data: Path) -> Scenery:
    return load_scenery(data)


def _similarity(truth: Sequence[Cameras], ours: Sequence[Cameras]) -> tuple[float, Tensor, Tensor]:
    """Scale, rotation and translation that take the truth's cameras to ours."""
    turn = sum(mine.c2w[0, :3, :3] @ other.c2w[0, :3, :3].T for mine, other in zip(ours, truth, strict=True))
    assert isinstance(turn, Tensor)
    u, _, v = torch.linalg.svd(turn)
    rotation = u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.det(u @ v))])) @ v
    theirs, own = (torch.stack([one.centre[0] for one in cameras]) for cameras in (truth, ours))
    spread = (theirs - theirs.mean(0)) @ rotation.T
    scale = float(((own - own.mean(0)) * spread).sum() / spread.square().sum())
    return scale, rotation, own.mean(0) - scale * theirs.mean(0) @ rotation.T


def _moved(camera: Cameras, move: tuple[float, Tensor, Tensor]) -> Cameras:
    scale, rotation, shift = move
    c2w = camera.c2w.clone()
    c2w[0, :3, :3] = rotation @ camera.c2w[0, :3, :3]
    c2w[0, :3, 3] = scale * rotation @ camera.c2w[0, :3, 3] + shift
    return Cameras(c2w, camera.K, camera.size)


def _yaws(count: int, generator: torch.Generator) -> list[float]:
    """Degrees: one photo is about frontal, more go round the head."""
    jitter = torch.randn(count, generator=generator)
    if count == 1:
        return [12.0 * float(jitter[0])]
    widest = 35.0 + 45.0 * float(torch.rand((), generator=generator))
    return [widest * (2 * k / (count - 1) - 1) + 6.0 * float(jitter[k]) for k in range(count)]


def _camera(yaw_deg: float, generator: torch.Generator, *, side: int) -> Cameras:
    pitch, far, wide, high = torch.rand(4, generator=generator).tolist()
    away = 0.5 * 3.2**far
    target = torch.tensor([0.0, -0.02 - 0.04 * high, 0.0])
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=24 * pitch - 12, distance_m=away, target_m=target)
    frame = FRAME_M[0] + (FRAME_M[1] - FRAME_M[0]) * wide
    return Cameras(pose[None], intrinsics(side * away / frame, (side, side))[None], (side, side))


def _photo(labels: UInt8[np.ndarray, "H W"], person: np.ndarray, camera: Cameras) -> TrainPhoto:
    """All a lesson needs of a photo: its colours say nothing here."""
    full = np.full(labels.shape, 255, np.uint8)
    matte = np.where(person, 255, 0).astype(np.uint8)
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    return TrainPhoto("", rgb, matte, labels, full, full, full, np.zeros_like(full), camera)


def _turned(photo: TrainPhoto, generator: torch.Generator) -> TrainPhoto:
    """A photo whose camera was fitted a little wrongly."""
    turn = matrix_from_axis_angle(TURN_RAD * torch.randn(3, generator=generator))
    c2w = photo.camera.c2w.clone()
    c2w[0, :3, :3], c2w[0, :3, 3] = turn @ c2w[0, :3, :3], turn @ c2w[0, :3, 3]
    camera = Cameras(c2w, photo.camera.K, photo.camera.size)
    return replace(photo, camera=camera)


def _without_body(photo: TrainPhoto, shows_body: bool) -> TrainPhoto:
    """A photo that says nothing of the body, unless it shows it where the others do."""
    if shows_body:
        return photo
    _, below = row_of_height(photo.camera, CHIN_M - 0.02)
    low = np.zeros(photo.labels.shape, bool)
    low[below:] = True
    out = (photo.labels == Region.CLOTH) | (low & (photo.labels == Region.BACKGROUND))
    kept = np.where(out, 0, 255).astype(np.uint8)
    return replace(photo, color_weight=kept, alpha_weight=kept)


def _bent(labels: UInt8[np.ndarray, "H W"], generator: torch.Generator) -> UInt8[np.ndarray, "H W"]:
    """Labels whose borders are moved a pixel or two, smoothly."""
    height, width = labels.shape
    noise = torch.randn(2, 1, 24, 24, generator=generator) * BEND_PX
    flow = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic")[:, 0].numpy()
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    bent = cv2.remap(labels, x + flow[0], y + flow[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, np.uint8)
