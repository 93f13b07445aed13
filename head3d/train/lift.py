"""The lift: photos' evidence, carried into a volume about the head, and completed by a network in one pass.

Labels and outlines of 1 to N photos are un-projected through the fitted cameras into a volume (least and most over the
photos, so that any number works), beside the head with the hair and clothes that the outlines tell. A U-Net with
attention at its coarsest level answers with a correction of that signed distance and with what the surface is: skin,
hair or clothes. It takes effect where no photo looks: the back of hair, its far side, shoulders out of the picture.
EG3D's three planes would see such a place through sums along its axes, which mirror a face onto the back of the head
(PanoHead); a volume of 8 mm costs a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from head3d.field.volumes import Volume, grid_nodes
from head3d.geometry.cameras import project
from head3d.geometry.draw import draw_mesh
from head3d.geometry.mesh import Mesh
from head3d.networks.files import load_network, shipped
from head3d.networks.volume_unet import VolumeUNet
from head3d.perception.types import Region
from head3d.train.grown import HAIR_SOFTNESS, Grown
from head3d.train.hair import BARE
from head3d.train.outlines import looked_up, small_size, within, within_picture
from head3d.train.rays import TrainPhoto

NAME = "lift"
CELL_M = 0.008
GRID, ORIGIN_M = (48, 64, 64), (-0.252, -0.300, -0.228)
"""Nodes along z, y, x, and where the first is (m, head frame): head and shoulders; left and right are mirrored."""
UNIT_M = 0.05
"""Distances are told in this unit, and no farther than one of it."""
SAME = 0.9
"""A distance beyond the unit stays as it is if the network leaves this part of a unit, on the same side."""
NOISE_M = (0.005, 0.012)
"""The network errs by some millimetres where outlines and symmetry are exact: a change of less than the first is taken
for none, one of more than the second is believed altogether."""
OUTLINE_M = 0.015
"""What lies less far within an outline of the photos has its shape from it."""
LEAST_SLOPE = 0.25
"""Slopes less than this are taken for this."""
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


def where_lifted() -> tuple[Float[Tensor, "3"], float]:
    """Origin and distance (m) of the volume's nodes."""
    return torch.tensor(ORIGIN_M), CELL_M


def lift_nodes() -> Float[Tensor, "M 3"]:
    """Positions of the volume's nodes, head frame, metres."""
    return grid_nodes(GRID, *where_lifted())


