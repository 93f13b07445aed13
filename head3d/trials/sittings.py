"""People of whom everything is known, sitting for pictures: each view with what it should show, ready to be broken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.field.radiance import RadianceField
from head3d.finish.apply import exposure_gain, finish_headshot
from head3d.finish.config import FinishConfig
from head3d.geometry.cameras import Cameras, look_at_head
from head3d.geometry.draw import draw_mesh
from head3d.geometry.sh import irradiance_basis
from head3d.imaging.color import levels_from_linear
from head3d.perception.detector import detect_faces
from head3d.perception.landmarks import find_points
from head3d.perception.nets import FaceNets
from head3d.perception.types import Region
from head3d.prior.artist_people import load_artist_person
from head3d.prior.light import StudioLight, draw_light
from head3d.prior.people import SyntheticPerson
from head3d.prior.photo_faults import photograph
from head3d.prior.picture import Sitter, pictures
from head3d.prior.synthetic import make_person, truth_studio
from head3d.quality.photo_match import SIDE_PX, SeenPhoto, cut, face_camera
from head3d.quality.picture_gate import expected_in
from head3d.quality.picture_signs import FACE_WINDOW, Expected, face_window, head_cover, landmarks_in, own_window
from head3d.render.angles import ANGLES
from head3d.render.config import RenderConfig
from head3d.render.rigs import LightName
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.rendering import reference_of, surface_cache
from head3d.subject import Subject
from head3d.trials.exposed import Exposed

LIGHTS: tuple[LightName, ...] = ("soft-front", "rembrandt", "split")
"""Those that lessons are drawn from, in an order that seeds count on; a rim leaves the face dark by intent."""
BACKDROPS = ("studio-grey", "charcoal", "white")
NEAR_VIEWS = ("front", "left-20", "right-20", "three-quarter-left", "three-quarter-right")
ALL_VIEWS = (*NEAR_VIEWS, "slightly-above", "slightly-below", "profile-left", "profile-right", "back")
ASIDE_DEG = (4.0, 9.0)
"""By how much the camera of :attr:`Exposed.turned` is turned."""
FEW = 5
"""Views that are one set, under one light; more are two."""
LIGHTS_DIFFER = 0.22
"""Spread over the front of a head of the logarithm of one light over another, from which they are told apart."""
SOFT_MM = 1.4
"""Rasterised people are sharper than any field: whole ones are softened by up to this."""


@dataclass(frozen=True)
class Sitting:
    """One view of a person, ready to be broken.

    Attributes:
        shown: The render and its companions.
        expected: What the picture should show.
        finish: How it is finished.
        gain: Exposure of its set.
    """

    shown: Exposed
    expected: Expected
    finish: FinishConfig
    gain: float


def sitter_of(name: str, data: Path) -> Sitter:
    """``syn123``: the synthetic person 123; else the start of an artist's file name in ``valid_heads``."""
    if name.startswith("syn"):
        return make_person(truth_studio(data), int(name[3:]))
    return load_artist_person(next((data / "valid_heads").glob(f"{name}_*.glb")))


def drawn_sittings(
    person: Sitter, views: Sequence[str], draw: np.random.Generator, *, size_px: int, nets: FaceNets
) -> Iterator[Sitting]:
    """Views of a mesh person, photographed by the rasteriser under a light of its own."""
    light, other = _two_lights(draw)
    photos = _drawn_photos(person, draw)
    for name in views:
        view = _jittered(named_view(name, size=(size_px, size_px), light=light.lighting), draw)
        whole = _softened(_shot(person, view, light), view, draw)
        aside = _aside(view, draw)
        shown = Exposed(whole, view, _shot(person, aside, light), _shot(person, view, other))
        finish = _finish(draw, size_px)
        gain = exposure_gain([whole], [view], config=finish)
        shown = replace(shown, relit=_same_level(shown.relit, whole))
        points = _points_of(person, shown, finish, gain, nets, draw)
        expected = Expected(points, _depth_of(person, face_window(view)), photos, _cover_of(person, view))
        yield Sitting(shown, expected, finish, gain)


