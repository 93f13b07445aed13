"""What a batch is to do: a yaml of subjects, or a folder that has a folder of photos for each.

    preset: fast
    consent: {by: Studio Vega, scope: "portraits for the staff directory"}
    views: [front, three-quarter-left, 30/-10]
    subjects:
      - {name: ada, photos: [ada/*.jpg]}
      - {name: grace, photos: [grace/], consent: {by: Grace, scope: self}, options: {train: {steps: 800}}}

What stands at the top holds for every subject that does not say otherwise.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from head3d import __version__, store
from head3d.asked_looks import PICKS, asks_for_looks, contents_for
from head3d.capture.config import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from head3d.capture.files import source_files
from head3d.config import arguments_from_yaml, load_config
from head3d.errors import ConfigError, ConsentMissing, InputError
from head3d.jobs.remote import is_url, remote_files
from head3d.jobs.spec import JobSpec, Picture
from head3d.pictures import check_views, options_from
from head3d.pipeline import choose_stages
from head3d.subject import Consent, consent_of

SHARED = ("preset", "options", "stages", "views", "light", "size", "consent", "renders", "results")
OWN = (*SHARED, "name", "photos")
FILES = ("light", "backdrop", "match", "crop", "expression")
"""Options of pictures that may be files; those beside the yaml are found."""
LONGEST_NAME = 100
NAME = re.compile(r"[^\W_][\w .,+@()-]*", re.UNICODE)
"""A name becomes a folder: it starts with a letter or digit and holds no slash."""
SUFFIXES = PHOTO_SUFFIXES | VIDEO_SUFFIXES


@dataclass(frozen=True)
class Item:
    """One subject of a batch.

    Attributes:
        name: Of its folder, its log and its entry in ledger and manifest.
        job: What is to be done; ``job.subject`` is set when the batch knows its own folder.
    """

    name: str
    job: JobSpec

    def on(self, subject: Path, *, cache: Path) -> JobSpec:
        """The job, in a subject folder; what URLs hold is fetched into ``cache``."""
        return replace(self.job, subject=str(subject.resolve()), cache=str(cache.resolve()))

    def files(self) -> list[Path]:
        """The photos and videos of this machine, and what tells their cameras, as capture will read them."""
        return [file for one in self.job.photos if not is_url(one) for file in source_files(Path(one))]

    def key(self, subject: Path | None = None) -> str:
        """Changes when the photos, the options or the code do: a result under another key is made anew.

        Paths are no part of it, so a batch that moved to another disk goes on.

        Args:
            subject: Its folder, which has the picks; None if there is none yet.
        """
        kept = None if subject is None else subject / "views"
        what = self.job.plain()
        del what["subject"], what["photos"], what["cache"]
        if not self.job.results:
            del what["results"]
        if self.job.consent is not None:
            del what["consent"]["date"]  # that of the day the batch was started
        if self.job.preset.endswith((".yaml", ".yml")):
            what["preset"] = store.sha256_file(Path(self.job.preset))
        what["options"] = [_word_or_content(word) for word in what["options"]]
        for picture in what["pictures"]:
            files = {key: Path(picture[key]) for key in FILES if picture[key]}
            picture |= {key: store.sha256_file(path) for key, path in files.items() if path.is_file()}
            picture["views"] = [_angle_or_contents(word, kept) for word in picture["views"]]
        contents = [[one.name, _sha_or_missing(one)] for one in self.files()]
        contents += [entry for one in self.job.photos if is_url(one) for entry in _remote_or_missing(one)]
        stages = {stage.name: stage.version for stage in choose_stages(self.job.stages or ())}
        return store.sha256_of([what, contents, stages, __version__])


def read_plan(source: Path, *, overrides: Mapping[str, Any] | None = None) -> list[Item]:
    """Read a batch.

    Args:
        source: The yaml, or the folder of folders.
        overrides: Replaces what stands at the top of the yaml: preset, options, stages, views, light, size, consent.

    Raises:
        ConfigError: Not yaml, an unknown key, a value that cannot be; with the place.
        InputError: No subject, or two of one name.
        ConsentMissing: Nobody agreed to a subject.
    """
    given = {key: value for key, value in (overrides or {}).items() if value not in (None, "", (), [], {})}
    if source.is_dir():
        base, entries, top = source, _folders(source), {}
    else:
        base, (entries, top) = source.parent, _read_yaml(source)
    shared = {**{key: top[key] for key in SHARED if key in top}, **given}
    items = [
        _item({**shared, **entry, **given}, base, f"{source}: subject {at + 1}") for at, entry in enumerate(entries)
    ]
    if not items:
        raise InputError(f"{source} names no subject.", hint="A folder of photos for each, or `subjects:` in a yaml.")
    seen: dict[str, str] = {}
    for item in items:
        folded = unicodedata.normalize("NFC", item.name).casefold()
        if folded in seen:
            raise InputError(f"{source}: two subjects are called {item.name!r}.", hint="Give each its own name.")
        seen[folded] = item.name
    for preset, options in dict.fromkeys((item.job.preset, item.job.options) for item in items):
        load_config(preset, *options)  # a mistake in the options is told before the first subject starts
    for picture in dict.fromkeys(picture for item in items for picture in item.job.pictures):
        check_views(picture, picture.views)
    return items


def shard_of(items: Sequence[Item], shard: str) -> list[Item]:
    """Every n-th subject, from the i-th on, for ``i/n`` with i from 0; all for ""."""
    if not shard:
        return list(items)
    index, count = parse_shard(shard)
    return list(items[index::count])


def parse_shard(shard: str) -> tuple[int, int]:
    """``i/n`` as numbers, 0 <= i < n."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", shard)
    if found is None or not int(found[1]) < int(found[2]):
        raise ConfigError(f"There is no shard {shard!r}.", hint="i/n with i from 0 to n - 1: --shard 0/8.")
    return int(found[1]), int(found[2])


