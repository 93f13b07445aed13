"""The views of a set, each with its head framed as a preset wants it: a small draft tells where the hair ends."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.finish.crops import CropPreset, frame
from head3d.finish.marks import head_marks
from head3d.morphable.types import HeadModel
from head3d.render.posed import PosedHead
from head3d.render.types import View
from head3d.render.volume import RenderConfig

DRAFT_PX = 160
"""Height of the draft: the hair's top to half a percent of the picture, in a fortieth of the time."""


def framed_views(
    views: Sequence[View],
    crop: CropPreset,
    *,
    posed: PosedHead,
    trained: RadianceField,
    model: HeadModel,
    vertices: Float[Tensor, "V 3"],
    config: RenderConfig,
    cache: ShellCache,
) -> list[View]:
    """The same views through the preset's window, of the preset's size.

    Args:
        views: Square or not, the whole head inside.
        crop: The frame.
        posed: The head with its expression.
        trained: Its field.
        model: Says which vertices are what.
        vertices: The fitted head with its expression, head frame, metres.
        config: How it is rendered.
        cache: Of the field.
    """
    framed = []
    for view in views:
        height, width = view.camera.size
        small = (DRAFT_PX, max(round(DRAFT_PX * width / height), 1))
        draft = replace(view, camera=view.camera.resized(small))
        output, _ = posed.picture(trained, draft, config=config, cache=cache)
        marks = head_marks(model, vertices, draft.camera, alpha=output.alpha.detach().cpu())
        framed.append(replace(view, camera=frame(draft.camera, crop, marks=marks)))
    return framed
