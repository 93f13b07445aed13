"""What may be delivered: views that show mostly what no photo has seen are told apart from the others."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from head3d.quality.config import GateConfig
from head3d.render.confidence import Shares

Level = Literal["good", "warned", "refused"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""The mildest first."""


@dataclass(frozen=True)
class SightVerdict:
    """On one view.

    Attributes:
        view: Its name.
        level: What becomes of it.
        shares: Why.
        sentence: For the user, with the photo that would help; empty for a good one.
        advice: That photo alone.
    """

    view: str
    level: Level
    shares: Shares
    sentence: str = ""
    advice: str = ""


def judge_sight(view: str, shares: Shares, *, config: GateConfig) -> SightVerdict:
    """Decide on a view by what it is made of."""
    if shares.invented <= config.warn_invented:
        return _judge_unseen(view, shares, config=config)
    level: Level = "refused" if shares.invented > config.refuse_invented else "warned"
    advice = f"Add a photo {missing_side(shares.invented_towards)}."
    sentence = f"{view}: {shares.invented:.0%} of the head in this view is invented, no photo shows it. {advice}"
    return SightVerdict(view, level, shares, sentence, advice)


def _judge_unseen(view: str, shares: Shares, *, config: GateConfig) -> SightVerdict:
    """Decide on a view of which little is invented; much of it may be extrapolated all the same."""
    if shares.extrapolated + shares.invented <= config.warn_unseen:
        return SightVerdict(view, "good", shares)
    # views of an older head3d do not say where it is
    side = missing_side(shares.unseen_towards) if any(shares.unseen_towards) else "from that side"
    advice = f"Add a photo {side}."
    sentence = (
        f"{view}: photos show {shares.seen:.0%} of the head in this view well; most is carried over from what they "
        f"graze, from the other half, or from close by. {advice}"
    )
    return SightVerdict(view, "warned", shares, sentence, advice)


class Judged(Protocol):
    """Any verdict."""

    @property
    def view(self) -> str:
        """Name of the picture."""
        ...

    @property
    def sentence(self) -> str:
        """For the user; empty for a good picture."""
        ...

    @property
    def advice(self) -> str:
        """What photo would help; a part of the sentence."""
        ...

    @property
    def level(self) -> Level:
        """What becomes of the picture."""
        ...


def worst(*verdicts: Judged) -> Judged:
    """The strictest of several verdicts on one picture; of equals the first."""
    return max(verdicts, key=lambda one: LEVELS.index(one.level))


def settle(picture: Path, *verdicts: Judged | None) -> tuple[Path, list[str]]:
    """Where a judged picture goes, and what its user hears of it.

    Args:
        picture: Where it would be delivered; refused ones go into ``refused`` beside that.
        verdicts: On it; the strictest counts.
    """
    heard = [one for one in verdicts if one is not None and one.sentence]
    if delivery(*verdicts) != "refused":
        return picture, [one.sentence for one in heard]
    aside = picture.parent / "refused" / picture.name
    return aside, [f"{one.sentence} It lies in {aside}." if one is worst(*heard) else one.sentence for one in heard]


def deliverable(views: Sequence[str], *verdicts: Mapping[str, Judged]) -> set[str]:
    """Names of the views that no verdict refuses."""
    refused = {view for each in verdicts for view, verdict in each.items() if verdict.level == "refused"}
    return {view for view in views if view not in refused}


def most_helpful(*verdicts: Mapping[str, Judged]) -> str:
    """The advice that would save most of the refused pictures, of equals the first; empty if none was refused."""
    refused = [one for each in verdicts for one in each.values() if one.level == "refused"]
    counted = Counter(one.advice for one in refused if one.advice)
    return max(counted, key=counted.__getitem__, default="")


def delivery(*verdicts: Judged | None) -> Level:
    """The strictest level among what was judged of one picture; good if nothing was."""
    levels: list[Level] = [one.level for one in verdicts if one is not None]
    return max(levels, key=LEVELS.index) if levels else "good"


def missing_side(towards: tuple[float, float, float]) -> str:
    """In words, from where a photo is missing; ``towards`` as in :class:`Shares`."""
    x, y, z = towards
    azimuth, elevation = math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))
    if elevation > 60:
        return "from above"
    if elevation < -60:
        return "from below"
    side = "left" if azimuth > 0 else "right"
    if abs(azimuth) < 25:
        return "from the front"
    if abs(azimuth) < 150:
        return f"from their {side}" + (" and behind" if abs(azimuth) > 115 else "")
    return "from behind"
