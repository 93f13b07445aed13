"""A radiance field as the compiled kernels take it (head3d.kernels.render_field)."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.decoder import Decoder
from head3d.field.encodings import HashEncoding
from head3d.field.radiance import GEOMETRY_UNIT_M, RadianceField
from head3d.geometry.conventions import FIELD_HALF_SIZE_M
from head3d.kernels.render_field import FieldNet, FieldParts, FieldVolume, fits


@torch.no_grad()
def kernel_parts(
    trained: RadianceField, *, levels: Float[Tensor, "C"] | None = None, crisp: float = 1.0
) -> FieldParts | None:
    """The field's tensors, or None where the kernels cannot take it: no library, tri-planes, other dtypes.

    Args:
        trained: The field.
        levels: Fades the features of its geometry (coarse to fine).
        crisp: The blur of skin, as a part of its own (see ``crisp_traits``).
    """
    if not (isinstance(trained.geometry, HashEncoding) and isinstance(trained.color, HashEncoding)):
        return None
    values = {"shape": trained.shape, "traits": trained.crisp_traits(crisp), "paint": trained.paint}
    volumes = [
        FieldVolume(volume, getattr(trained, f"{name}_origin"), trained.cells[name]) for name, volume in values.items()
    ]
    if any(min(volume.values.shape[1:]) < 2 or volume.values.dtype != torch.float32 for volume in volumes):
        return None
    parts = FieldParts(
        *volumes,
        geometry=_net(trained.geometry, trained.geometry_decoder, levels),
        color=_net(trained.color, trained.color_decoder, None),
        box_m=2 * FIELD_HALF_SIZE_M,
        unit_m=GEOMETRY_UNIT_M,
        residual_color=trained.config.residual_color,
        sd_m=float(trained.sd_m),
    )
    return parts if fits(parts) else None


def _net(encoding: HashEncoding, decoder: Decoder, levels: Tensor | None) -> FieldNet:
    weight_in = decoder.weight_in if levels is None else decoder.weight_in * levels
    return FieldNet(encoding.grid, encoding.table, weight_in, decoder.bias_in, decoder.weight_out)
