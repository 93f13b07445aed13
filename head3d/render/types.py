"""What rendering takes and gives."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.sh import Lighting
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class RayBundle:
    """Rays in the head frame.

    Attributes:
        origins: metres.
        directions: unit.
        near: Where a ray enters the sampled region, metres along the ray.
        far: Where it leaves.
        photo: Index of the photo a ray belongs to (for its light and exposure); 0 when rendering views.
    """

    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]
    near: Float[Tensor, "R"]
    far: Float[Tensor, "R"]
    photo: Int[Tensor, "R"]


@dataclass(frozen=True)
class View:
    """A picture to make.

    Attributes:
        name: "front", "three-quarter-left", ... or any name of the user's.
        camera: One camera.
        lighting: In the head frame.
        lighting_name: "photo", "photo-2", "soft-front", ... for file names and provenance.
    """

    name: str
    camera: Cameras
    lighting: Lighting
    lighting_name: str = "soft-front"


@shaped
@dataclass(frozen=True)
class RenderOutput:
    """A rendered view.

    ``rgb_linear`` is not premultiplied and not composited; ``depth_m`` is z-depth of the surface, 0 where alpha is 0;
    ``sharp`` is how far a photo's own detail is in each pixel, None if that is not known.
    """

    rgb_linear: Float[Tensor, "H W 3"]
    albedo: Float[Tensor, "H W 3"]
    normal: Float[Tensor, "H W 3"]
    alpha: Float[Tensor, "H W"]
    depth_m: Float[Tensor, "H W"]
    sharp: Float[Tensor, "H W"] | None = None
