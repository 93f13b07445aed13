"""How each part of a subject folder lies on the disk. One writer and one reader per part; the README lists the files.

A part's json is written after its pictures and tensors. Readers raise CorruptPart when anything is missing or damaged.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from head3d import store
from head3d.capture.types import Photo, Verdict
from head3d.errors import CorruptPart
from head3d.perception.types import Observation
from head3d.records import from_plain, to_plain

if TYPE_CHECKING:
    from torch import Tensor

    from head3d.morphable.types import HeadFit, HeadModel

FORMAT_VERSION = 1
"""Of every json below a subject folder except subject.json itself."""

_PICTURES = frozenset({"rgb_srgb", "alpha", "parsing.labels", "parsing.matte"})
_MATTE_LEVELS = 65535
"""A matte is stored in 16 bits: what comes back differs by less than 1e-5."""


def write_photos(folder: Path, photos: Sequence[Photo], verdicts: Sequence[Verdict]) -> None:
    """Write photos/000.png ... and photos/photos.json (names, focal lengths, verdicts on every file)."""
    entries = []
    for index, photo in enumerate(photos):
        store.write_png(folder / f"{index:03d}.png", photo.rgb_srgb)
        if photo.alpha is not None:
            store.write_png(folder / f"{index:03d}_alpha.png", photo.alpha)
        entries.append(to_plain(photo, aside=lambda name, array: name in _PICTURES))
    payload = {"photos": entries, "verdicts": to_plain(tuple(verdicts))}
    store.write_json(folder / "photos.json", payload, kind="head3d.photos", version=FORMAT_VERSION)


def read_photos(folder: Path) -> tuple[list[Photo], list[Verdict]]:
    """Read what :func:`write_photos` wrote."""
    path = folder / "photos.json"
    payload = store.read_json(path, kind="head3d.photos", version=FORMAT_VERSION)
    photos = []
    for index, entry in enumerate(_listed(payload, "photos", path)):
        stored = {"rgb_srgb": store.read_png(folder / f"{index:03d}.png")}
        if not isinstance(entry, dict):
            raise CorruptPart(f"{path}: photo {index + 1} was edited.", hint="Run again from the photos.")
        if entry.get("alpha") is not None:
            stored["alpha"] = store.read_png(folder / f"{index:03d}_alpha.png")
        photos.append(from_plain(Photo, entry, stored=stored, where=str(path)))
    return photos, _verdicts(payload, path)


def write_observations(folder: Path, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> None:
    """Write perception/000.json, 000_labels.png, 000_matte.png ... and perception/perception.json (verdicts)."""
    for index, observation in enumerate(observations):
        stem = f"{index:03d}"
        matte = np.rint(observation.parsing.matte.clip(0.0, 1.0) * _MATTE_LEVELS).astype(np.uint16)
        store.write_png(folder / f"{stem}_labels.png", observation.parsing.labels)
        store.write_png(folder / f"{stem}_matte.png", matte)
        entry = to_plain(_without(observation, "photo"), aside=lambda name, array: name in _PICTURES)
        entry["photo_name"] = observation.photo.name
        store.write_json(folder / f"{stem}.json", entry, kind="head3d.observation", version=FORMAT_VERSION)
    payload = {"photos": [one.photo.name for one in observations], "verdicts": to_plain(tuple(verdicts))}
    store.write_json(folder / "perception.json", payload, kind="head3d.perception", version=FORMAT_VERSION)


def read_observations(folder: Path, photos: Sequence[Photo]) -> tuple[list[Observation], list[Verdict]]:
    """Read what :func:`write_observations` wrote; ``photos`` are those of :func:`read_photos`."""
    path = folder / "perception.json"
    payload = store.read_json(path, kind="head3d.perception", version=FORMAT_VERSION)
    by_name = {photo.name: photo for photo in photos}
    observations = []
    for index, name in enumerate(_listed(payload, "photos", path)):
        entry_path = folder / f"{index:03d}.json"
        entry = store.read_json(entry_path, kind="head3d.observation", version=FORMAT_VERSION)
        if name not in by_name or entry.get("photo_name") != name:
            raise CorruptPart(f"{entry_path} belongs to another photo than {name}.", hint="Run `head3d run` again.")
        matte = store.read_png(folder / f"{index:03d}_matte.png").astype(np.float32) / np.float32(_MATTE_LEVELS)
        stored = {
            "photo": by_name[name],
            "parsing.labels": store.read_png(folder / f"{index:03d}_labels.png"),
            "parsing.matte": matte,
        }
        entry["photo"] = {"aside": "photo"}
        observations.append(from_plain(Observation, entry, stored=stored, where=str(entry_path)))
    return observations, _verdicts(payload, path)


def write_fit(folder: Path, fit: "HeadFit", *, photos: Sequence[str]) -> None:
    """Write fit/fit.safetensors, fit/head.ply (neutral, coloured by albedo) and fit/fit.json."""
    from head3d.geometry.mesh import write_ply
    from head3d.imaging.color import srgb_from_linear

    tensors: dict[str, Tensor] = {}

    def aside(name: str, array: Any) -> bool:
        tensors[name] = array
        return True

    entry = to_plain(_without(fit, "model"), aside=aside)
    store.write_tensors(folder / "fit.safetensors", tensors)
    with store.atomic(folder / "head.ply") as temporary:
        write_ply(temporary, fit.mesh(), colors=srgb_from_linear(fit.albedo.clamp(0.0, 1.0)))
    model = {"name": fit.model.name, "version": fit.model.version}
    payload = {"fit": entry, "model": model, "photos": list(photos)}
    store.write_json(folder / "fit.json", payload, kind="head3d.fit", version=FORMAT_VERSION)


def read_fit(folder: Path, model: "HeadModel") -> "HeadFit":
    """Read what :func:`write_fit` wrote; ``model`` must be the one it was made with."""
    from head3d.morphable.types import HeadFit

    path = folder / "fit.json"
    payload = store.read_json(path, kind="head3d.fit", version=FORMAT_VERSION)
    if payload.get("model") != {"name": model.name, "version": model.version}:
        raise CorruptPart(
            f"{path} was made with head model {payload.get('model')}, not {model.name} {model.version}.",
            hint="Run `head3d run` on the subject again.",
        )
    stored = {**store.read_tensors(folder / "fit.safetensors"), "model": model}
    entry = {**payload["fit"], "model": {"aside": "model"}}
    return from_plain(HeadFit, entry, stored=stored, where=str(path))


def write_field(folder: Path, state: Mapping[str, "Tensor"], *, facts: Mapping[str, Any]) -> None:
    """Write field/field.safetensors and field/field.json."""
    store.write_tensors(folder / "field.safetensors", state)
    store.write_json(folder / "field.json", facts, kind="head3d.field", version=FORMAT_VERSION)


def read_field(folder: Path) -> dict[str, "Tensor"]:
    """The state that :func:`write_field` wrote."""
    store.read_json(folder / "field.json", kind="head3d.field", version=FORMAT_VERSION)
    return store.read_tensors(folder / "field.safetensors")


def _without(value: Any, left_out: str) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.name != left_out}


def _listed(payload: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    entries = payload.get(key)
    if not isinstance(entries, list):
        raise CorruptPart(f"{path} has no list of {key}.", hint="Run `head3d run` on the subject again to rebuild it.")
    return entries


def _verdicts(payload: Mapping[str, Any], path: Path) -> list[Verdict]:
    entries = _listed(payload, "verdicts", path)
    return [from_plain(Verdict, entry, where=str(path)) for entry in entries]
