"""Views without loss: linear colour, albedo, normal and depth as layers of one OpenEXR file."""

from pathlib import Path

import numpy as np

from head3d import store
from head3d.errors import optional_package
from head3d.render.types import RenderOutput, View


def write_exr(path: Path, output: RenderOutput, view: View) -> Path:
    """Write half-float colour and albedo (premultiplied, as compositors expect), float normal and depth.

    Channels: R G B A; albedo.R G B; normal.X Y Z in the head frame; depth.Z in metres along the camera's axis, 0 where
    nothing is. The camera is in the header: ``worldToCamera`` and ``fovy`` would lose the principal point, so K and c2w
    (OpenCV axes) are written as they are.
    """
    needs = f"{path}: to write OpenEXR one more package is needed."
    openexr = optional_package("OpenEXR", needs, hint="pip install OpenEXR")
    alpha = output.alpha.cpu()[..., None]
    half = {"": output.rgb_linear.cpu() * alpha, "albedo.": output.albedo.cpu() * alpha}
    channels: dict[str, np.ndarray] = {
        f"{layer}{name}": _plane(picture[..., k], np.float16)
        for layer, picture in half.items()
        for k, name in enumerate("RGB")
    }
    channels["A"] = _plane(alpha[..., 0], np.float16)
    channels |= {f"normal.{name}": _plane(output.normal.cpu()[..., k], np.float32) for k, name in enumerate("XYZ")}
    channels["depth.Z"] = _plane(output.depth_m.cpu(), np.float32)
    header = {
        "compression": openexr.ZIP_COMPRESSION,
        "type": openexr.scanlineimage,
        "head3d.view": view.name,
        "head3d.light": view.lighting_name,
        "head3d.K": " ".join(f"{value:.6f}" for value in view.camera.K[0].flatten().tolist()),
        "head3d.c2w": " ".join(f"{value:.8f}" for value in view.camera.c2w[0].flatten().tolist()),
        "comments": "AI-generated: rendered from a 3D head that was learned from photos (head3d).",
    }
    with store.atomic(path) as temporary:
        with openexr.File(header, channels) as file:
            file.write(str(temporary))
    return path


def _plane(values, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(values.detach().numpy().astype(dtype))
