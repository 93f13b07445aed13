"""Looks asked for by a word: a file of looks, a file of a set, or the picks of the subject itself.

``head3d render --views`` and the ``renders`` of a batch take such words beside angles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from head3d import store
from head3d.errors import ConfigError, Head3DError
from head3d.look_sets import SUFFIXES, read_set
from head3d.looks import Look, pick_files, read_looks

PICKS = "picks"
"""What was kept in the viewer."""
LOOKS_SUFFIX = ".json"
FILES = ("light", "backdrop", "expression")
"""Words of a look that may be files."""


def asks_for_looks(word: str) -> bool:
    """Whether a word asks for looks; else it is an angle."""
    return word == PICKS or word.lower().endswith((LOOKS_SUFFIX, *SUFFIXES))


def looks_for(words: Sequence[str], views: Path | None) -> list[Look]:
    """The looks some words ask for, in their order; angles are passed over.

    Args:
        words: Of which some ask for looks.
        views: Folder of the subject's picks; None while there is no subject: then there are none.

    Raises:
        ConfigError: A file is not there, or holds what no look can be.
    """
    return [look for path in _files(words, views) for look in _looks_in(path)]


def contents_for(words: Sequence[str], views: Path | None) -> list[str]:
    """Checksums of the files some words ask for looks in, and of the files those looks name.

    Of two pictures under the same words one is out of date where these differ.
    """
    return [sha for path in _files(words, views) for sha in _contents(path)]


def _files(words: Sequence[str], views: Path | None) -> Iterator[Path]:
    for word in words:
        if word == PICKS:
            yield from pick_files(views) if views is not None else ()
        elif asks_for_looks(word):
            yield Path(word)


def _looks_in(path: Path) -> list[Look]:
    """The looks of a file; pictures and lamps that lie beside it are found from wherever it is read."""
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file of looks.", hint="The viewer keeps picks as views/*.json of a subject."
        )
    looks = read_looks(path) if path.suffix.lower() == LOOKS_SUFFIX else read_set(path)
    return [replace(look, **{key: _beside(getattr(look, key), path.parent) for key in FILES}) for look in looks]


def _beside(word: str, folder: Path) -> str:
    beside = Path(word).suffix and not Path(word).is_file() and (folder / word).is_file()
    return str((folder / word).resolve()) if beside else word


def _contents(path: Path) -> list[str]:
    try:
        named = dict.fromkeys(getattr(look, key) for look in _looks_in(path) for key in FILES)
        files = [path, *(Path(word) for word in named if Path(word).suffix and Path(word).is_file())]
        return [store.sha256_file(one) for one in files]
    except (Head3DError, OSError) as error:
        return [f"unreadable: {type(error).__name__}"]  # whoever makes the pictures says it better
