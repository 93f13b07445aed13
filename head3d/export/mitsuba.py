"""A subject as a scene of Mitsuba 3: meshes, textures, the light as emitters, cameras.

    mitsuba scene.xml                    skin with a sheen
    mitsuba -D skin=matte scene.xml      Lambert's: what albedo was fitted with
    mitsuba -D spp=1024 scene.xml        less noise

The scene's world is the head frame (m, Y up, face along +Z), its radiance head3d's linear RGB before exposure.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import torch
from jaxtyping import Bool
from torch import Tensor

from head3d import store
from head3d.export.bake import EYES, bake
from head3d.export.glb import MATERIALS, GlbOptions
from head3d.export.light import LEAST_SINE, light_map, rgbe_bytes
from head3d.export.mesh import HeadMesh
from head3d.export.texture import seamless_normals
from head3d.field.radiance import RadianceField
from head3d.geometry.lamps import Lamps, distant_lamps
from head3d.geometry.mesh import vertex_normals, write_ply
from head3d.geometry.sh import Lighting
from head3d.morphable.types import HeadFit
from head3d.render.types import View

VERSION = "3.0.0"
DEFAULTS = {"spp": 128, "depth": 4, "skin": "glossy"}
"""What -D changes."""
SURFACES = {"skin": "$skin", "inner": "inner", "eye_right": "eyes", "eye_left": "eyes", "teeth": "teeth"}
"""Of each part of the head."""
SMALLEST_M = 1e-3
"""Radius of a panel that is given as a point: it needs an area to shine in one direction only."""
NONE = torch.zeros(0, 3)


def write_mitsuba(
    folder: Path,
    head: HeadMesh,
    trained: RadianceField,
    fit: HeadFit,
    views: Sequence[View],
    *,
    options: GlbOptions = GlbOptions(),
) -> Path:
    """Write the scene; returns the path of scene.xml, which is written last.

    Args:
        folder: Made if it is not there; also gets meshes/*.ply and textures/*.
        head: See :func:`head3d.export.mesh.head_mesh`.
        trained: The field that is baked.
        fit: Its head.
        views: A sensor each; the light is that of the first.
        options: Of textures.
    """
    baked = bake(head, trained, fit, side_px=options.texture_px)
    store.write_png(_in(folder, "textures", "albedo.png"), baked.color)
    store.write_png(_in(folder, "textures", "normal.png"), baked.bumps)
    flats = {"skin": baked.skin, **dict(zip(EYES, baked.eyes, strict=True))}
    for part in head.parts:
        flat = flats.get(part.name)
        mesh = part.mesh if flat is None else flat.mesh
        normals = vertex_normals(mesh.vertices, mesh.faces) if flat is None else seamless_normals(part.mesh, flat)
        with store.atomic(_in(folder, "meshes", f"{part.name}.ply")) as temporary:
            write_ply(temporary, mesh, normals=normals, uv=flat is not None)
    scene = Element("scene", version=VERSION)
    scene.extend(Element("default", name=name, value=str(value)) for name, value in DEFAULTS.items())
    scene.append(_node("integrator", "path", _value("integer", "max_depth", "$depth"), hide_emitters=True))
    scene.extend(sensor(view) for view in views)
    scene.extend(emitters(views[0].lighting, _in(folder, "textures", "light.hdr")))
    scene.extend(_materials())
    for part in head.parts:
        # texture coordinates count from the bottom here, from the top there
        surface = Element("ref", id=SURFACES[part.name])
        scene.append(_node("shape", "ply", surface, filename=f"meshes/{part.name}.ply", flip_tex_coords=True))
    ElementTree.indent(scene)
    path = folder / "scene.xml"
    store.write_bytes(path, ElementTree.tostring(scene, encoding="utf-8", xml_declaration=True) + b"\n")
    return path


def sensor(view: View) -> Element:
    """A view's camera; ``$spp`` samples a pixel."""
    (height, width), K = view.camera.size, view.camera.K[0].double()
    pose = view.camera.c2w[0].double().clone()
    pose[:3, :2] *= -1  # Mitsuba's cameras have x to the left and y up
    return _node(
        "sensor",
        "perspective",
        _placed(_value("matrix", "", pose.flatten())),
        _node("sampler", "independent", _value("integer", "sample_count", "$spp")),
        _node("film", "hdrfilm", width=width, height=height, pixel_format="rgba"),
        id=view.name,
        fov_axis="x",
        fov=math.degrees(2.0 * math.atan(width / (2.0 * float(K[0, 0])))),
        principal_point_offset_x=0.5 - float(K[0, 2]) / width,
        principal_point_offset_y=0.5 - float(K[1, 2]) / height,
    )


def emitters(light: Lighting, map_file: Path) -> list[Element]:
    """A light as emitters. What is far away is written into a map, which the scene finds beside itself in textures."""
    around, lamps = _split(light)
    store.write_bytes(map_file, rgbe_bytes(light_map(around)))
    sky = _node("emitter", "envmap", filename=f"{map_file.parent.name}/{map_file.name}")
    return [sky, *(_emitter(lamps, k) for k in range(len(lamps)))]


def _split(light: Lighting) -> tuple[Lighting, Lamps]:
    """Light that a map can hold (harmonics, and distant lamps of some width), and the lamps that it cannot."""
    lamps = light.lamps if light.lamps is not None else distant_lamps(NONE, NONE, sine=NONE[:, 0])
    wide = lamps.distant & (lamps.radius >= LEAST_SINE)
    return replace(light, lamps=_picked(lamps, wide)), _picked(lamps, ~wide)


def _picked(lamps: Lamps, which: Bool[Tensor, "L"]) -> Lamps:
    return Lamps(*(getattr(lamps, one.name)[which] for one in fields(lamps)))


def _emitter(lamps: Lamps, index: int) -> Element:
    place, color, facing = lamps.position[index], lamps.color[index], lamps.facing[index]
    radius = float(lamps.radius[index])
    if bool(lamps.distant[index]):
        return _node(
            "emitter", "directional", _value("vector", "direction", -place), _value("rgb", "irradiance", color)
        )
    if not bool(facing.any()) and radius == 0.0:
        return _node("emitter", "point", _value("point", "position", place), _value("rgb", "intensity", color))
    # a small disc or ball of radiance L gives pi L radius^2 at 1 m, and that is the lamp's colour
    radius = max(radius, SMALLEST_M)
    area = _node("emitter", "area", _value("rgb", "radiance", color / (math.pi * radius * radius)))
    if not bool(facing.any()):
        return _node("shape", "sphere", _value("point", "center", place), area, radius=radius)
    up = torch.tensor([0.0, 1.0, 0.0] if abs(float(facing[1])) < 0.9 else [1.0, 0.0, 0.0])
    look = {"origin": _text(place), "target": _text(place + facing), "up": _text(up)}
    return _node("shape", "disk", _placed(_value("scale", "", radius), Element("lookat", look)), area)


def _materials() -> Iterator[Element]:
    skin, eyes, inner, teeth = MATERIALS
    yield _both_sides("glossy", _bumpy(_principled(_albedo("base_color"), skin.roughness)))
    yield _both_sides("matte", _bumpy(_node("bsdf", "diffuse", _albedo("reflectance"))))
    yield _both_sides("eyes", _principled(_albedo("base_color"), eyes.roughness))
    for name, material in (("inner", inner), ("teeth", teeth)):
        yield _both_sides(name, _principled(_value("rgb", "base_color", material.color), material.roughness))


def _albedo(name: str) -> Element:
    return _node("texture", "bitmap", name=name, filename="textures/albedo.png")


def _principled(color: Element, roughness: float) -> Element:
    return _node("bsdf", "principled", color, roughness=roughness, specular=0.5)


def _bumpy(surface: Element) -> Element:
    normals = _node("texture", "bitmap", name="normalmap", filename="textures/normal.png", raw=True)
    return _node("bsdf", "normalmap", normals, surface)


def _both_sides(name: str, surface: Element) -> Element:
    return _node("bsdf", "twosided", surface, id=name)


def _placed(*steps: Element) -> Element:
    transform = Element("transform", name="to_world")
    transform.extend(steps)
    return transform


def _node(
    tag: str, kind: str, *children: Element, id: str = "", name: str = "", **values: bool | float | str
) -> Element:
    """A plug-in with its values and what is inside it."""
    named = {key: text for key, text in (("id", id), ("name", name)) if text}
    node = Element(tag, {"type": kind, **named})
    tags = {bool: "boolean", int: "integer", float: "float", str: "string"}
    node.extend(_value(tags[type(value)], key, value) for key, value in values.items())
    node.extend(children)
    return node


def _value(tag: str, name: str, value: bool | float | str | Sequence[float] | Tensor) -> Element:
    return Element(tag, {**({"name": name} if name else {}), "value": _text(value)})


def _text(value: bool | float | str | Sequence[float] | Tensor) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int():
            return str(value)
        case float():
            return f"{value:.9g}"
    return ", ".join(f"{float(one):.9g}" for one in value)


def _in(folder: Path, part: str, name: str) -> Path:
    return store.make_folder(folder / part) / name