def field_sittings(
    subject: Subject, views: Sequence[str], draw: np.random.Generator, *, size_px: int
) -> Iterator[Sitting]:
    """Views of a trained subject, as ``head3d run`` renders them."""
    field = subject.field()
    cache = surface_cache(field)
    reference = reference_of(subject)
    config = RenderConfig()
    lights = draw.permutation(len(LIGHTS))
    sets = 1 if len(views) <= FEW else 2
    for place, name in enumerate(views):
        first, second = lights[place % sets], lights[2]
        view = _jittered(named_view(name, size=(size_px, size_px), light=LIGHTS[first]), draw)
        whole = _rendered(field, view, config, cache)
        other = replace(view, lighting=named_view(name, size=(size_px, size_px), light=_far(second, first)).lighting)
        shown = Exposed(
            whole,
            view,
            _rendered(field, _aside(view, draw), config, cache),
            _same_level(_rendered(field, other, config, cache), whole),
        )
        finish = _finish(draw, size_px)
        gain = exposure_gain([whole], [view], config=finish)
        yield Sitting(shown, expected_in(view, reference), finish, gain)


def with_neighbours(sittings: Sequence[Sitting]) -> list[Sitting]:
    """Sittings, each with the whole pictures of the others to be compared with."""
    seen = [own_window(picture_of(one, one.shown.output), one.shown.output, one.shown.view) for one in sittings]
    return [
        replace(one, expected=replace(one.expected, neighbours=[*seen[:place], *seen[place + 1 :]]))
        for place, one in enumerate(sittings)
    ]


def picture_of(sitting: Sitting, output: RenderOutput) -> np.ndarray:
    """The finished picture of a render of a sitting, uint8 sRGB."""
    return finish_headshot(output, sitting.shown.view, config=sitting.finish, gain=sitting.gain).rgb_srgb


def _depth_of(person: Sitter, camera: Cameras) -> Float[Tensor, "H W"]:
    return draw_mesh(person.scene.vertices, person.scene.faces, camera).depth


def _cover_of(person: Sitter, view: View) -> Bool[np.ndarray, "S S"]:
    """Of the bare head; artists' people: of all that is no hair."""
    if isinstance(person, SyntheticPerson):
        return head_cover(person.vertices, person.model.faces, view)
    scene = person.scene
    return head_cover(scene.vertices, scene.faces[scene.label != int(Region.HAIR)], view)


def _drawn_photos(person: Sitter, draw: np.random.Generator) -> list[SeenPhoto]:
    """Photos of a drawn person under another light, seen by cameras that are known as well as a fit knows them."""
    light = draw_light(torch.Generator().manual_seed(int(draw.integers(2**31))))
    photos = []
    for name in ("front", str(draw.choice(["three-quarter-left", "three-quarter-right", "left-20", "right-20"]))):
        view = _jittered(named_view(name, size=(384, 384), light=light.lighting), draw)
        seen = pictures(person, view.camera, [light])
        levels = np.asarray(levels_from_linear((seen.rgb_linear[0] + 0.3 * (1 - seen.alpha[0, ..., None])).clamp(0, 1)))
        near = face_camera(view.camera, FACE_WINDOW)
        small = near.resized((SIDE_PX, SIDE_PX))
        pixels = cv2.resize(cut(photograph(levels, draw, strength=0.3), near, view.camera), (SIDE_PX, SIDE_PX))
        off = draw.normal(0, 1.2, 2)  # pixels of the window, about millimetres
        K = small.K.clone()
        K[0, :2, 2] += torch.from_numpy(off).float()
        camera = Cameras(small.c2w, K, small.size)
        photos.append(SeenPhoto(pixels, _depth_of(person, camera), camera))
    return photos


def _two_lights(draw: np.random.Generator) -> tuple[StudioLight, StudioLight]:
    """Two lights whose shadows fall to different sides."""
    generator = torch.Generator().manual_seed(int(draw.integers(2**31)))
    light = draw_light(generator)
    normals = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(2)), dim=-1)
    towards = torch.nn.functional.normalize(normals + torch.tensor([0.0, 0.0, 1.2]), dim=-1)
    front = irradiance_basis(towards)
    for _ in range(20):
        other = draw_light(generator)
        ratio = torch.log((front @ other.sh).clamp_min(0.05) / (front @ light.sh).clamp_min(0.05))
        if float(ratio.std()) > LIGHTS_DIFFER:
            break
    return light, other


def _far(wanted: int, own: int) -> LightName:
    return LIGHTS[wanted if wanted != own else (own + 1) % len(LIGHTS)]


