"""The command line: ``head3d COMMAND ...``. Parses, calls, prints; errors a user can cause end here in two lines."""

import difflib
import os
import sys
from collections.abc import Callable, Sequence

from head3d import __version__
from head3d.commands import audit, folder, give, live, machine, make, many, photo, rate, training, tryout, view
from head3d.console import print_error
from head3d.errors import ConfigError, Head3DError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code (see errors)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"head3d {__version__}")
        return 0
    try:
        return command(words[0])(words[1:])
    except Head3DError as error:
        if debug:
            raise
        print_error(error.message, hint=error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted.", hint="Run the same command again: finished stages are kept.")
        return 130
    except BrokenPipeError:  # the reader of a pipe went away: not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        print_error(f"{error.filename or 'file system'}: {error.strerror or error}.", hint="--debug shows where.")
        return 6


def overview() -> str:
    """What ``head3d --help`` prints."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {summary}" for name, (summary, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: head3d COMMAND [OPTIONS]",
            "",
            "A few photos of a person in; a relightable 3D head and headshots from any angle out.",
            "",
            *lines,
            "",
            "head3d COMMAND --help tells the options of a command. --debug shows the traceback of an error.",
            "Start with: head3d run PHOTO... --out subjects/me --consent self",
        ]
    )


def command(name: str) -> Callable[[Sequence[str]], int]:
    """The function of a command; ConfigError with the nearest name if there is none."""
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Perhaps you meant `head3d {near[0]}`." if near else f"There are {', '.join(COMMANDS)}."
        raise ConfigError(f"There is no command {name!r}.", hint=hint)
    return COMMANDS[name][1]


COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "run": ("photos to head, headshots, contact sheet and report", make.run_command),
    "render": ("more headshots: other angles, lights, sizes", make.render_command),
    "photo": ("your own photo before another backdrop; the place without you", photo.photo_command),
    "batch": ("many people, side by side or on a cluster", many.batch),
    "serve": ("an HTTP API with a queue", many.serve),
    "export": ("GLB, splats, video, captures, EXR for other programs", give.export_command),
    "view": ("turn the head in a browser, pick pictures, get the set", view.view),
    "live": ("the head does what a face does, from a webcam or a video", live.live_command),
    "rate": ("vote on headshots, rank them; tell photos and renders apart", rate.rate_command),
    "audit": ("is it as good for everybody? by skin tone, sex, age, hair", audit.audit_command),
    "status": ("what is done in a subject folder", folder.status),
    "verify": ("check the signatures of pictures", give.verify_command),
    "lock": ("encrypt a subject folder", folder.lock_command),
    "unlock": ("decrypt it again", folder.unlock_command),
    "delete": ("erase a person", folder.delete),
    "doctor": ("what this machine offers, and what is missing", machine.doctor),
    "weights": ("list or fetch the model files", machine.weights),
    "licenses": ("licences of packages, model files and data", machine.licenses),
    "build": ("compile the kernels", machine.build),
    "bench": ("measure a head against truth; speed of kernels and pictures", machine.bench),
    "train-parsing": ("train the net that divides photos into regions", training.train_parsing),
    "train-lift": ("train the net that completes a head's shape", training.train_lift),
    "train-completion": ("train the net that imagines what no photo saw", training.train_completion),
    "train-refiner": ("train the nets that sharpen and enlarge pictures", training.train_refiner),
    "train-gate": ("train the net that tells broken pictures, calibrate the gate", training.train_gate),
    "presets": ("list the presets of runs, frames of pictures, garments", tryout.presets),
    "sample-photos": ("fetch photos of a synthetic person", tryout.sample_photos),
    "sample": ("draw photos of a new person who does not exist", tryout.sample),
}
"""Name, one line for the overview, and what it does."""


if __name__ == "__main__":
    raise SystemExit(main())
