"""Videos as MP4 (H.264) or WebM (VP9), through the ffmpeg that imageio-ffmpeg brings.

Both say in their comment that they are synthetic. MP4 is signed like a picture; no WebM can hold a C2PA manifest.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from head3d import store
from head3d.errors import ConfigError, optional_package
from head3d.export.certificate import Identity
from head3d.export.provenance import DIGITAL_SOURCE_TYPE, NOTE, signed_content

CODECS = {
    ".mp4": ("libx264", ["-crf", "18", "-preset", "medium", "-movflags", "+faststart", "-pix_fmt", "yuv420p"]),
    ".webm": ("libvpx-vp9", ["-crf", "28", "-b:v", "0", "-row-mt", "1", "-deadline", "good", "-cpu-used", "4"]),
}
"""By suffix; faststart: a page plays it before it is loaded to the end."""


def write_video(
    path: Path,
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    *,
    fps: int,
    facts: Mapping[str, str],
    signer: Identity | None,
    source_type: str = DIGITAL_SOURCE_TYPE,
) -> Path:
    """Write pictures as a video that says how it was made, whole and signed or not at all.

    Args:
        path: Its suffix says which kind.
        frames: sRGB, all of one size, of even height and width.
        fps: Pictures a second.
        facts: About it; see :func:`head3d.export.provenance.write_with_provenance`.
        signer: Signs an MP4; None: its comment alone says what it is.
        source_type: What the signature marks it as.
    """
    needs = f"{path}: to write videos one more package is needed."
    ffmpeg = optional_package("imageio_ffmpeg", needs, hint="pip install imageio imageio-ffmpeg")
    if path.suffix.lower() not in CODECS:
        raise ConfigError(f"Cannot write a video as {path.suffix or path.name}.", hint="Use .mp4 or .webm.")
    codec, options = CODECS[path.suffix.lower()]
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ConfigError("A video of no pictures was asked for.", hint="Use at least one.")
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise ConfigError(f"A video of {width} x {height} px cannot be coded.", hint="Use an even size.")
    with store.atomic(path) as temporary:
        draft = temporary.with_name(f"{temporary.name}{path.suffix}")  # ffmpeg tells the container by the suffix
        writer = ffmpeg.write_frames(
            str(draft),
            (width, height),
            fps=fps,
            codec=codec,
            quality=None,
            macro_block_size=2,
            output_params=[*options, "-metadata", f"comment={NOTE}"],
            ffmpeg_log_level="error",
        )
        try:
            writer.send(None)
            writer.send(np.ascontiguousarray(first))
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
            writer.close()
            content = signed_content(draft.read_bytes(), path, facts=facts, signer=signer, source_type=source_type)
            temporary.write_bytes(content)
        finally:
            writer.close()
            draft.unlink(missing_ok=True)
    return path
