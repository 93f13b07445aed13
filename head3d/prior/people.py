"""Random people: shape, face, gaze, skin, eyes, hair and clothes from one seed."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from head3d.geometry.mesh import vertex_normals
from head3d.morphable.chromophores import color_table
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.prior.clothes import Collar, cut_collars, draw_cloth_color, make_clothes
from head3d.prior.coloring import paint_samples
from head3d.prior.eyes import EyeTraits, draw_eyes
from head3d.prior.features import Features, paint_features, scalp_level
from head3d.prior.glasses import make_glasses
from head3d.prior.hair import Scalp, find_scalp, make_beard, make_hair
from head3d.prior.hair_meshes import HairMesh, load_hair_meshes, mesh_layer
from head3d.prior.hair_styles import COLORS, HairStyle, draw_color, draw_style
from head3d.prior.layers import Layer, Material, join
from head3d.prior.openness import open_sky
from head3d.prior.skin import SkinTexture, SkinTraits, draw_skin, paint_skin
from head3d.prior.unwrap import SkinMap, unwrap

SPREAD = 0.85
"""Of the identity coefficients against the model's statistics: fewer caricatures."""

INSIDE = (
    ("sockets", (0.32, 0.12, 0.10), Region.EYES, 0.5),
    ("mouth_inner", (0.20, 0.055, 0.05), Region.MOUTH, 1.0),
    ("teeth", (0.62, 0.55, 0.45), Region.MOUTH, 2.0),
)
"""Parts without a skin: group, linear RGB, region, gloss."""

GLASSES_SHARE = 0.2
EYE_SCALE = 0.97
HIDDEN_M = 0.012
"""Skin this far under cap or cloth is never seen and is not drawn."""


@dataclass(frozen=True)
class Casting:
    """A head model and what is prepared for it once: about three seconds.

    Attributes:
        model: Shapes of people.
        skin: The skin map.
        features: Masks on it.
        scalp: Where hair grows.
        collars: Cuts of clothes; empty for a model without shoulders.
        open_sky: Ambient occlusion of the neutral mean head.
        scalp_level: Distance of vertices from the hairline, m.
        colors: Table of skin colours.
        hair_meshes: Artists' hair, where there is some.
    """

    model: HeadModel
    skin: SkinMap
    features: Features
    scalp: Scalp
    collars: tuple[Collar, ...]
    open_sky: Float[Tensor, "V"]
    scalp_level: Float[Tensor, "V"]
    colors: Float[Tensor, "M B 3"]
    hair_meshes: tuple[HairMesh, ...] = ()


@dataclass(frozen=True)
class SyntheticPerson:
    """A person whose everything is known.

    Attributes:
        model: The head model.
        identity: Its shape coefficients.
        expression: In [0, 1].
        eyes: Axis-angles of [right, left].
        vertices: The bare posed head, head frame, metres; faces are the model's. Eyeballs are 3 % smaller than the
            model's, or they would pierce some lids.
        skin: Maps of the skin.
        skin_traits: What they were painted from.
        eye_traits: And the eyes.
        hair: Style.
        hair_color: Linear RGB.
        hair_map: Texture of an artist's hair, brightness over its mean; None for locks.
        beard_m: Length of the beard, 0 for none.
        scene: Everything that is drawn: head, hair, clothes.
    """

    model: HeadModel
    identity: Float[Tensor, "I"]
    expression: Float[Tensor, "E"]
    eyes: Float[Tensor, "2 3"]
    vertices: Float[Tensor, "V 3"]
    skin: SkinTexture
    skin_traits: SkinTraits
    eye_traits: EyeTraits
    hair: HairStyle
    hair_color: Float[Tensor, "3"]
    hair_map: Float[Tensor, "A B"] | None
    beard_m: float
    scene: Layer

    def colors(
        self, paint: Float[Tensor, "P 3"], material: Int[Tensor, "P"], label: Int[Tensor, "P"]
    ) -> tuple[Float[Tensor, "P 3"], UInt8[Tensor, "P"]]:
        """Albedo (linear RGB) and ``Region`` of samples (see ``picture.Sitter``)."""
        return paint_samples(
            paint,
            material,
            label,
            skin=self.skin,
            eyes=self.eye_traits,
            hair_map=self.hair_map,
            hair_color=self.hair_color,
        )


def prepare_casting(model: HeadModel, *, hair_folder: Path | None = None) -> Casting:
    """Prepare what all people of a head model share; ``hair_folder`` may hold artists' hair (see ``hair_meshes``)."""
    skin = unwrap(model)
    normals = vertex_normals(model.mean, model.faces)
    wide = float(model.mean[:, 0].abs().max()) > 0.2
    return Casting(
        model=model,
        skin=skin,
        features=paint_features(model, skin),
        scalp=find_scalp(model, skin),
        collars=cut_collars(model) if wide else (),
        open_sky=open_sky(model.mean, normals, model.faces),
        scalp_level=scalp_level(model),
        colors=color_table(),
        hair_meshes=load_hair_meshes(hair_folder, model) if hair_folder else (),
    )


