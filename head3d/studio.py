"""A finished subject in memory, from which any look is made: by ``head3d render``, and by the viewer while one watches.

Pictures are made tile by tile, so that whoever waits for something else can stop one within a tile.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.backdrops import Backdrops
from head3d.config import Config, load_config
from head3d.errors import ConfigError
from head3d.field.deform import Deformation
from head3d.finish.apply import Headshot, exposure_gain, finish_headshot, set_look, with_backdrop
from head3d.finish.config import FinishConfig
from head3d.finish.crops import known_crop
from head3d.finish.harmonize import Look as Harmony
from head3d.finish.office import office_checks
from head3d.finish.passport import Check
from head3d.finish.passport_facts import PassportFacts
from head3d.finish.retouch import Blotches
from head3d.garments.catalogue import choose_outfit
from head3d.garments.own import OwnWearer
from head3d.garments.wear import Wearer
from head3d.geometry.cameras import Cameras
from head3d.kernels.library import choose_device
from head3d.kernels.render_field import FieldVolume
from head3d.light_maps import LightMaps
from head3d.looks import Look
from head3d.morphable.expressions import Expression, expression_vector, find_expression
from head3d.quality.gate import SightVerdict, judge_sight
from head3d.refine.apply import refine_output
from head3d.render.confidence import Confidence, view_confidence
from head3d.render.config import LightOptions, RenderConfig
from head3d.render.lights import ChosenLight
from head3d.render.mouth import darken_gap
from head3d.render.posed import PosedHead
from head3d.render.tiles import Turn, render_tiles
from head3d.render.types import RenderOutput, View
from head3d.render.views import HEAD_SHARE, named_view
from head3d.rendering import (
    finish_under,
    framing_points,
    photo_sight,
    skin_blotches,
    subject_light,
    surface_cache,
    wearer_of,
)  # fmt: skip
from head3d.subject import Subject
from head3d.train.cameras import refined_cameras

T = TypeVar("T")

TILE_RAYS, ALONE_RAYS = 64 * 64, 256 * 256
"""Rays of a tile: 20 ms of one core, 40 at most, since a stop may take 100 ms; and of one that nobody may stop, or that
a GPU makes: with fewer, launches would take most of its time."""
KEPT = 12
"""Expressions, gazes and lights that are kept ready."""
LOWERED = 0.03
"""Of a picture's height: so far below the middle of the head a window is centred, so that shoulders show."""
KEPT_WEARERS = 3
"""Garments that are kept on: each is a field of its own."""


@dataclass(frozen=True)
class Picture:
    """A look as it was rendered; :meth:`Studio.finish` makes a headshot of it."""

    look: Look
    view: View
    output: RenderOutput
    displacement: FieldVolume | None


