"""Writes ``folder_v1``: a small subject folder of today's format, kept for good to prove that later versions read it.

Run once per format version: python tests/golden/make_folder.py
"""

from pathlib import Path

import numpy as np
import torch

from head3d.capture.types import Photo, Verdict
from head3d.geometry.cameras import Cameras, intrinsics
from head3d.geometry.sh import Lighting
from head3d.parts import write_photos
from head3d.parts_views import write_order, write_view
from head3d.render.types import RenderOutput, View
from head3d.subject import Consent, Ledger, StageRecord, Subject


def sample_view() -> tuple[RenderOutput, View]:
    """A view of 4 x 4 px with a highlight above 1."""
    ramp = torch.linspace(0.0, 2.0, 16).reshape(4, 4)
    rgb = torch.stack([ramp, ramp / 2, ramp / 4], dim=-1)
    normal = torch.tensor([0.0, 0.6, 0.8]).expand(4, 4, 3)
    output = RenderOutput(rgb, rgb / 2, normal, torch.ones(4, 4), ramp + 0.5)
    camera = Cameras(torch.eye(4)[None], intrinsics(5.0, (4, 4))[None], (4, 4))
    return output, View("front", camera, Lighting(torch.arange(27.0).reshape(9, 3)), "soft-front")


def write(folder: Path) -> None:
    """Write the folder with the code of today."""
    subject = Subject(folder)
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    photo = Photo("å photo.jpg", pixels, 1234.5, "ab" * 32, "Phone 26mm")
    refused = Verdict("other.jpg", False, ("no face found",))
    write_photos(folder / "photos", [photo], [Verdict(photo.name, True, (), ("dark",)), refused])
    output, view = sample_view()
    write_view(folder / "views" / "front", output, view)
    write_order(folder / "views", ["front"])
    record = StageRecord(1, "c0", "i0", {"photos/000.png": "0" * 64}, "0.1.0", 1.5, 100.0)
    consent = Consent("Ada", "2026-01-02", "portraits")
    subject.write_ledger(Ledger(consent, {"capture": record}, "2026-01-02T03:04:05+00:00"))


if __name__ == "__main__":
    write(Path(__file__).parent / "folder_v1")