@dataclass(frozen=True)
class Wish:
    """What is not left to chance. The rest is drawn as without it, so that people differ in what was wished only.

    Attributes:
        tone_deg: Typology angle of the bare skin.
        masculine: Jaw and hair follow no more than the styles and the beard that are drawn.
        hair: Name of a style.
        aged: Skin and hair of an old person (rings, spots, grey) or of a young one; the skull does not age.
        plain: No glasses.
    """

    tone_deg: float | None = None
    masculine: bool | None = None
    hair: str | None = None
    aged: bool | None = None
    plain: bool = False


def cast_person(casting: Casting, generator: torch.Generator, *, wish: Wish = Wish()) -> SyntheticPerson:
    """Draw a person; the generator's state decides everything that is not wished."""
    model = casting.model
    masculine = bool(torch.rand((), generator=generator) < 0.5)
    masculine = masculine if wish.masculine is None else wish.masculine
    identity = SPREAD * torch.randn(len(model.identity_ridge), generator=generator) / model.identity_ridge.sqrt()
    expression, eyes = draw_expression(model, generator)
    vertices = _deeper_eyes(model, model.vertices(identity, expression, eyes))
    style = draw_style(generator, masculine=masculine, name=wish.hair)
    skin_traits = _wished(draw_skin(generator, bearded=masculine, bald=style.name == "bald"), wish)
    hair_color = draw_color(generator, tone_deg=skin_traits.tone_deg)
    hair_color = torch.tensor(COLORS["grey"]) if wish.aged else hair_color
    beard, length = torch.rand(2, generator=generator).tolist()
    beard_m = (0.003 + 0.014 * length**2) if masculine and beard < 0.3 else 0.0
    if beard_m > 0:
        skin_traits = replace(skin_traits, stubble=1.0)
    eye_traits = draw_eyes(generator, tone_deg=skin_traits.tone_deg)
    texture = paint_skin(
        skin_traits, hair_color, generator, skin=casting.skin, features=casting.features, table=casting.colors
    )
    artist = _choose_mesh(casting.hair_meshes, generator) if style.strands else None
    if artist is None:
        made = make_hair(style, hair_color, vertices, generator, model=model, skin=casting.skin, scalp=casting.scalp)
    else:
        style = replace(style, name=artist.name, comb="mesh", strands=0)
        made = [mesh_layer(artist, vertices)]
    if beard_m > 0:
        made.append(make_beard(beard_m, hair_color, vertices, generator, model=model, scalp=casting.scalp))
    if bool(torch.rand((), generator=generator) < GLASSES_SHARE) and not wish.plain:
        frame = 0.01 + 0.2 * torch.rand((), generator=generator) ** 3 * torch.rand(3, generator=generator)
        made.append(make_glasses(vertices, model, generator, color=frame))
    collar = int(torch.randint(max(len(casting.collars), 1), (), generator=generator))
    cloth_color = draw_cloth_color(generator)
    if casting.collars:
        normals = vertex_normals(vertices, model.faces)
        made.append(make_clothes(casting.collars[collar], cloth_color, vertices, normals))
    head = _head(casting, vertices, covered=casting.collars[collar] if casting.collars else None, style=style)
    return SyntheticPerson(
        model=model,
        identity=identity,
        expression=expression,
        eyes=eyes,
        vertices=vertices,
        skin=texture,
        skin_traits=skin_traits,
        eye_traits=eye_traits,
        hair=style,
        hair_color=hair_color,
        hair_map=None if artist is None else artist.shade,
        beard_m=beard_m,
        scene=join([*head, *made]),
    )


def _wished(traits: SkinTraits, wish: Wish) -> SkinTraits:
    if wish.tone_deg is not None:
        traits = replace(traits, tone_deg=wish.tone_deg)
    if wish.aged is None:
        return traits
    if wish.aged:
        return replace(traits, eye_rings=0.35, blotches=0.055, freckles=max(traits.freckles, 0.5))
    return replace(traits, eye_rings=0.05, blotches=0.02)


