"""The command rate: votes in the terminal, what they teach, and the blind test."""

import getpass
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from head3d.commands.options import parse
from head3d.errors import ConfigError, InputError

if TYPE_CHECKING:
    import numpy as np

    from head3d.quality.ratings import Kind

COLUMNS = 44
"""Characters a picture is wide in the terminal."""


@dataclass(frozen=True)
class Rate:
    """Vote on a subject's headshots in the terminal, and rank them by what the votes teach."""

    subject: tyro.conf.Positional[Path | None] = None
    """The subject folder; its headshots and renders are shown, votes go to its ratings.jsonl."""
    axis: Literal["likeness", "professionalism", "appeal"] = "likeness"
    """What is asked."""
    stars: bool = False
    """Give each picture 1 to 5 instead of choosing from pairs."""
    checklist: bool = False
    """Photographer mode: judge each picture's eyes, light, skin, outline, clothes, frame and expression. Such votes
    weigh three times as much."""
    votes: int = 20
    """How many to ask for; 0 only ranks by the votes there are."""
    rater: str = ""
    """Who votes; your login name if empty."""
    weigh: tuple[str, ...] = ()
    """Raters whose votes weigh more, as "ada=3": a photographer's, say."""
    best: int = 0
    """Copy so many of the best into exports/best."""
    search: int = 0
    """Search so many looks (angle, light, expression) that the votes like best, and make them in exports/best."""
    blind: Path | None = None
    """A folder of real photos and renders: are they told apart? Renders are known by the note that head3d writes."""


def rate_command(words: Sequence[str]) -> int:
    options = parse(Rate, "rate", words)
    if options.blind is not None:
        return _blind(options.blind, options.rater or _login())
    if options.stars and options.checklist:
        raise ConfigError("Stars or a checklist, not both.", hint="Leave one of --stars and --checklist out.")
    if options.subject is None:
        raise ConfigError("Whose headshots?", hint="head3d rate FOLDER, or head3d rate --blind FOLDER")
    code = _rate(options)
    return _search(options) if options.search else code


def _rate(options: Rate) -> int:
    from head3d.quality.ratings import RATINGS, append_rating, new_rating, read_ratings
    from head3d.quality.rounds import rated_pictures, rounds
    from head3d.subject import Subject

    assert options.subject is not None
    subject = Subject(options.subject).require()
    pictures = rated_pictures(subject.path)
    store_path = subject.path / RATINGS
    before, spoiled = read_ratings(store_path)
    if spoiled:
        print(f"{spoiled} lines of {store_path} are no votes and are left out")
    rater, given = options.rater or _login(), 0
    kind: Kind = "checklist" if options.checklist else "stars" if options.stars else "pairwise"
    for items in rounds(pictures, before, kind=kind, axis=options.axis):
        if given >= options.votes:
            break
        _show([pictures[name] for name in items])
        choice = _inspect(items[0]) if options.checklist else _ask(items, options)
        if choice == "quit":
            break
        if choice == "skip":
            continue
        answer = None if choice == "tie" else int(choice)
        rating = new_rating(rater=rater, kind=kind, axis=options.axis, items=items, choice=answer)
        append_rating(store_path, rating)
        given += 1
    return _rank(subject.path, pictures, options)


def _rank(folder: Path, pictures: "Mapping[str, Path]", options: Rate) -> int:
    from head3d.quality.preference import LEAST_VOTES
    from head3d.quality.ranking import rank

    ranking = rank(folder, pictures, axis=options.axis, weights=_weights(options.weigh))
    if ranking.model is None:
        print(f"{ranking.comparisons} comparisons on {options.axis}; {LEAST_VOTES} are needed for a ranking")
        return 0
    low, high = ranking.model.interval
    held_out = f"{ranking.model.held_out:.0%}"
    print(f"{options.axis}, from {ranking.model.votes} comparisons; foretells {held_out} of those it was not shown")
    print(f"(95 % interval {low:.0%} to {high:.0%}; guessing is 50 %)")
    for place, (name, reward) in enumerate(ranking.rewards):
        print(f"{place + 1:4d}  {reward:+.2f}  {name}")
    if options.best:
        target = folder / "exports" / "best"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for place, (name, _) in enumerate(ranking.rewards[: options.best]):
            shutil.copyfile(pictures[name], target / f"{place + 1:02d}_{Path(name).name}")
        print(target)
    return 0


