"""The unknowns of the joint fit, and how a step changes them."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.morphable.types import HeadModel
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class FitState:
    """One identity; per photo an expression and a camera. float64: normal equations square the condition number.

    A point x of the head frame lies at ``R_i x + t_i`` of camera i. If the cameras are given, their relative poses are
    kept, and only the similarity between their world and the head frame moves (``given`` holds them): then
    ``R_i = rig_R_i G`` and ``t_i = (rig_R_i g + rig_t_i) / s`` for one rotation G, translation g and scale s.

    Attributes:
        identity: Coefficients of the head model.
        expression: Per photo.
        rotation: Head frame to camera.
        translation: Metres, camera frame.
        log_focal: Natural log of the focal length in px, one per physical camera.
        lens: Index into ``log_focal`` per photo.
        principal_px: Principal point per photo.
        sizes: (height, width) px per photo.
        rig_rotation: World to camera of given cameras, or None.
        rig_translation: In units of that world.
        similarity_rotation: G.
        similarity_translation: g, world units.
        log_scale: log s, world units per metre.
    """

    identity: Float[Tensor, "I"]
    expression: Float[Tensor, "N E"]
    rotation: Float[Tensor, "N 3 3"]
    translation: Float[Tensor, "N 3"]
    log_focal: Float[Tensor, "G"]
    lens: tuple[int, ...]
    principal_px: Float[Tensor, "N 2"]
    sizes: tuple[tuple[int, int], ...]
    rig_rotation: Float[Tensor, "N 3 3"] | None = None
    rig_translation: Float[Tensor, "N 3"] | None = None
    similarity_rotation: Float[Tensor, "3 3"] | None = None
    similarity_translation: Float[Tensor, "3"] | None = None
    log_scale: Float[Tensor, ""] | None = None

    @property
    def given(self) -> bool:
        """True if the cameras were given and only their common similarity is fitted."""
        return self.rig_rotation is not None

    @property
    def photos(self) -> int:
        """Number of photos."""
        return len(self.sizes)

    def focal(self, photo: int) -> Float[Tensor, ""]:
        """Focal length of a photo, px."""
        return self.log_focal[self.lens[photo]].exp()

    def px_per_m(self, photo: int) -> float:
        """Pixels of a photo per metre at the head's depth."""
        return float(self.focal(photo) / self.translation[photo, 2])

    def camera(self, photo: int) -> Cameras:
        """The photo's camera in the head frame (float32)."""
        rotation, translation = self.rotation[photo], self.translation[photo]
        c2w = torch.eye(4, dtype=torch.float64)
        c2w[:3, :3] = rotation.T
        c2w[:3, 3] = -rotation.T @ translation
        K = torch.eye(3, dtype=torch.float64)
        K[0, 0] = K[1, 1] = self.focal(photo)
        K[:2, 2] = self.principal_px[photo]
        return Cameras(c2w[None].float(), K[None].float(), self.sizes[photo])

    def yaw_pitch_deg(self, photo: int) -> tuple[float, float]:
        """Yaw and pitch of the head in a photo, degrees."""
        yaw, pitch = torch.rad2deg(self.camera(photo).yaw_pitch[0]).tolist()
        return yaw, pitch

    def vertices(self, model: HeadModel, photo: int | None) -> Float[Tensor, "V 3"]:
        """Vertices (head frame, m) with a photo's expression, or neutral for None."""
        expression = None if photo is None else self.expression[photo].float()
        return model.vertices(self.identity.float(), expression)


def reattach(state: FitState) -> FitState:
    """Recompute the cameras of a given rig from its similarity."""
    if state.rig_rotation is None or state.rig_translation is None:
        return state
    assert state.similarity_rotation is not None and state.similarity_translation is not None
    assert state.log_scale is not None
    moved = state.rig_rotation @ state.similarity_translation + state.rig_translation
    return replace(
        state, rotation=state.rig_rotation @ state.similarity_rotation, translation=moved / state.log_scale.exp()
    )


@dataclass(frozen=True)
class Layout:
    """Where each unknown sits in the step vector.

    [identity | common camera unknowns | photo 0: expression, pose | photo 1: ...]. The common unknowns are the focal
    lengths and, for given cameras, the similarity (3 rotation, 3 translation, 1 log scale).
    """

    identity: int
    expression: int
    lenses: int
    photos: int
    given: bool

    @property
    def common(self) -> int:
        """Number of common camera unknowns."""
        return self.lenses + (7 if self.given else 0)

    @property
    def per_photo(self) -> int:
        """Number of unknowns of one photo."""
        return self.expression + (0 if self.given else 6)

    @property
    def size(self) -> int:
        """Number of all unknowns."""
        return self.identity + self.common + self.photos * self.per_photo

    def start(self, photo: int) -> int:
        """First unknown of a photo."""
        return self.identity + self.common + photo * self.per_photo


def layout_of(state: FitState) -> Layout:
    """The step vector's layout for this state."""
    return Layout(
        identity=state.identity.shape[0],
        expression=state.expression.shape[1],
        lenses=state.log_focal.shape[0],
        photos=state.photos,
        given=state.given,
    )


def moved(state: FitState, step: Float[Tensor, "U"]) -> FitState:
    """Apply a Gauss-Newton step; rotations move by left multiplication."""
    layout = layout_of(state)
    i, g = layout.identity, layout.lenses
    changes: dict[str, Tensor] = {
        "identity": state.identity + step[:i],
        "log_focal": state.log_focal + step[i : i + g],
    }
    blocks = step[i + layout.common :].reshape(layout.photos, layout.per_photo)
    changes["expression"] = state.expression + blocks[:, : layout.expression]
    if not state.given:
        turn = matrix_from_axis_angle(blocks[:, layout.expression : layout.expression + 3])
        changes["rotation"] = turn @ state.rotation
        changes["translation"] = state.translation + blocks[:, layout.expression + 3 :]
        return replace(state, **changes)
    rig = step[i + g : i + g + 7]
    assert state.similarity_rotation is not None and state.similarity_translation is not None
    assert state.log_scale is not None
    changes["similarity_rotation"] = matrix_from_axis_angle(rig[:3]) @ state.similarity_rotation
    changes["similarity_translation"] = state.similarity_translation + rig[3:6]
    changes["log_scale"] = state.log_scale + rig[6]
    return reattach(replace(state, **changes))