def _read_yaml(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", hint="Give a yaml of subjects, or a folder of folders of photos."
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date in month 13, a number too long
        raise ConfigError(
            f"{path} is not yaml: {str(error).splitlines()[0]}.", hint="Check its indentation."
        ) from error
    if not isinstance(content, Mapping) or not isinstance(content.get("subjects"), list):
        raise ConfigError(f"{path} has no list `subjects`.", hint="subjects: [{name: ada, photos: [ada/]}]")
    _check_keys(content, (*SHARED, "subjects"), str(path))
    for at, entry in enumerate(content["subjects"]):
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{path}: subject {at + 1} is not a mapping.", hint="- {name: ada, photos: [ada/]}")
        _check_keys(entry, OWN, f"{path}: subject {at + 1}")
    return [dict(entry) for entry in content["subjects"]], dict(content)


def _folders(source: Path) -> list[dict[str, Any]]:
    found = sorted(one for one in source.iterdir() if one.is_dir() and not one.name.startswith("."))
    return [
        {"name": one.name, "photos": [one.name]}
        for one in found
        if any(file.suffix.lower() in SUFFIXES for file in one.iterdir())
    ]


def _check_keys(content: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(known)}."
            raise ConfigError(f"{where}: there is no {key!r}.", hint=hint)


def _item(entry: Mapping[str, Any], base: Path, where: str) -> Item:
    name = str(entry.get("name") or "")
    if not NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME or name.endswith((".", " ")):
        hint = f"Letters, digits, spaces and . , + @ ( ) - _, at most {LONGEST_NAME} bytes; a letter or digit first."
        raise ConfigError(f"{where}: {name!r} cannot be a name.", hint=hint)
    where = f"{where} ({name})"
    options = list(_options(entry.get("options") or {}, where))
    if views := _words(entry.get("views"), where):
        _refuse_looks(views, where)
        options += ["--views.names", *views]
    if entry.get("light"):
        options += ["--views.light", str(entry["light"])]
    if entry.get("size"):
        options += ["--views.size-px", str(entry["size"]), "--finish.size", str(entry["size"])]
    stages = _words(entry.get("stages"), where)
    choose_stages(stages)
    job = JobSpec(
        subject="",
        photos=tuple(_photos(entry.get("photos"), base, where)),
        preset=str(entry.get("preset") or "cpu"),
        options=tuple(options),
        stages=stages,
        consent=_consent(entry.get("consent"), where),
        pictures=tuple(_picture(one, base, index, where) for index, one in enumerate(entry.get("renders") or ())),
        results=_results(entry.get("results"), name, where),
    )
    return Item(name, job)


def _options(content: Any, where: str) -> Iterator[str]:
    if isinstance(content, Mapping):
        yield from arguments_from_yaml(yaml.safe_dump(dict(content)), where=where)
    elif isinstance(content, list | tuple) and all(isinstance(one, str) for one in content):
        yield from content
    else:
        raise ConfigError(f"{where}: options are keys and values.", hint="options: {train: {steps: 800}}")


def _photos(content: Any, base: Path, where: str) -> Iterator[str]:
    for word in _words(content, where):
        if is_url(word):
            yield word
        else:
            yield from _files_called(word, base, where)


def _files_called(word: str, base: Path, where: str) -> list[str]:
    """Files by their name or pattern, beside the yaml."""
    if not any(sign in word for sign in "*?["):
        return [str((base / word).resolve())]
    found = sorted(base.glob(word)) if not Path(word).is_absolute() else []
    if not found:
        raise InputError(f"{where}: no file is called {word}.", hint=f"Patterns are relative to {base}.")
    return [str(one.resolve()) for one in found]


def _words(content: Any, where: str) -> tuple[str, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return tuple(word.strip() for word in content.split(",") if word.strip())
    if isinstance(content, list | tuple) and all(isinstance(one, str | int | float) for one in content):
        return tuple(str(one) for one in content)
    raise ConfigError(f"{where}: {content!r} is not a list of words.", hint="[front, three-quarter-left]")


def _consent(content: Any, where: str) -> Consent:
    if isinstance(content, Mapping):
        _check_keys(content, ("by", "date", "scope"), f"{where}: consent")
        by, scope = str(content.get("by") or "").strip(), str(content.get("scope") or "").strip()
        if by and scope:
            consent = consent_of(by, scope)
            return replace(consent, date=str(content["date"])) if content.get("date") else consent
    raise ConsentMissing(
        f"{where}: nobody is named who agreed to this.",
        hint='Write consent: {by: NAME, scope: "what they agreed to"}, or give --consent-by and --consent-scope.',
    )


def _picture(content: Any, base: Path, index: int, where: str) -> Picture:
    where = f"{where}: render {index + 1}"
    known = [name for name in Picture.__dataclass_fields__ if name != "folder"]
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} is not a mapping.", hint="renders: [{views: [front], light: rembrandt}]")
    _check_keys(content, known, where)
    asked = {key: _beside(value, base) if key in FILES else value for key, value in content.items() if key != "views"}
    views = _words(content.get("views"), where) or ("front",)
    named = [
        found
        for word in views
        for found in (_files_called(word, base, where) if asks_for_looks(word) and word != PICKS else [word])
    ]
    try:
        picture = Picture(**options_from(asked), views=tuple(named))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}.", hint="size: 1024, distance_m: 1.5, focal_mm: 85") from error
    return replace(picture, folder=f"{index:02d}")