def _search(options: Rate) -> int:
    from head3d.best_looks import find_best, make_best
    from head3d.console import listen
    from head3d.subject import Subject

    assert options.subject is not None
    subject = Subject(options.subject).require()
    with listen() as emit:
        found = find_best(subject, axis=options.axis, count=options.search, emit=emit)
        written = make_best(subject, [look for look, _ in found], emit=emit)
    for (look, reward), path in zip(found, written, strict=True):
        print(f"{reward:+.2f}  {look.name}  {path or 'refused'}")
    return 0


def _blind(folder: Path, rater: str) -> int:
    from head3d.export.provenance import read_provenance
    from head3d.imaging.io import read_photo
    from head3d.quality.blind import blind_text, score, shuffle
    from head3d.quality.rounds import SUFFIXES
    from head3d.records import to_plain
    from head3d.store import write_json

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.", hint="Put real photos and renders into one folder.")
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
    truth = {one.name: bool(read_provenance(one)) for one in found}
    if len(set(truth.values())) < 2:
        raise InputError(
            f"{folder}: holds {'only renders' if any(truth.values()) else 'no renders'}.",
            hint="Put real photos and renders into one folder.",
        )
    answers = {}
    with tempfile.TemporaryDirectory(prefix="head3d_blind_") as hidden:
        seed = int.from_bytes(rater.encode()[-6:], "big") % 2**31
        key = shuffle({one.name: read_photo(one) for one in found}, Path(hidden), seed=seed)
        print(f"{len(key)} pictures lie in {hidden}: look at them there.")
        for shown, name in key.items():
            answer = _line(f"{shown}: [p]hoto or [r]ender? ([s]kip, [q]uit) ", "prsq")
            if answer == "q":
                break
            if answer != "s":
                answers[name] = answer == "r"
    result = score(answers, truth)
    write_json(folder / "blind.json", {"rater": rater, **to_plain(result)}, kind="head3d.blind", version=1)
    print(blind_text(result))
    return 0


def _ask(items: Sequence[str], options: Rate) -> str:
    """ "0", "1", "tie", stars, "skip" or "quit"."""
    words = {"likeness": "looks more like the person", "professionalism": "fits a company page better"}
    if options.stars:
        answer = _line(f"{items[0]}\n{options.axis}: 1 to 5? ([s]kip, [q]uit) ", "12345sq")
    else:
        asked = words.get(options.axis, "do you like better")
        answer = _line(f"a: {items[0]}\nb: {items[1]}\nWhich {asked}? [a], [b], [=], [s]kip, [q]uit ", "ab=sq")
    return {"a": "0", "b": "1", "=": "tie", "s": "skip", "q": "quit"}.get(answer, answer)


def _inspect(item: str) -> str:
    """Bits of the points that are right, "skip" or "quit"."""
    from head3d.quality.ratings import CHECKLIST

    print(item)
    passed = 0
    for number, point in enumerate(CHECKLIST):
        answer = _line(f"  {point}? [y], [n], [s]kip this picture, [q]uit ", "ynsq")
        if answer in "sq":
            return {"s": "skip", "q": "quit"}[answer]
        passed |= (answer == "y") << number
    print(f"  {passed.bit_count()} of {len(CHECKLIST)}")
    return str(passed)


def _line(question: str, allowed: str) -> str:
    """One of the allowed letters; the end of the input is q."""
    while True:
        try:
            answer = input(question).strip().lower()[:1]
        except EOFError:
            return "q"
        if answer and answer in allowed:
            return answer


def _show(paths: Sequence[Path]) -> None:
    """Pictures side by side as half blocks of colour; nothing where nobody looks."""
    if not sys.stdout.isatty():
        return
    from head3d.imaging.io import read_photo

    small = [_blocks(read_photo(path)) for path in paths]
    for row in range(max(len(one) for one in small)):
        print("  ".join(one[row] if row < len(one) else " " * COLUMNS for one in small))


def _blocks(pixels: "np.ndarray") -> list[str]:
    from PIL import Image

    height = max(round(COLUMNS * pixels.shape[0] / pixels.shape[1] / 2) * 2, 2)
    small = Image.fromarray(pixels).resize((COLUMNS, height))
    lines = []
    for y in range(0, height, 2):
        cells = []
        for x in range(COLUMNS):
            upper, lower = (";".join(map(str, small.getpixel((x, y + step)))) for step in (0, 1))  # type: ignore[arg-type]
            cells.append(f"\x1b[38;2;{upper};48;2;{lower}m▀")
        lines.append("".join(cells) + "\x1b[0m")
    return lines


def _weights(words: Sequence[str]) -> dict[str, float]:
    weights = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            weights[name] = -1.0
        if not name or not 0 < weights[name] < 1000:
            raise ConfigError(f"{word!r} is no rater's weight.", hint='Write it as "ada=3".')
    return weights


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "me"