def _jittered(view: View, draw: np.random.Generator) -> View:
    """Not quite the named angle and frame: the net must not know twelve cameras."""
    yaw, pitch = ANGLES[view.name]
    near = draw.uniform(0.9, 1.15)
    c2w = look_at_head(
        yaw_deg=yaw + draw.uniform(-7, 7),
        pitch_deg=pitch + draw.uniform(-5, 5),
        distance_m=1.5,
        target_m=torch.tensor([0.0, -0.008, 0.015]),
    )
    K = view.camera.K.clone()
    K[:, 0, 0], K[:, 1, 1] = K[:, 0, 0] * near, K[:, 1, 1] * near
    return replace(view, camera=Cameras(c2w[None], K, view.camera.size))


def _aside(view: View, draw: np.random.Generator) -> View:
    yaw, pitch = (float(torch.rad2deg(angle)) for angle in view.camera.yaw_pitch[0])
    turn, tip = draw.uniform(*ASIDE_DEG) * draw.choice([-1.0, 1.0]), draw.uniform(-4, 4)
    c2w = look_at_head(
        yaw_deg=yaw + turn, pitch_deg=pitch + tip, distance_m=1.5, target_m=torch.tensor([0.0, -0.008, 0.015])
    )
    return replace(view, camera=Cameras(c2w[None], view.camera.K, view.camera.size))


def _shot(person: Sitter, view: View, light: StudioLight) -> RenderOutput:
    seen = pictures(person, view.camera, [light])
    return RenderOutput(seen.rgb_linear[0], seen.albedo[0], seen.normal[0], seen.alpha[0], seen.depth_m[0])


def _softened(output: RenderOutput, view: View, draw: np.random.Generator) -> RenderOutput:
    sigma = draw.uniform(0.0, SOFT_MM) * float(view.camera.K[0, 0, 0]) / 1.42 / 1000
    if sigma < 0.25:
        return output
    rgb = cv2.GaussianBlur((output.rgb_linear * output.alpha[..., None]).numpy(), (0, 0), sigma)
    alpha = cv2.GaussianBlur(output.alpha.numpy(), (0, 0), sigma)
    straight = rgb / np.maximum(alpha, 1e-3)[..., None]
    return replace(output, rgb_linear=torch.from_numpy(straight), alpha=torch.from_numpy(alpha).clamp(0, 1))


def _rendered(field: RadianceField, view: View, config: RenderConfig, cache: object) -> RenderOutput:
    with torch.no_grad():
        return render_view(field, view, config=config, cache=cache)  # type: ignore[arg-type]


def _same_level(output: RenderOutput, like: RenderOutput) -> RenderOutput:
    """As bright as another picture of the same view: a wrong light is not a wrong exposure."""
    solid = (output.alpha > 0.9) & (like.alpha > 0.9)
    if not bool(solid.any()):
        return output
    gain = like.rgb_linear[solid].mean() / output.rgb_linear[solid].mean().clamp_min(1e-4)
    return replace(output, rgb_linear=output.rgb_linear * gain)


def _finish(draw: np.random.Generator, size_px: int) -> FinishConfig:
    return FinishConfig(size=size_px, backdrop=BACKDROPS[int(draw.integers(len(BACKDROPS)))])  # type: ignore[arg-type]


def _points_of(
    person: Sitter, shown: Exposed, finish: FinishConfig, gain: float, nets: FaceNets, draw: np.random.Generator
) -> Float[np.ndarray, "468 2"] | None:
    """Where the mesh points are: exactly for synthetic people, else where the net finds them in the whole picture."""
    if isinstance(person, SyntheticPerson):
        found = landmarks_in(shown.view.camera, person.vertices, person.model)
    else:
        pixels = finish_headshot(shown.output, shown.view, config=finish, gain=gain).rgb_srgb
        faces = detect_faces(pixels, nets)
        if not faces:
            return None
        found = find_points(pixels, faces[0], nets).points[:, :2]
    # a fit is off by a millimetre or two, smoothly over the face
    millimetre = float(shown.view.camera.K[0, 0, 0]) / 1420
    middle = found.mean(0)
    bend = np.eye(2) + draw.normal(0, 0.015, (2, 2))
    return (found - middle) @ bend.T + middle + draw.normal(0, 0.8 * millimetre, 2)
