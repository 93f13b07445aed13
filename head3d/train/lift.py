"""The lift: photos' evidence, carried into a volume about the head, and completed by a network in one pass.

Labels and outlines of 1 to N photos are un-projected through the fitted cameras into a volume (least and most over the
photos, so that any number works), beside the head with the hair and clothes that the outlines tell. A U-Net with
attention at its coarsest level answers with a correction of that signed distance and with what the surface is: skin,
hair or clothes. It takes effect where no photo looks: the back of hair, its far side, shoulders out of the picture.
EG3D's three planes would see such a place through sums along its axes, which mirror a face onto the back of the head
(PanoHead); a volume of 8 mm costs a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.volumes import Volume, grid_nodes
from head3d.geometry.cameras import project
from head3d.geometry.draw import draw_mesh
from head3d.geometry.mesh import Mesh
from head3d.networks.files import load_network, shipped
from head3d.networks.volume_unet import VolumeUNet
from head3d.perception.types import Region
from head3d.train.grown import Grown
from head3d.train.hair import BARE
from head3d.train.outlines import looked_up, small_size, within, within_picture
from head3d.train.rays import TrainPhoto

NAME = "lift"
CELL_M = 0.008
GRID, ORIGIN_M = (48, 64, 64), (-0.252, -0.300, -0.228)
"""Nodes along z, y, x, and where the first is (m, head frame): head and shoulders; left and right are mirrored."""
UNIT_M = 0.05
"""Distances are told in this unit, and no farther than one of it."""
FAR_M = UNIT_M
PARTS = 12
"""Channels of what the photos tell of a place (see ``evidence``)."""
INPUTS = 2 * PARTS + 5
KINDS = ("skin", "hair", "clothes")
OUTPUTS = 1 + len(KINDS)


def make_lift_net() -> VolumeUNet:
    """The network without weights."""
    return VolumeUNet(INPUTS, OUTPUTS, widths=(24, 64, 112), depths=(1, 2, 2))


@cache
def lift_net() -> VolumeUNet | None:
    """The shipped network, or None if this installation has none."""
    path = shipped(NAME)
    if path is None:
        return None
    net = load_network(make_lift_net(), path)
    assert isinstance(net, VolumeUNet)
    return net


def lift_nodes() -> Float[Tensor, "M 3"]:
    """Positions of the volume's nodes, head frame, metres."""
    return grid_nodes(GRID, torch.tensor(ORIGIN_M), CELL_M)


@torch.no_grad()
def evidence(
    mesh: Mesh, grown: Grown, photos: Sequence[TrainPhoto], *, nodes_m: Float[Tensor, "M 3"]
) -> Float[Tensor, "C D H W"]:
    """What the network looks at: the photos' word on each place, on its mirrored place, and the head as it stands."""
    told = torch.stack([_told(photo, mesh, nodes_m) for photo in photos])
    near, far = told[:, 0] > 0, told[:, 1] > 0
    rows = [near.any(0).float(), far.any(0).float()]
    for side in (near, far):
        rows.append(torch.where(side, told[:, 2], 1.0).amin(0))  # within the outline: what any photo rules out is out
    for channel in (3, 4, 5):  # hair, bare skin, cloth
        for side in (near, far):
            rows.append(torch.where(side, told[:, channel], -1.0).amax(0))
    rows.append(torch.where(near | far, told[:, 6], -1.0).amax(0))
    rows.append(torch.where(near | far, told[:, 6], 1.0).amin(0))
    own = torch.stack(rows).reshape(PARTS, *GRID)
    start, bald = (part / UNIT_M for part in (grown.distance(nodes_m), grown.bald_distance(nodes_m)))
    here = torch.cat([torch.stack([start, bald]).clamp(-1, 1), nodes_m.T / 0.25]).reshape(5, *GRID)
    return torch.cat([own, own.flip(-1), here])


def _told(photo: TrainPhoto, mesh: Mesh, nodes_m: Float[Tensor, "M 3"]) -> Float[Tensor, "7 M"]:
    """One photo's word: shown on the near side, on the far side; how far within the person, hair, bare skin and cloth,
    and how far before the bald head (units)."""
    camera = photo.camera.resized(small_size(photo.labels.shape))
    px, depth = project(nodes_m, camera.c2w[0], camera.K[0])
    weight = torch.from_numpy(photo.alpha_weight).float()
    times = weight.shape[0] / camera.size[0]
    sure = looked_up(weight, px * times, mode="nearest") > 0
    shown = within_picture(px, depth, camera) & sure
    middle = mesh.vertices.mean(0, keepdim=True).clone()
    middle[0, 1] = 0.0
    near = depth < project(middle, camera.c2w[0], camera.K[0])[1]
    person = photo.matte > 127
    labels = torch.from_numpy(photo.labels)
    masks = [person]
    for kind in ((Region.HAIR,), BARE, (Region.CLOTH,)):
        masks.append(person & torch.isin(labels, torch.tensor([int(one) for one in kind])).numpy())
    reached = [within(mask, camera, px, depth, unseen=0.0) / UNIT_M for mask in masks]
    found = looked_up(draw_mesh(mesh.vertices, mesh.faces, camera).depth, px, mode="nearest")
    before = torch.where(found > 0, (found - depth) / UNIT_M, 1.0)
    return torch.stack([(shown & near).float(), (shown & ~near).float(), *reached, before]).clamp(-1, 1)


@dataclass(frozen=True)
class Lifted:
    """What the network says.

    Attributes:
        change: To be added to the signed distance of the head as it stands, metres.
        kinds: Logits of ``KINDS``.
    """

    change: Volume
    kinds: Volume


def mirrored(seen: Float[Tensor, "*B C D H W"]) -> Float[Tensor, "*B C D H W"]:
    """The evidence of the mirrored photos of the mirrored person."""
    own, other, here = seen.split([PARTS, PARTS, INPUTS - 2 * PARTS], dim=-4)
    here = here.flip(-1)
    x = torch.ones(INPUTS - 2 * PARTS, 1, 1, 1).to(here)
    x[2] = -1.0
    return torch.cat([other, own, here * x], dim=-4)


@torch.no_grad()
def lifted(net: VolumeUNet, seen: Float[Tensor, "C D H W"]) -> Lifted:
    """One pass of the network, over the evidence and its mirror image, whose answers are averaged."""
    device = next(net.parameters()).device
    both = torch.stack([seen, mirrored(seen)]).to(device)  # PyTorch's fast CPU convolutions also need two of a batch
    one, other = net(both).cpu()
    out = (one + other.flip(-1)) / 2
    origin = torch.tensor(ORIGIN_M)
    return Lifted(Volume(out[:1] * UNIT_M, origin, CELL_M), Volume(out[1:], origin, CELL_M))