class Studio:
    """What every picture of one subject shares. Threads may take turns, not share it."""

    def __init__(self, subject: Subject, *, config: Config | None = None) -> None:
        self.subject = subject.require()
        self.config = config or load_config(subject.path / "config.yaml")
        self.fitted, self.photos = subject.fit(), subject.fitted_photos()
        self.field = subject.field().to(choose_device(self.config.train.device))
        self.cache = surface_cache(self.field)
        self.sight = photo_sight(subject, self.field, self.cache)
        self.backdrops, self.light_maps = Backdrops(subject.path), LightMaps(subject.path)
        self.points = framing_points(self.fitted, self.cache)
        self._preparing = threading.Lock()
        self._posed: OrderedDict[Hashable, PosedHead] = OrderedDict()
        self._bent: OrderedDict[Hashable, Deformation | None] = OrderedDict()
        self._lights: OrderedDict[Hashable, ChosenLight] = OrderedDict()
        self._wearers: OrderedDict[Hashable, Wearer | OwnWearer | None] = OrderedDict()

    @cached_property
    def blotches(self) -> Blotches:
        """What evens the skin."""
        return skin_blotches(self.field, self.cache)

    @property
    def on_gpu(self) -> bool:
        """Whether pictures are made on a GPU."""
        return self.field.sd_m.is_cuda

    def light(self, look: Look) -> ChosenLight:
        """The light of a look; ConfigError if it is one of the subject's own that was removed."""
        spec = self.light_maps.resolved(look.light)
        options = LightOptions(look.light_yaw_deg, look.light_frame, look.light_exposure)
        finish = self.finish_config(look) if look.light == "backdrop" else self.config.finish
        key = (look.light, options, look.backdrop if look.light == "backdrop" else "")
        return _kept(
            self._lights,
            key,
            lambda: subject_light(spec, options, field=self.field, photos=self.photos, finish=finish),
        )

    def prepare(self, look: Look) -> tuple[PosedHead, Deformation | None]:
        """The head with the expression and gaze of a look: seconds for a new expression, then kept. Any thread may."""
        with self._preparing:
            posed = _kept(self._posed, _manner(look), lambda: self._pose(look))
            return posed, self._deformation(posed, look)

    def wearer(self, look: Look) -> Wearer | OwnWearer | None:
        """The head in the garment of a look: seconds for a new one, then kept; None in its own clothes."""
        outfit = choose_outfit(look.garment, look.garment_color)
        if outfit is None:
            return None
        with self._preparing:
            worn = _kept(
                self._wearers,
                outfit.garment,
                lambda: wearer_of(self.subject, self.field, outfit),
                most=KEPT_WEARERS,
            )
            return worn.dyed(outfit) if worn is not None else None

    def view(self, look: Look, height_px: int) -> View:
        """Camera and light of a look; the width follows from its crop."""
        if look.seen_from:
            return self._through_photo(look, height_px)
        view = named_view(
            look.name,
            size=(height_px, height_px),
            light=self.light(look),
            yaw_deg=look.yaw_deg,
            pitch_deg=look.pitch_deg,
            distance_m=look.distance_m,
            focal_mm=look.focal_mm,
        )
        camera = view.camera
        if look.roll_deg:
            roll = torch.deg2rad(torch.tensor(look.roll_deg))
            c, s = float(roll.cos()), float(roll.sin())
            c2w = camera.c2w.clone()  # the camera turned one way is the head tilted the other
            c2w[0, :3, :3] = c2w[0, :3, :3] @ torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
            camera = replace(camera, c2w=c2w)
        return replace(view, camera=self._framed(camera, look, height_px))

    def photo_camera(self, name: str) -> Cameras:
        """Where the camera of a photo stands, as training moved it; over that photo's pixels."""
        if name not in self.photos:
            raise ConfigError(
                f"There is no photo {name!r} in this subject.", hint=f"There are {', '.join(self.photos)}."
            )
        cameras = refined_cameras(self.fitted.cameras, self.field.turn.cpu(), self.field.shift.cpu())
        return cameras[list(self.photos).index(name)]

    def _through_photo(self, look: Look, height_px: int) -> View:
        """The view of a photo's camera; without a frame through a square window that shows as much as other views."""
        camera = self.photo_camera(look.seen_from.removeprefix("photo:"))
        marks = self.points.seen_by(camera)
        side = (marks.chin_y - marks.hair_y) / HEAD_SHARE
        top = (marks.chin_y + marks.hair_y) / 2 - side * (0.5 - LOWERED)
        square = camera.cropped(marks.centre_x - side / 2, top, (round(side), round(side)))
        square = replace(square, K=square.K * camera.K.new_tensor([[height_px / side]] * 2 + [[1.0]]))
        square = replace(square, size=(height_px, height_px))
        chosen = self.light(look)
        return View(look.name, self._framed(square, look, height_px), chosen.on(square.c2w[0]), chosen.name)

    def _framed(self, camera: Cameras, look: Look, height_px: int) -> Cameras:
        crop = known_crop(look.crop)
        if crop is None:
            return camera
        width, height = crop.size_px
        sized = replace(crop, size_px=(max(round(height_px * width / height), 16), height_px))
        return self.points.framed(camera, sized)

    def finish_config(self, look: Look, *, size: int = 1024) -> FinishConfig:
        """How a look is finished; ``size`` is the longer side, px."""
        finish = replace(self.config.finish, size=size)
        finish = with_backdrop(finish, self.backdrops.resolved(look.backdrop)) if look.backdrop else finish
        return finish_under(finish, LightOptions(exposure=look.light_exposure))

    @torch.no_grad()
    def picture(
        self, look: Look, height_px: int, *, oversample: int = 1, view: View | None = None, turn: Turn = nullcontext
    ) -> Picture:
        """Render a look.

        Args:
            look: What.
            height_px: Of the picture.
            oversample: Rays per pixel along each side.
            view: Another camera and light than the look's.
            turn: Entered for every tile; what it raises ends the picture.
        """
        view = view or self.view(look, height_px)
        posed, bent = self.prepare(look)
        wearer = self.wearer(look)
        options = replace(self.config.render, oversample=oversample)
        if look.gloss is not None:
            options = replace(options, relight=replace(options.relight, gloss=look.gloss))
        output = self._in_tiles(view, options, bent, turn, wearer)
        volume = None if bent is None else bent.volume_of(0)
        if volume is not None:
            with turn():
                output = darken_gap(output, view, volume, lips=posed.lips)
        if wearer is not None:
            output = wearer.dress(output, view, turn=turn)
        return Picture(look, view, output, volume)

    def shown_as(self, picture: Picture, look: Look) -> Picture:
        """A picture under the name and before the backdrop of a look that is otherwise its own."""
        return replace(picture, look=look, view=replace(picture.view, name=look.name))

    def confidence(self, picture: Picture) -> Confidence:
        """What photos saw of a picture."""
        return view_confidence(self.sight, picture.output, picture.view, displacement=picture.displacement)

    def eye_contact_deg(self, picture: Picture) -> float | None:
        """How far past the camera the eyes of a picture look (see :meth:`PosedHead.eye_contact_deg`)."""
        posed, _ = self.prepare(picture.look)
        at, look = self._looked_at(picture.look), picture.look
        return posed.eye_contact_deg(picture.view.camera.centre[0], look_at_m=at, aside_deg=_aside(look))

    def verdict(self, picture: Picture, confidence: Confidence) -> SightVerdict:
        """Whether a picture may be delivered."""
        return judge_sight(picture.look.name, confidence.shares, config=self.config.gate)

    @torch.no_grad()
    def checks(self, picture: Picture, shot: Headshot) -> tuple[list[Check], PassportFacts] | None:
        """What the office behind the look's frame says of a finished picture; None if there is no office.

        Args:
            picture: What was rendered.
            shot: The same finished, in the same size.
        """
        frame = known_crop(picture.look.crop)
        if frame is None or frame.passport is None:
            return None
        return office_checks(
            shot, output=picture.output, view=picture.view, frame=frame, model=self.fitted.model,
            vertices=self.vertices(picture.look), shown=self._shown(picture.look),
        )  # fmt: skip

    def vertices(self, look: Look) -> Float[Tensor, "V 3"]:
        """Of the fitted head with the expression of a look, head frame, metres."""
        shown, fit = self._shown(look), self.fitted
        return fit.model.vertices(fit.identity, shown.units, shown.eyes) + fit.offsets

    def refined(self, picture: Picture) -> Picture:
        """A picture as sharp as the subject's headshots."""
        return replace(picture, output=refine_output(picture.output, picture.view, config=self.config.refine))

    def gain(self, pictures: Sequence[Picture]) -> float:
        """One exposure for pictures under one light."""
        config = self.finish_config(pictures[0].look)
        return exposure_gain([one.output for one in pictures], [one.view for one in pictures], config=config)

    def harmony(self, pictures: Sequence[Picture], gains: Sequence[float]) -> Harmony | None:
        """What pictures of one set before one backdrop are changed by; None if the options ask for nothing."""
        config = self.finish_config(pictures[0].look)
        return set_look([one.output for one in pictures], [one.view for one in pictures], gains, config=config)

    def finish(
        self,
        picture: Picture,
        *,
        size: int,
        gain: float | None = None,
        harmony: Harmony | None = None,
        deep: bool = False,
    ) -> Headshot:
        """The headshot of a picture; ``size`` is its longer side, px, the rest as in :func:`finish_headshot`."""
        config, output = self.finish_config(picture.look, size=size), picture.output
        if config.retouch > 0:
            output = self.blotches.evened(output, picture.view, strength=config.retouch)
        return finish_headshot(output, picture.view, config=config, gain=gain, look=harmony, deep=deep)

    def _shown(self, look: Look) -> Expression:
        shown = find_expression(look.expression, self.fitted, self.photos)
        if look.units:
            shown = replace(shown, units=shown.units + expression_vector(look.units, self.fitted.model))
        return shown

    def _pose(self, look: Look) -> PosedHead:
        return PosedHead(self.field, self.fitted, self._shown(look))

    def _deformation(self, posed: PosedHead, look: Look) -> Deformation | None:
        at = self._looked_at(look)
        key = (_manner(look), None if at is None else tuple(round(x, 4) for x in at.tolist()), _aside(look))

        def make() -> Deformation | None:
            bent = posed.deformation(look_at_m=at, aside_deg=_aside(look))
            return None if bent is None else bent.to(self.field.sd_m.device)

        return _kept(self._bent, key, make)

    def _looked_at(self, look: Look) -> Float[Tensor, "3"] | None:
        """What the eyes of a look are turned to, head frame, m; None: where its expression has them."""
        return self.view(look, 16).camera.centre[0] if look.gaze == "camera" else None

    def _in_tiles(
        self, view: View, config: RenderConfig, bent: Deformation | None, turn: Turn, wearer: Wearer | OwnWearer | None
    ) -> RenderOutput:
        field, cache = (self.field, self.cache) if wearer is None else (wearer.field, wearer.cache)
        rays = ALONE_RAYS if turn is nullcontext or self.on_gpu else TILE_RAYS
        side = max(16, int((rays / config.oversample**2) ** 0.5))
        return render_tiles(field, view, config=config, cache=cache, deformation=bent, side_px=side, turn=turn)


def _manner(look: Look) -> Hashable:
    return look.expression, tuple(sorted(look.units.items()))


def _aside(look: Look) -> tuple[float, float]:
    return look.gaze_yaw_deg, look.gaze_pitch_deg


def _kept(shelf: OrderedDict[Hashable, T], key: Hashable, make: Callable[[], T], *, most: int = KEPT) -> T:
    if key not in shelf:
        shelf[key] = make()
        while len(shelf) > most:
            shelf.popitem(last=False)
    shelf.move_to_end(key)
    return shelf[key]
