"""The command photo: a person's own photo before another backdrop, or the place without the person."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.console import listen


@dataclass(frozen=True)
class PhotoOptions:
    """Your own photos, without a 3D head: cut the person out, put another backdrop behind, or empty the place."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Photos or folders of photos."""
    backdrop: str = "studio-grey"
    """A painted backdrop (charcoal, white, ...), #rrggbb, or a picture."""
    place: bool = False
    """Write NAME_place.png too: the place without the person. It can be the --backdrop of `head3d render`."""
    face: int | None = None
    """Which face is the person's where a photo shows several: 0 the largest."""
    out: Path = Path()
    """Folder for the pictures."""


def photo_command(words: Sequence[str]) -> int:
    from dataclasses import replace

    from head3d import store
    from head3d.capture.photos import gather
    from head3d.capture.verdicts import nothing_left
    from head3d.export.provenance import write_with_provenance
    from head3d.finish.apply import with_backdrop
    from head3d.finish.config import FinishConfig
    from head3d.finish.own_photo import Cutout, emptied, on_backdrop
    from head3d.perception.config import PerceptionConfig
    from head3d.perception.observe import observe

    options = parse(PhotoOptions, "photo", words)
    config = with_backdrop(FinishConfig(), options.backdrop)
    with listen() as emit:
        photos, verdicts = gather(options.photos, emit=emit)
        seen, judged = observe(photos, config=replace(PerceptionConfig(), face=options.face), emit=emit)
    if not seen:
        raise nothing_left([one for one in (*verdicts, *judged) if not one.accepted])
    store.make_folder(options.out)
    for one in seen:
        cut = Cutout(one.photo.rgb_srgb, one.parsing.matte)
        stem = Path(one.photo.name).stem
        made = [(f"{stem}_backdrop.png", on_backdrop(cut, config))]
        if options.place:
            made.append((f"{stem}_place.png", emptied(cut)))
        for name, pixels in made:
            with store.disk_errors(options.out / name):
                write_with_provenance(options.out / name, pixels, facts={"backdrop": options.backdrop})
            print(options.out / name)
    return 0
