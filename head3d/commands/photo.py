"""The command photo: a person's own photo before another backdrop, or the place without the person."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.console import listen


def photo_command(words: Sequence[str]) -> int:
    from head3d import store
    from head3d.capture.photos import gather
    from head3d.capture.verdicts import nothing_left
    from head3d.export.provenance import COMPOSITE_SOURCE_TYPE, write_with_provenance
    from head3d.export.signing import SigningConfig, identity_of
    from head3d.finish.apply import with_backdrop
    from head3d.finish.config import FinishConfig
    from head3d.finish.own_photo import Cutout, emptied, on_backdrop
    from head3d.perception.config import PerceptionConfig
    from head3d.perception.observe import observe

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
        provenance: SigningConfig = field(default_factory=SigningConfig)
        """Whether and as whom the pictures are signed."""
        out: Path = Path()
        """Folder for the pictures."""

    options = parse(PhotoOptions, "photo", words)
    config = with_backdrop(FinishConfig(), options.backdrop)
    signer = identity_of(options.provenance)
    with listen() as emit:
        photos, verdicts = gather(options.photos, emit=emit)
        seen, judged = observe(photos, config=replace(PerceptionConfig(), face=options.face), emit=emit)
    if not seen:
        raise nothing_left([one for one in (*verdicts, *judged) if not one.accepted])
    store.make_folder(options.out)
    # of a picture behind the person neither path nor name is told, and no photo's name in the signed record
    facts = {"backdrop": "picture" if config.backdrop_image else options.backdrop}
    for one in seen:
        cut = Cutout(one.photo.rgb_srgb, one.parsing.matte)
        stem = Path(one.photo.name).stem
        made = {"backdrop": on_backdrop(cut, config)}
        if options.place:
            made["place"] = emptied(cut)
        for kind, pixels in made.items():
            path = options.out / f"{stem}_{kind}.png"
            with store.disk_errors(path):
                write_with_provenance(
                    path, pixels, facts=facts, signer=signer, source_type=COMPOSITE_SOURCE_TYPE, title=kind
                )
            print(path)
    return 0