def draw_expression(model: HeadModel, generator: torch.Generator) -> tuple[Float[Tensor, "E"], Float[Tensor, "2 3"]]:
    """A face for the camera: neutral or smiling, a little of this and that; lids follow the eyes."""
    kind, smile, lopsided, jaw, blink = torch.rand(5, generator=generator).tolist()
    pitch, yaw = (torch.randn(2, generator=generator) * torch.tensor([0.07, 0.15])).clamp(-0.35, 0.35).tolist()
    amounts = {name: 0.0 for name in model.expression_names}
    for name in ("browInnerUpLeft", "browOuterUpLeft", "browDownLeft", "eyeSquintLeft", "mouthPressLeft"):
        amount = max(0.0, float(torch.randn((), generator=generator))) * 0.12
        amounts[name] = amounts[name.replace("Left", "Right")] = amount
    if kind > 0.4:
        for side, share in (("Left", 1 - 0.2 * lopsided), ("Right", 0.8 + 0.2 * lopsided)):
            amounts[f"mouthSmile{side}"] = 0.75 * smile * share
            amounts[f"cheekSquint{side}"] = 0.35 * smile * share
    if kind > 0.75:
        amounts["jawOpen"] = 0.22 * jaw
    for side in ("Left", "Right"):
        amounts[f"eyeBlink{side}"] = 0.25 * blink**3
        amounts[f"eyeLookDown{side}"] = max(pitch, 0.0) / 0.5
        amounts[f"eyeLookUp{side}"] = max(-pitch, 0.0) / 0.5
    expression = torch.tensor([amounts[name] for name in model.expression_names])
    return expression, torch.tensor([[pitch, yaw, 0.0]]).repeat(2, 1)


def _deeper_eyes(model: HeadModel, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Eyeballs a little smaller: lids that close over them by the model's statistics alone would be pierced."""
    moved = vertices.clone()
    for group in ("eye_right", "eye_left"):
        index = model.groups[group]
        centre = vertices[index].mean(0)
        moved[index] = centre + EYE_SCALE * (vertices[index] - centre)
    return moved


def _choose_mesh(meshes: tuple[HairMesh, ...], generator: torch.Generator) -> HairMesh | None:
    """An artist's hair in place of the drawn style, for half of the people with hair."""
    if not meshes or bool(torch.rand((), generator=generator) < 0.5):
        return None
    return meshes[int(torch.randint(len(meshes), (), generator=generator))]


def _head(casting: Casting, vertices: Float[Tensor, "V 3"], *, covered: Collar | None, style: HairStyle) -> list[Layer]:
    """The bare head, without what hair and clothes hide for good: skin, then eyes, then teeth and mouth."""
    model, count = casting.model, len(vertices)
    normal = vertex_normals(vertices, model.faces)
    level = casting.scalp_level
    sky = casting.open_sky.clone()
    if style.strands:
        sky = sky * (1 - 0.35 * torch.exp(-(level.clamp(max=0).abs() / (0.006 + style.volume))))
    plain, gloss = torch.zeros(count, 3), torch.ones(count)
    kind = torch.full((count,), int(Material.SKIN))
    label = torch.full((count,), int(Region.SKIN))
    for group, color, region, shine in INSIDE:
        index = model.groups[group]
        kind[index], label[index], gloss[index] = int(Material.PLAIN), int(region), shine
        plain[index] = torch.tensor(color)
    sky[model.groups["teeth"]] = 0.4
    eye = torch.zeros(count, 3)
    for side, group in enumerate(("eye_right", "eye_left")):
        index = model.groups[group]
        kind[index], label[index] = int(Material.EYE), int(Region.EYES)
        eye[index] = model.mean[index] - model.eye_centres[side]
        arm = vertices[index] - vertices[index].mean(0)
        normal[index] = torch.nn.functional.normalize(arm, dim=-1)
        sky[index] = 0.65 - 0.3 * (arm[:, 1] / 0.006).clamp(0, 1)  # the upper lid shades the ball
    drawn = _not_hidden(casting, covered=covered, style=style)
    corner = kind[model.faces]
    parts = (
        (Material.SKIN, model.mean, (corner == int(Material.SKIN)).any(1)),
        (Material.EYE, eye, (corner == int(Material.EYE)).all(1)),
        (Material.PLAIN, plain, (corner == int(Material.PLAIN)).all(1)),
    )
    layers = []
    for material, paint, mask in parts:
        faces = model.faces[mask & drawn]
        used, index = faces.unique(return_inverse=True)
        layers.append(
            Layer(
                vertices=vertices[used],
                faces=index,
                normal=normal[used],
                paint=paint[used],
                open_sky=sky[used],
                gloss=gloss[used],
                material=torch.full((len(faces),), int(material)),
                label=label[faces[:, 0]],
            )
        )
    return layers


def _not_hidden(casting: Casting, *, covered: Collar | None, style: HairStyle) -> Bool[Tensor, "F"]:
    """Which triangles of the head can be seen from anywhere."""
    faces = casting.model.faces
    drawn = torch.ones(len(faces), dtype=torch.bool)
    if style.strands:
        drawn &= ~(casting.scalp_level[faces] > HIDDEN_M).all(1)
    if covered is not None:
        depth = torch.full((len(casting.model.mean),), -1.0)
        own = covered.patch.ends[:, 0] == covered.patch.ends[:, 1]
        depth[covered.patch.ends[own, 0]] = covered.level[own]
        drawn &= ~(depth[faces] > HIDDEN_M).all(1)
    return drawn
