"""What stages read: the user's files, models and weights beside options and earlier stages; which of the photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from head3d import store
from head3d.capture.files import source_files
from head3d.config import Config
from head3d.events import Emit, Notice, ignore
from head3d.stages import Job

if TYPE_CHECKING:
    from head3d.geometry.cameras import Cameras
    from head3d.perception.types import Observation


def sources_sha(job: Job) -> Any:
    """Names and contents of the user's files; None to go on with the stored photos."""
    if not job.sources:
        return None
    files = [file for source in job.sources for file in source_files(source)]
    return [[file.name, _content(file)] for file in files]


def light_content(job: Job) -> Any:
    """What a light is beside its name: the content of its file, or the backdrop it is guessed from."""
    from head3d.render.lights import light_file

    options = job.config.views
    if options.light == "backdrop":
        finish = job.config.finish
        return [finish.backdrop, finish.backdrop_color, finish.backdrop_image, backdrop_content(job)]
    file = light_file(options.light)
    return "" if file is None else _content(file)


def backdrop_content(job: Job) -> Any:
    """The content of pictures of the user's: what stands behind the person, whose look the set takes."""
    image, match = job.config.finish.backdrop_image, job.config.finish.match
    behind = _content(Path(image)) if image else ""
    return [behind, _content(Path(match))] if match not in ("", "backdrop") else behind


def headshot_inputs(job: Job) -> Any:
    """New weights of the refining nets or of the gate make the headshots stale, as another backdrop does."""
    from head3d.networks.files import version
    from head3d.quality.gate_net import NAME
    from head3d.refine.apply import refined_by

    gate = version(NAME) if job.config.gate.pictures else ""
    return [backdrop_content(job), refined_by(job.config.refine), gate]


def made_since(job: Job) -> Any:
    """Sets, votes and tests after the last run: new ones make the report stale."""
    from head3d.report_extras import extra_files

    return [[path.relative_to(job.subject.path).as_posix(), _content(path)] for path in extra_files(job.subject.path)]


def shape_content(job: Job) -> Any:
    """What the head's shape comes from beside photos: a new head model or another scan makes a fit stale."""
    from head3d.morphable.anny_source import ANNY_VERSION

    return [ANNY_VERSION, _content(Path(job.config.scan))] if job.config.scan else ANNY_VERSION


def parsing_version(job: Job) -> str:
    """New weights of the parsing net make all that was perceived stale."""
    from head3d.networks.files import version

    return version("parsing")


def imagined_by(job: Job) -> list[str]:
    """New weights of the nets that complete shape or colours make the field stale."""
    from head3d.networks.files import version

    return [version("completion"), version("lift") if job.config.train.shape == "lift" else ""]


def _content(file: Path) -> str:
    try:
        return store.sha256_file(file)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def given_cameras(observations: "Sequence[Observation]", *, emit: Emit = ignore) -> "list[Cameras] | None":
    """Cameras that came with the photos, if they came with all of them."""
    import torch

    from head3d.geometry.cameras import Cameras

    made = [
        Cameras(torch.from_numpy(photo.c2w).float()[None], torch.from_numpy(photo.K).float()[None], photo.size)
        for photo in (one.photo for one in observations)
        if photo.c2w is not None and photo.K is not None
    ]
    if made and len(made) < len(observations):
        emit(Notice("Some photos have no known camera: all cameras are fitted.", "warning"))
    return made if made and len(made) == len(observations) else None


def split_held_out(
    observations: "Sequence[Observation]", config: Config
) -> "tuple[list[Observation], list[Observation]]":
    """Photos to make the head from, and one that only measures it where there are enough."""
    everything = list(observations)
    if config.hold_out_from == 0 or len(everything) < max(config.hold_out_from, 2):
        return everything, []
    middle = len(everything) // 2  # neither the first nor the last: people put their best photo there
    return everything[:middle] + everything[middle + 1 :], [everything[middle]]
