"""The command live: a face in a video, or before a webcam, moves the head."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.errors import ConfigError, InputError


@dataclass(frozen=True)
class Live:
    """The head follows a face: its turn and 52 units of expression, from a webcam or a video file. Needs no screen."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    source: str = ""
    """A video file, or the number of a webcam (0). Empty: the viewer opens on its page "Live", which takes the webcam
    of the machine that the browser runs on."""
    out: Path | None = None
    """The video to write; the subject's exports/live.mp4 if not given. An .mp4 is signed as AI-generated (C2PA); .webm
    can hold no signature and says so in its comment only."""
    size: int = 384
    """Height of the picture, px."""
    seconds: float = 0.0
    """Stop after so long; 0: at the end of the file, or with Ctrl-C."""
    beside: bool = False
    """Show the face that is followed beside the head; the signature then says composite."""
    light: str = "soft-front"
    """As in `head3d render`."""
    backdrop: str = ""
    """As in `head3d render`."""
    port: int = 8765
    """Of the viewer, where no source is given."""


def live_command(words: Sequence[str]) -> int:
    options = parse(Live, "live", words)
    if not options.source:
        from head3d.commands.view import view

        print('Open the page "Live" of the viewer.')
        return view([str(options.subject), "--port", str(options.port)])
    if not 64 <= options.size <= 1024:
        raise ConfigError(f"A size of {options.size} px is not made.", hint="Use 64 to 1024.")
    from head3d.export.signing import identity_of
    from head3d.looks import Look
    from head3d.perception.nets import load_face_nets
    from head3d.studio import Studio
    from head3d.subject import Subject
    from head3d.viewer.follow import Follower  # pyright: ignore[reportMissingImports]
    from head3d.viewer.live_video import Pace, pictures_of, played, write_live  # pyright: ignore[reportMissingImports]
    from head3d.viewer.puppet import Puppet  # pyright: ignore[reportMissingImports]

    pictures, rate = pictures_of(options.source)
    subject = Subject(options.subject).require()
    studio = Studio(subject)
    signer = identity_of(studio.config.provenance)
    look = Look(light=options.light, backdrop=options.backdrop)
    puppet, follower = Puppet(studio, look, height_px=options.size), Follower(studio.fitted, load_face_nets())
    out, pace = options.out or subject.path / "exports" / "live.mp4", Pace()
    frames = played(puppet, follower, pictures, pace, beside=options.beside, seconds=options.seconds)
    try:
        write_live(out, frames, fps=rate, light=studio.light(look).name, signer=signer, beside=options.beside)
    except ConfigError:
        if pace.pictures:
            raise
        hint = "Both eyes should be seen, in good light."
        raise InputError(f"{options.source}: no face was found.", hint=hint) from None
    subject.record_deliveries([out])
    print(f"{pace.words}\n{out}")
    return 0