def _refuse_looks(views: Sequence[str], where: str) -> None:
    """Headshots of a run are of angles, whose light is the run's."""
    for word in views:
        if asks_for_looks(word):
            hint = f"Write renders: [{{views: [{word}]}}]."
            raise ConfigError(f"{where}: views of a run are angles, and {word} holds looks.", hint=hint)


def _beside(value: Any, base: Path) -> Any:
    """The path of a file that lies beside the yaml, whatever else a word is."""
    return str((base / value).resolve()) if isinstance(value, str) and value and (base / value).is_file() else value


def _results(content: Any, name: str, where: str) -> str:
    if not content:
        return ""
    if not isinstance(content, str) or not is_url(content):
        raise ConfigError(
            f"{where}: results {content!r} is no URL.", hint="results: s3://bucket/heads; or leave it out."
        )
    return f"{content.rstrip('/')}/{name}"


def _remote_or_missing(url: str) -> list[list[str]]:
    try:
        return [list(one) for one in remote_files(url)]
    except InputError as error:
        return [[url, error.message]]  # as below


def _word_or_content(word: str) -> str:
    """A word of the options; a file that it names (a light, a backdrop, a scan) by its content, as stages take it."""
    path = Path(word)
    return store.sha256_file(path) if path.suffix and path.is_file() else word


def _angle_or_contents(word: str, kept: Path | None) -> str | list[str]:
    """An angle; of looks the contents of their files, wherever those lie."""
    if not asks_for_looks(word):
        return word
    return [PICKS] * (word == PICKS) + contents_for([word], kept)


def _sha_or_missing(path: Path) -> str:
    try:
        return store.sha256_file(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"  # the worker says it better, and only its own subject fails
