"""The command audit: is head3d as good for everybody?"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from head3d.commands.options import parse
from head3d.console import listen


@dataclass(frozen=True)
class AuditOptions:
    """Measure by skin tone, sex, age and hair how well faces are found, fitted and drawn.

    Exit code 1: some skin tone is surely worse off than the bound allows.
    """

    out: tyro.conf.Positional[Path] = Path("audit")
    """Folder of audit.html and audit.json; an audit that was stopped goes on."""
    twins: int = 8
    """Sets of synthetic twins, five people each, that differ in skin tone only."""
    depth: Literal["photos", "fit", "pictures"] = "fit"
    """photos: finding faces; fit: the fitted head and its albedo, too; pictures: a trained head's pictures, too."""
    pictures_of: int = 1
    """Sets of twins that get a trained head and pictures even where the depth is fit."""
    sources: tuple[Literal["synthetic", "artists", "photos"], ...] = ("synthetic", "artists", "photos")
    """Who is in the panel; artists' people and photos only where the truth data is. Nobody in photos is ever shown."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Truth data, from outside the project. Or HEAD3D_DATA."""
    budget_minutes: float = 60.0
    """Nobody new is begun after this."""
    bound: float = 0.10
    """How much worse a metric may be for one skin tone than for the others, relative."""
    preset: str = "fast"
    """Of the pipeline that is audited."""


def audit_command(words: Sequence[str]) -> int:
    from head3d import store
    from head3d.config import load_config
    from head3d.trials.audit import AuditConfig, run_audit, summary
    from head3d.trials.audit_page import audit_lines, audit_page

    options = parse(AuditOptions, "audit", words)
    config = AuditConfig(
        twins=options.twins,
        depth=options.depth,
        pictures_of=options.pictures_of,
        sources=options.sources,
        data=options.data,
        budget_minutes=options.budget_minutes,
        bound=options.bound,
    )
    with listen() as emit:
        audit = run_audit(options.out, config, pipeline=load_config(options.preset), emit=emit)
    store.write_bytes(options.out / "audit.html", audit_page(audit).encode())
    store.write_bytes(options.out / "audit.json", (json.dumps(summary(audit), indent=1) + "\n").encode())
    print("\n".join(audit_lines(audit)))
    print(options.out / "audit.html")
    return 1 if audit.failed else 0