@torch.no_grad()
def evidence(mesh: Mesh, grown: Grown, photos: Sequence[TrainPhoto]) -> Float[Tensor, "C D H W"]:
    """What the network looks at: the photos' word on each place, on its mirrored place, and the head as it stands."""
    nodes_m = lift_nodes()
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
        start: Signed distance (m, at most a unit) of the head as it stands.
        hidden: 0 outside and near the outlines that photos show, which know better, 1 well within all of them.
        change: To be added to the signed distance of the head as it stands, metres.
        kinds: Logits of ``KINDS``.
    """

    start: Float[Tensor, "D H W"]
    hidden: Volume
    change: Volume
    kinds: Volume

    def moved(self, shape: Volume, blind: Volume, *, chunk: int = 1 << 20) -> Volume:
        """A signed distance (m) with the change as far as places are ``blind``: 1 where no photo looks, else 0.

        What is uncertain is learned as a mean, whose slope is low, and would be drawn as fog: so would the blend of two
        shapes. Both are divided by their slope, and far from the surface measured anew: rays step as far as told.
        """
        nodes, own = shape.nodes(), shape.values.reshape(-1)
        effect = Volume(blind.values * self.hidden.values, *where_lifted())
        made, changed = own.clone(), torch.zeros_like(own, dtype=torch.bool)
        for start in range(0, len(nodes), chunk):
            share = effect.at(nodes[start : start + chunk])[:, 0]
            part = torch.nonzero(share > 0)[:, 0]
            share, part = share[part], part + start
            told = own[part].clamp(-UNIT_M, UNIT_M)
            wish = told + self.change.at(nodes[part])[:, 0]
            beyond = (own[part].abs() > UNIT_M) & (wish / told > SAME)
            made[part] = torch.lerp(own[part], torch.where(beyond, own[part], wish), share)
            changed[part] = True
        volume = made.reshape(shape.values.shape)
        slope = torch.stack(torch.gradient(volume[0], spacing=shape.cell_m)).norm(dim=0).clamp_min(LEAST_SLOPE)
        exact = about_distance(volume / slope, cell_m=shape.cell_m)
        return Volume(torch.where(changed.reshape(volume.shape), exact, volume), shape.origin, shape.cell_m)

    def hairless(self) -> "Lifted":
        """The same of a person who has no hair."""
        kinds = self.kinds.values.clone()
        kinds[KINDS.index("hair")] = -1e4
        return replace(self, kinds=Volume(kinds, *where_lifted()))

    def likely(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P K"]:
        """How likely the surface near places is of each of ``KINDS``."""
        return self.kinds.at(points_m).softmax(-1)

    def softened(self, traits: Volume, blind: Volume) -> Volume:
        """Traits (see ``train.prepare``) as soft as hair is where no photo looks at what is taken for hair."""
        nodes = traits.nodes()
        share = blind.at(nodes)[:, 0] * self.likely(nodes)[:, KINDS.index("hair")]
        soft = 1.0 + (HAIR_SOFTNESS - 1.0) * share
        values = torch.stack([traits.values[0], torch.maximum(traits.values[1], soft.reshape(traits.shape))])
        return Volume(values, traits.origin, traits.cell_m)

    def inside(self) -> Float[Tensor, "P 3"]:
        """Nodes (m) of the volume that are in the person, or nearly."""
        return lift_nodes()[self.start.reshape(-1) + self.change.values.reshape(-1) < CELL_M]


def mirrored(seen: Float[Tensor, "*B C D H W"]) -> Float[Tensor, "*B C D H W"]:
    """The evidence of the mirrored photos of the mirrored person."""
    own, other, here = seen.split([PARTS, PARTS, INPUTS - 2 * PARTS], dim=-4)
    here = here.flip(-1)
    x = torch.ones(INPUTS - 2 * PARTS, 1, 1, 1).to(here)
    x[2] = -1.0
    return torch.cat([other, own, here * x], dim=-4)


def smooth(values: Float[Tensor, "C D H W"]) -> Float[Tensor, "C D H W"]:
    """Binomial means over three nodes along each axis: the pattern of the network's cubes of two is gone."""
    for axis in (1, 2, 3):
        first, last = values.narrow(axis, 0, 1), values.narrow(axis, values.shape[axis] - 1, 1)
        wide = torch.cat([first, values, last], dim=axis)
        size = values.shape[axis]
        values = (wide.narrow(axis, 0, size) + 2 * values + wide.narrow(axis, 2, size)) / 4
    return values


def about_distance(values: Float[Tensor, "1 D H W"], *, cell_m: float) -> Float[Tensor, "1 D H W"]:
    """Values that are a signed distance (m) near their zero only, made one everywhere, to about two nodes."""
    coarse = (values[0, ::2, ::2, ::2] < 0).numpy()
    if not coarse.any() or coarse.all():
        return values
    apart = sum(np.asarray(ndimage.distance_transform_edt(part), np.float32) for part in (coarse, ~coarse))
    grid = torch.from_numpy(2 * cell_m * apart)[None, None]
    finest = [2 * n - 1 for n in coarse.shape]
    most = torch.nn.functional.interpolate(grid, finest, mode="trilinear", align_corners=True)
    beyond = [n - m for n, m in zip(values.shape[1:], finest, strict=True)]
    most = torch.nn.functional.pad(most, (0, beyond[2], 0, beyond[1], 0, beyond[0]), mode="replicate")[0]
    least = (most - 2 * cell_m).clamp_min(0.0)
    return values.sign() * torch.minimum(torch.maximum(values.abs(), least), most.clamp_min(cell_m))


@torch.no_grad()
def lifted(net: VolumeUNet, seen: Float[Tensor, "C D H W"]) -> Lifted:
    """One pass of the network, over the evidence and its mirror image, whose answers are averaged."""
    device = next(net.parameters()).device
    both = torch.stack([seen, mirrored(seen)]).to(device)  # PyTorch's fast CPU convolutions also need two of a batch
    one, other = net(both).cpu()
    out = (one + other.flip(-1)) / 2
    out = smooth(out)
    out[:1] *= ((out[:1].abs() * UNIT_M - NOISE_M[0]) / (NOISE_M[1] - NOISE_M[0])).clamp(0, 1)
    start = seen[2 * PARTS] * UNIT_M
    hidden = (UNIT_M / OUTLINE_M * seen[2:4].amin(0, keepdim=True)).clamp(0, 1)
    parts = (Volume(part, *where_lifted()) for part in (hidden, out[:1] * UNIT_M, out[1:]))
    return Lifted(start, *parts)
